// Hermit images booted on a test machine: their unpacked place, their requirements, and their libraries.

@testable import Boot
import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ImageOpeningTests {
    static let loader = AddressRange(0x10_0000, 0x12_0000)

    /// A kernel of the newest generation that needs `libraries`.
    static func kernel(_ libraries: [String] = []) -> [UInt8] {
        var file = LinkedFileWriter()
        (file.needed, file.alsoNeeded) = (libraries.first, Array(libraries.dropFirst()))
        return file.bytes
    }

    /// Boots `image`, which lies at `start`, on a machine with 64 MiB; `other` is a further module.
    static func boot(
        _ image: [UInt8], at start: UInt64 = 0x40_0000, line: String = "", taken: [AddressRange] = [],
        tables: [(address: UInt64, bytes: [UInt8])] = [], besides other: [UInt8]? = nil
    ) throws -> BootedMachine {
        let module = AddressRange(at: start, size: UInt64(image.count))
        let handoff = Handoff(loader: loader, codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        let second = AddressRange(at: 0x300_0000, size: UInt64(other?.count ?? 0))
        let contents =
            [(address: 0x5000 as UInt64, bytes: Array(line.utf8)), (module.start, image)] + tables
            + [(second.start, other ?? [])]
        return try BootedMachine(contents, handoff) { () throws(Fault) in
            var platform = Platform(.pvh, information: 0x9500)
            try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x400_0000), .available)
            for range in taken { try platform.reservations.add(range, .firmware) }
            try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
            if other != nil { try platform.add(Module(range: second, commandLine: AddressRange(0, 0))) }
            if !line.isEmpty { platform.commandLine = AddressRange(at: 0x5000, size: UInt64(line.utf8.count)) }
            return platform
        }
    }

    /// The node `chosen` of the device tree.
    static func chosen(_ machine: BootedMachine) throws -> DeviceTreeNode {
        let tree = try #require(DeviceTree(machine.bytes(machine.plan.handoff.deviceTree)))
        return try #require(tree.root.children.first { $0.name == "chosen" })
    }
    /// Its command line.
    static func told(_ machine: BootedMachine) throws -> String? { try chosen(machine).text("bootargs") }

    @Test func `packed or not, an image boots with its line`() throws {
        let image = ImageWriter(Self.kernel(), "[input]\napp_args = [\"one\"]\n")
        for bytes in [image.archive, image.packed] {
            #expect(try Self.told(Self.boot(bytes)) == "app -- one")
            #expect(try Self.told(Self.boot(bytes, line: "loader -- two")) == "loader -- two")
        }
    }

    /// The report says that it is an image, its unpacked size and its place; it says nothing for an ELF file, or if it is quiet.
    @Test func `an image is reported as one`() throws {
        let image = ImageWriter(Self.kernel())
        let size = image.archive.count
        let line = "[LOADER] Hermit image, unpacked: \(size) bytes at 0x"
        // An unpacked archive stays in its place; a packed one is unpacked to free memory.
        let end = String(0x40_0000 + size - 1, radix: 16)
        #expect(try Self.boot(image.archive).said.hasPrefix("\(line)400000-0x\(end)\n"))
        let unpacked = String(0x12_0000 + size - 1, radix: 16)
        #expect(try Self.boot(image.packed).said.hasPrefix("\(line)120000-0x\(unpacked)\n"))
        #expect(try !Self.boot(Self.kernel()).said.contains("Hermit image"))
        #expect(try Self.boot(image.packed, line: "loader.quiet").said == "")
    }

    /// The firmware's own share may be missing: an eighth and at most 16 MiB, and not a byte more.
    @Test func `an image boots with as much memory as it requires`() throws {
        // Memory available below 1 MiB, and above.
        let available: UInt64 = 0x9_f000 + 0x3f0_0000
        for (memory, boots) in [
            (available, true), (available + available / 8, true), (available + available / 8 + 1, false),
            (1 << 40, false),
        ] {
            let image = ImageWriter(Self.kernel(), "[requirements]\nmemory = \"\(memory) B\"\n")
            let found = fault { _ = try Self.boot(image.packed) }
            #expect(
                found == (boots ? nil : Fault(.memoryBelowRequirement, value: memory, limit: available)), "\(memory)")
        }
    }

    @Test func `firmware keeps a part of memory, and of much memory a smaller one`() {
        #expect(ImageOpening.mostKept(of: 8 << 20) == 1 << 20)
        for available in [128 << 20, 1 << 40] { #expect(ImageOpening.mostKept(of: UInt64(available)) == 16 << 20) }
    }

    /// ACPI's root pointer where a BIOS leaves it, RSDT and MADT with `count` processors.
    private static func tables(processors count: Int) -> [(address: UInt64, bytes: [UInt8])] {
        func summed(_ bytes: [UInt8], _ place: Int) -> [UInt8] {
            bytes.putting(bytes.reduce(0, &-) as UInt8, at: place)
        }
        func table(_ signature: String, _ contents: [UInt8]) -> [UInt8] {
            let size = littleEndian(UInt32(36 + contents.count))
            return summed(Array(signature.utf8) + size + [UInt8](repeating: 0, count: 28) + contents, 9)
        }
        let root = Array("RSD PTR ".utf8) + [UInt8](repeating: 0, count: 8) + littleEndian(0x9_2000 as UInt32)
        let processors = (0..<count).flatMap { [0, 8, UInt8($0), UInt8($0), 1, 0, 0, 0] as [UInt8] }
        return [
            (0xf_0000, summed(root, 8)), (0x9_2000, table("RSDT", littleEndian(0x9_3000 as UInt32))),
            (0x9_3000, table("APIC", [UInt8](repeating: 0, count: 8) + processors)),
        ]
    }

    /// As many processors as there are, and not one more; any number if the machine's is unknown.
    @Test func `an image boots with as many processors as it requires`() throws {
        for (wanted, count, boots) in [
            (0, 1, true), (1, 1, true), (2, 1, false), (2, 2, true), (3, 2, false), (16, 16, true), (17, 16, false),
            (4_000_000_000, nil, true),
        ] as [(UInt64, Int?, Bool)] {
            let image = ImageWriter(Self.kernel(), "[requirements]\ncpus = \(wanted)\n")
            let found = fault {
                _ = try Self.boot(image.packed, tables: count.map { Self.tables(processors: $0) } ?? [])
            }
            let limit = UInt64(count ?? 0)
            #expect(
                found == (boots ? nil : Fault(.processorsBelowRequirement, value: wanted, limit: limit)), "\(wanted)")
        }
    }

    /// A kernel's command line has at most 65,535 bytes.
    @Test func `an image's line has a largest size`() throws {
        for (size, fits) in [(0xfffe, true), (0xffff, true), (0x1_0000, false)] {
            let word = String(repeating: "x", count: size - "app -- ".count)
            let image = ImageWriter(Self.kernel(), "[input]\napp_args = ['\(word)']\n")
            guard fits else {
                #expect(fault { _ = try Self.boot(image.packed) } == Fault(.commandLineTooLong, limit: 0xffff))
                continue
            }
            #expect(try Self.told(Self.boot(image.packed)) == "app -- " + word)
        }
    }

    /// A file that is neither ELF nor an image is refused as no ELF file.
    @Test func `other files are no images`() throws {
        let archive = ImageWriter(Self.kernel()).archive
        for bytes in [
            Array("a text".utf8), [UInt8](repeating: 0, count: 2048), [0x1f], [0x1f, 0x8c, 8, 0], [0x8b, 0x1f, 8, 0],
            archive.putting(archive[0] ^ 1, at: 0), Array(archive.prefix(511)),
        ] {
            #expect(fault { _ = try Self.boot(bytes) }?.rule == .notELF)
        }
        // The first bytes alone make it an image.
        #expect(fault { _ = try Self.boot([0x1f, 0x8b, 8, 0]) } == Fault(.gzipTruncated, value: 10, limit: 4))
        let configuration = try #require(ImageWriter([]).configuration)
        #expect(
            fault { _ = try Self.boot(Array(archive.prefix(512))) }
                == Fault(.tarTruncated, .archive(0), value: UInt64(configuration.utf8.count), limit: 512))
    }

    /// gzip records the size of its last member alone, and the record may be wrong.
    @Test func `an image is unpacked whatever size it claims`() throws {
        let archive = ImageWriter(Self.kernel()).archive
        let packed = ImageWriter.gzip(archive)
        let half = archive.count / 2 & ~511
        let members = ImageWriter.gzip(Array(archive[..<half])) + ImageWriter.gzip(Array(archive[half...]))
        let emptyLast = packed + ImageWriter.gzip([])
        for bytes in [packed, members, emptyLast] { #expect(try Self.told(Self.boot(bytes)) == "app") }
    }

    /// The unpacked archive goes to free memory; if no room is large enough, the fault has its size and the largest room.
    @Test func `an image that has no room says how much it needs`() throws {
        let image = ImageWriter(Self.kernel())
        let size = UInt64(image.archive.count)
        let above = 0x40_0000 + UInt64(image.packed.count + 0xfff) & ~0xfff
        // Two pages too few, and enough for the archive alone: then the line, the handoff or the image has no place.
        for room in [size & ~0xfff, (size + 0xfff) & ~0xfff] {
            let taken = [AddressRange(0x12_0000, 0x40_0000), AddressRange(above + room, 0x400_0000)]
            let found = fault { _ = try Self.boot(image.packed, taken: taken) }
            if room < size {
                #expect(found == Fault(.archiveTooLarge, value: size, limit: room))
            } else {
                // The line is next: "app".
                #expect(found == Fault(.noRoomForHandoff, value: 3))
            }
        }
    }

    /// Of an image's shared objects the needed ones are loaded, including those that libraries need, in any order.
    @Test func `libraries in an image are found`() throws {
        func library(_ soname: String?, _ needed: [String] = []) -> [UInt8] {
            var file = LinkedFileWriter()
            file.soname = soname
            (file.needed, file.alsoNeeded) = (needed.first, Array(needed.dropFirst()))
            return file.bytes
        }
        let text = Array("no library".utf8)
        let cases: [(files: [(String, [UInt8])], needed: [String], missing: Rule?)] = [
            ([("lib/one.so", library(nil))], ["one.so"], nil),
            ([("lib/one.so", library("uno.so"))], ["uno.so"], nil),
            ([("two.so", library(nil)), ("one.so", library(nil, ["two.so"]))], ["one.so"], nil),
            ([("one.so", library(nil, ["two.so"])), ("two.so", library(nil))], ["one.so"], nil),
            ([("one.so", library(nil, ["two.so"]))], ["one.so"], .needsLibrary),
            ([("other.so", library(nil))], ["one.so"], .needsLibrary),
            ([("one.so", text)], ["one.so"], .needsLibrary),
            // Files that cannot be loaded with others are not libraries: e_ident's class and byte order, and both bytes of the type decide.
            ([("one.so", library(nil).putting(1 as UInt8, at: 4))], ["one.so"], .needsLibrary),
            ([("one.so", library(nil).putting(2 as UInt16, at: 16))], ["one.so"], .needsLibrary),
            ([("one.so", library(nil).putting(0x103 as UInt16, at: 16))], ["one.so"], .needsLibrary),
            // Of two files with one name the last counts, even if it alone needs others.
            ([("one.so", library(nil, ["two.so"])), ("one.so", library(nil))], ["one.so"], nil),
            (
                [("two.so", library(nil)), ("one.so", library(nil)), ("one.so", library(nil, ["two.so"]))], ["one.so"],
                nil
            ),
            ([("one.so", library(nil)), ("one.so", library(nil, ["two.so"]))], ["one.so"], .needsLibrary),
        ]
        for (index, (files, needed, missing)) in cases.enumerated() {
            var image = ImageWriter(Self.kernel(needed))
            image.files += files
            #expect(fault { _ = try Self.boot(image.packed) }?.rule == missing, "\(index)")
        }
    }

    /// At most sixteen files are loaded together, including the kernel: an archive may hold more, but not need more.
    @Test(arguments: [15, 16, 20]) func `an image has at most fifteen libraries`(_ count: Int) throws {
        let names = (0..<count).map { "lib\($0).so" }
        for needed in [names, Array(names.suffix(1))] {
            var image = ImageWriter(Self.kernel(needed))
            image.files += names.map { ($0, LinkedFileWriter().bytes) }
            let found = fault { _ = try Self.boot(image.archive) }
            #expect(found?.rule == (needed.count > 15 ? .needsLibrary : nil))
        }
    }

    /// Libraries of the archive are not modules: unneeded modules are counted beside them.
    @Test func `modules that nothing needs are counted beside an image's libraries`() throws {
        var library = LinkedFileWriter()
        library.soname = "uno.so"
        for needed in [[], ["one.so"]] as [[String]] {
            var image = ImageWriter(Self.kernel(needed))
            image.files.append(("one.so", LinkedFileWriter().bytes))
            #expect(try !Self.boot(image.packed).said.contains("unused modules"))
            let said = try Self.boot(image.packed, besides: library.bytes).said
            #expect(said.contains(", unused modules: 1\n"), "\(said)")
        }
    }

    /// Kernels that use the memory above them learn of an archive only below them, to which it is moved if necessary;
    /// others learn of it at any place. All of its bytes are there.
    @Test(arguments: [Generation.three, .fourRecursive, .fourIdentity], [8, 12, 16] as [UInt64])
    func `the archive that a kernel is told of lies where it stays`(_ generation: Generation, _ megabytes: UInt64)
        throws
    {
        let base = megabytes << 20
        var file = ELFWriter(type: 2, base: base)
        file.append([0xf4])
        file.addNotes(hermitNote(UInt8(generation.entryVersion)) + abiTag(0, generation == .fourIdentity ? 13 : 10, 0))
        let archive = ImageWriter(file.bytes).archive
        let size = UInt64(archive.count)
        let pages = (size + 0xfff) & ~0xfff
        for start in [
            base - size - 0x200, base - size, base - size + 0x200, base - pages, base + 0x1000, base + 0x10_0000,
        ] {
            // An archive's place need not be aligned.
            let machine = try Self.boot(archive, at: start)
            let image = machine.plan.image
            #expect(image.start == base)
            let node = try Self.chosen(machine)
            let first = try #require(node.numbers("linux,initrd-start")?.first)
            let end = try #require(node.numbers("linux,initrd-end")?.first)
            let range = AddressRange(first, end)
            #expect(range.size == size && !range.overlaps(image) && machine.bytes(range) == archive)
            let isKept =
                !AddressRange(at: start, size: size).overlaps(image)
                && (start < base || generation == .fourIdentity)
            #expect(isKept ? first == start : first != start, "\(start - base)")
            #expect(generation == .fourIdentity || end <= base)
        }
        // No room below: the kernel is not told of it.
        let full = try Self.boot(
            archive, at: base + 0x1000 + pages, taken: [AddressRange(0x12_0000, base - 0x1000)])
        #expect(try (Self.chosen(full)["linux,initrd-start"] == nil) == (generation != .fourIdentity))
    }

    /// The same for kernels without a fixed place. Many starters put the archive at the end of RAM: it is moved to the lowest free
    /// place, and the image follows it, since kernels use no memory below theirs.
    @Test(arguments: [Generation.three, .fourRecursive, .fourIdentity])
    func `the archive of a kernel that may lie anywhere lies low`(_ generation: Generation) throws {
        var file = ELFWriter(type: 3, base: 0)
        file.append([0xf4])
        file.addNotes(hermitNote(UInt8(generation.entryVersion)) + abiTag(0, generation == .fourIdentity ? 13 : 10, 0))
        let archive = ImageWriter(file.bytes).archive
        let size = UInt64(archive.count)
        let pages = (size + 0xfff) & ~0xfff
        let end: UInt64 = 0x410_0000
        for start in [0x12_0000, 0x13_0000, 0x100_0000, end - pages, end - size] {
            let machine = try Self.boot(archive, at: start)
            let image = machine.plan.image
            let node = try Self.chosen(machine)
            let first = try #require(node.numbers("linux,initrd-start")?.first, "\(start)")
            let range = AddressRange(at: first, size: size)
            #expect(machine.bytes(range) == archive, "\(start)")
            #expect(image.start == 0x20_0000, "\(start)")
            // The command line takes the page before it.
            #expect(first == (generation == .fourIdentity || start < 0x20_0000 ? start : 0x12_1000), "\(start)")
        }
        guard generation != .fourIdentity else { return }
        // No room at its lowest place below the image: the archive stays, and the image lies above it.
        let staying = try Self.boot(
            archive, at: 0x100_0000, taken: [AddressRange(0x12_0000, 0x100_0000), AddressRange(0x140_0000, end)])
        #expect(staying.plan.image.start > 0x100_0000)
        #expect(try Self.chosen(staying).numbers("linux,initrd-start")?.first == 0x100_0000)
        // No room in either case: the kernel is not told of it.
        let untold = try Self.boot(
            archive, at: end - pages,
            taken: [AddressRange(0x12_1000, 0x20_0000), AddressRange(0x30_0000, end - pages)])
        #expect(untold.plan.image.start == 0x20_0000)
        #expect(try Self.chosen(untold)["linux,initrd-start"] == nil)
    }
}
