// Each part of an image keeps its linked alignment at any address: the bias is a multiple of every alignment.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Commands
import Diagnostics
import ELF
import Foundation
import HermitEntry
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AlignmentTests {
    /// A segment at its link address in the application, and its alignment.
    struct Part: CustomStringConvertible {
        var address: UInt64, alignment: UInt64
        var description: String { "0x\(String(address, radix: 16)) aligned to 0x\(String(alignment, radix: 16))" }
    }

    /// The result of a boot.
    struct Boot {
        var plan: MemoryPlan
        var linkStart: UInt64
        var parts: [Part]
    }

    /// The plan for the first of `files`, which needs the others, on a machine of 3 GiB.
    static func boot(_ files: [[UInt8]], _ choice: BaseChoice) throws(Fault) -> Boot {
        var bytes: [UInt8] = []
        var list: [NamedFile] = []
        for (index, file) in files.enumerated() {
            let name = Array("l\(index)".utf8)
            let start = UInt64(bytes.count)
            let string = start + UInt64(file.count)
            list.append(
                NamedFile(
                    start: start, size: UInt64(file.count), string: string, stringSize: UInt64(name.count)))
            bytes += file + name + [0]
            while bytes.count % 16 != 0 { bytes.append(0) }
        }
        var together = NamedFiles(ByteView(bytes.span.bytes))
        for file in list { together.append(file) }
        var plans = [LinkPlan()]
        let application = try Application(together, LoaderOptions(), linkPlan: plans.mutableSpan)

        var platform = Platform(.multiboot, information: 0x9500)
        try platform.memoryMap.add(AddressRange(0, 0x9_fc00), .available)
        try platform.memoryMap.add(AddressRange(0x10_0000, 0xc000_0000), .available)
        try platform.add(Module(range: AddressRange(at: 0x14_0000, size: 0x1000), commandLine: AddressRange(0, 0)))
        let plan = try MemoryPlan(
            application, on: platform.facts, loader: AddressRange(0x10_0000, 0x12_8000), limit: 1 << 32, choice)

        var parts: [Part] = []
        for index in 0..<max(application.link.count, 1) {
            let isAlone = application.link.isEmpty
            let file = files[isAlone ? 0 : application.link[index].file]
            let displacement = isAlone ? 0 : application.link[index].displacement
            let headers = try ProgramHeaders(
                ByteView(file.span.bytes), FileHeader(ByteView(file.span.bytes)))
            for number in 0..<headers.count where [1, 7].contains(headers.type(number)) {
                let segment = headers[number]
                parts.append(Part(address: segment.vaddr &+ displacement, alignment: max(segment.align, 1)))
                // Link addresses in the application are congruent to the library's own.
                #expect(displacement & (max(segment.align, 1) &- 1) == 0)
            }
        }
        return Boot(plan: plan, linkStart: application.linkStart, parts: parts)
    }

    /// A file with its first segment at `base`, and others at random with alignments of up to 2^`most`.
    static func file(
        _ random: inout SeededGenerator, base: UInt64, most: Int, needs libraries: [String] = []
    ) -> [UInt8] {
        var writer = ELFWriter(base: base)
        writer.append([0xf4])
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 0))
        var strings: [UInt8] = [0]
        var entries: [(UInt64, UInt64)] = []
        for library in libraries {
            entries.append((1, UInt64(strings.count)))
            strings += Array(library.utf8) + [0]
        }
        entries += [(5, writer.append(strings)), (10, UInt64(strings.count))]
        writer.setDynamic(entries)
        func alignment() -> UInt64 { 1 << UInt64.random(in: 0...UInt64(most), using: &random) }
        writer.alignment = alignment()
        var end = writer.next
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let alignment = alignment()
            let start = (end + alignment - 1) & ~(alignment - 1)
            let address = start + UInt64.random(in: 0..<min(alignment, 0x1000), using: &random)
            let size = UInt64.random(in: 1...0x1_0000, using: &random)
            writer.segments.append(Segment(1, offset: 0, vaddr: address, filesz: 0, memsz: size, align: alignment))
            end = address + size
        }
        if Bool.random(using: &random) {
            writer.segments.append(
                Segment(7, offset: 0, vaddr: base + 8, filesz: 0, memsz: 24, align: alignment()))
        }
        return writer.bytes
    }

    static func check(_ boot: Boot, _ comment: Comment) {
        let bias = boot.plan.bias
        #expect(boot.plan.image.start == boot.linkStart &+ bias, comment)
        #expect(boot.plan.image.start % 0x20_0000 == 0, comment)
        for part in boot.parts {
            #expect(((part.address &+ bias) ^ part.address) & (part.alignment - 1) == 0, "\(part) \(comment)")
        }
    }

    static let bases: [UInt64] = [
        0, 0x1000, 0x20_0000, 0x20_1000, 0x40_0000, 0x60_0000, 0x7f_f000, 0x800_0000, 0xffff_8000_0020_0000,
    ]

    @Test(arguments: bases, 0..<12) func `every segment keeps its alignment`(_ base: UInt64, _ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed << 8 | base >> 12 & 0xff)
        // Libraries are placed below 2^62.
        let most = base < 1 << 62 ? 3 : 0
        let names = (0..<Int.random(in: 0...most, using: &random)).map { "l\($0 + 1)" }
        var files = [Self.file(&random, base: base, most: 26, needs: names)]
        for _ in names {
            let own = Self.bases.dropLast().randomElement(using: &random)!
            files.append(Self.file(&random, base: own, most: 26))
        }
        let comment: Comment = "base \(String(base, radix: 16)), seed \(seed)"
        let lowest = try Self.boot(files, .lowest)
        Self.check(lowest, comment)
        for _ in 0..<4 {
            let number = RandomNumber(random.next(), from: .given)
            Self.check(try Self.boot(files, .random(number)), comment)
        }
        // Of all multiples of 2 MiB, exactly those congruent to the first link address are right.
        let alignment = max(lowest.parts.map(\.alignment).max()!, 0x20_0000)
        for place in 1..<UInt64(48) {
            let address = place << 21
            let isRight = address & (alignment - 1) == lowest.linkStart & (alignment - 1)
            do throws(Fault) {
                let boot = try Self.boot(files, .address(address))
                #expect(isRight && boot.plan.image.start == address, comment)
                Self.check(boot, comment)
            } catch {
                guard error.rule == .baseMisaligned else {
                    // The handoff, or the memory in the way, has no other place.
                    #expect(isRight, "\(error) \(comment)")
                    continue
                }
                #expect(!isRight && error.value == address, comment)
                #expect(error.limit > address && error.limit - address < alignment, comment)
                #expect(error.limit & (alignment - 1) == lowest.linkStart & (alignment - 1), comment)
            }
        }
    }

    @Test func `a base that is not a multiple of 2 MiB is refused with the next one`() throws {
        var random = SeededGenerator(seed: 3)
        let file = Self.file(&random, base: 0, most: 12)
        for (base, next) in [
            (0x20_0001, 0x40_0000), (0x30_0000, 0x40_0000), (.max, 0xffff_ffff_ffe0_0000),
            (0xffff_ffff_ffe0_0001, 0xffff_ffff_ffe0_0000),
        ] as [(UInt64, UInt64)] {
            let found = fault { _ = try Self.boot([file], .address(base)) }
            #expect(found == Fault(.baseMisaligned, value: base, limit: next))
        }
        // There is no RAM at the end of the address space.
        let (base, size) = (0xffff_ffff_ffe0_0000 as UInt64, try Application(ByteView(file.span.bytes)).size)
        let found = fault { _ = try Self.boot([file], .address(base)) }
        #expect(found == Fault(.baseOutsideMemory, value: base, limit: base + size))
    }

    /// Alignment by lld for an application whose base is not a multiple of it.
    @Test(.enabled(if: lld != nil, "there is no ld.lld beside swiftc"), arguments: ["0x200000", "0x600000", "0x1000"])
    func `sections linked by lld keep their alignment`(_ base: String) async throws {
        let folder = try Folder()
        try folder.write(
            "a.s",
            """
            .globl _start
            _start: hlt
            .section .note.hermit.entry, "a", @note
            .balign 4
            .long 7, 1, 0x5a00
            .asciz "HERMIT"
            .balign 4
            .byte 4
            .balign 4
            .section .big, "aw", @progbits
            .balign 0x400000
            .quad big
            big: .quad 1
            .section .small, "aw", @progbits
            .balign 64
            .quad 2
            """)
        try await make(["cc", "-c", "-o", folder.path("a.o"), folder.path("a.s")])
        try await make([
            Self.lld!, "-pie", "--no-dynamic-linker", "--image-base=\(base)", "-o", folder.path("a"),
            folder.path("a.o"),
        ])
        let file = try folder.read("a")
        var sections: [Part] = []
        var table = try SectionTable(ByteView(file.span.bytes), FileHeader(ByteView(file.span.bytes))).numbers
        let headers = try SectionTable(ByteView(file.span.bytes), FileHeader(ByteView(file.span.bytes)))
        while let index = table.next() {
            guard headers[index].flags & SectionHeader.Flags.alloc != 0 else { continue }
            sections.append(Part(address: headers[index].addr, alignment: max(headers[index].addralign, 1)))
        }
        #expect(sections.contains { $0.alignment == 0x40_0000 })
        var random = SeededGenerator(seed: 9)
        var choices: [BaseChoice] = [.lowest]
        for _ in 0..<20 { choices.append(.random(RandomNumber(random.next(), from: .given))) }
        for choice in choices {
            let boot = try Self.boot([file], choice)
            Self.check(boot, "\(choice)")
            for section in sections {
                #expect((section.address &+ boot.plan.bias) % section.alignment == 0, "\(section) \(choice)")
            }
            // The next boot accepts the chosen base.
            let again = try Self.boot([file], .address(boot.plan.image.start))
            #expect(again.plan.bias == boot.plan.bias)
        }
    }

    /// The linker of the Swift toolchain, or else the one in PATH.
    static let lld: String? = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { String($0) }
        for folder in folders {
            let compiler = URL(fileURLWithPath: folder + "/swiftc").resolvingSymlinksInPath()
            for candidate in [compiler.deletingLastPathComponent().path + "/ld.lld", folder + "/ld.lld"]
            where FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return nil
    }()

    /// Object files have no link addresses: all of their sections are aligned, and the image too.
    @Test func `object files keep the alignment of their sections`() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<100 {
            var file = ObjectFile()
            file.symbols = [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
            func alignment() -> UInt64 { 1 << UInt64.random(in: 0...24, using: &random) }
            file.sections = [ObjectSection(name: ".text", flags: 6, align: alignment(), bytes: [0xf4])]
            for index in 0..<Int.random(in: 1...5, using: &random) {
                let flags = [2, 3, 6, 0x403].randomElement(using: &random)! as UInt64
                file.sections.append(
                    ObjectSection(name: ".s\(index)", flags: flags, align: alignment(), bytes: [1, 2, 3]))
            }
            file.sections.append(
                ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 2)))
            let bytes = file.bytes
            let application = try Application(ByteView(bytes.span.bytes))
            let most = file.sections.map(\.align).max()!
            #expect(application.alignment >= most)
            for choice in [.lowest, .random(RandomNumber(random.next(), from: .given))] as [BaseChoice] {
                let bias = try Self.boot([bytes], choice).plan.bias
                #expect(bias % max(most, 0x20_0000) == 0)
            }
        }
    }
}
