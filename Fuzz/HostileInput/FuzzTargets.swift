// The fuzz targets, each with its invariants: every function returns the broken ones, in words.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking
import TestSupport

/// A parser or planner, and the promises that hold for any bytes.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// The whole boot of a file.
    case elf
    /// Notes, and the facts that the loader takes from them.
    case notes
    /// The dynamic section, symbols and relocations of a file that is otherwise sound.
    case dynamic
    /// Object files made up by the bytes: sections, symbols, relocations of every type in every form.
    case object
    /// An application with two shared objects: changes to their headers, symbols, hash tables, versions and relocations.
    case libraries
    /// A Multiboot information, and a boot on the machine it describes.
    case multiboot
    /// A PVH start info, and a boot on the machine it describes.
    case pvh
    /// A Multiboot 2 information, and a boot on the machine it describes.
    case multiboot2
    /// Linux's boot_params, and a boot on the machine they describe.
    case linux
    /// UEFI firmware's structures, and a boot with the start info that the application builds from them.
    case uefi
    /// The device tree writer, read back.
    case deviceTree = "device-tree"
    /// The planner, on memory maps and reservations of every kind.
    case placement
    /// gzip and deflate.
    case gzip
    /// Tape archives.
    case tar
    /// hermit.toml.
    case configuration
    /// The whole boot of a Hermit image.
    case image
    /// The report of an exception: any registers, any memory, any file.
    case exception
    /// A file of either class and byte order, as views read it.
    case anyFile = "any-file"

    /// Runs the target on `bytes`; returns the promises that were broken.
    public func run(_ bytes: [UInt8]) -> [String] {
        switch self {
        case .elf: WatchedBoot(bytes).violations
        case .notes: FuzzTarget.notes(bytes)
        case .dynamic: FuzzTarget.dynamic(bytes)
        case .object: FuzzTarget.object(bytes)
        case .libraries: FuzzTarget.libraries(bytes)
        case .multiboot: FuzzTarget.firmware(bytes, .multiboot)
        case .pvh: FuzzTarget.firmware(bytes, .pvh)
        case .multiboot2: FuzzTarget.firmware(bytes, .multiboot2)
        case .linux: FuzzTarget.firmware(bytes, .linux)
        case .uefi: FuzzTarget.uefi(bytes)
        case .deviceTree: DeviceTreeModel.violations(bytes)
        case .placement: FuzzTarget.placementBoot(bytes)?.violations ?? []
        case .gzip: FuzzTarget.gzip(bytes)
        case .tar: FuzzTarget.tar(bytes)
        case .configuration: FuzzTarget.configuration(bytes)
        case .image: FuzzTarget.image(bytes)
        case .exception: FuzzTarget.exception(bytes)
        case .anyFile: FuzzTarget.anyFile(bytes)
        }
    }

    // MARK: Notes

    /// The bytes are a PT_NOTE segment; the first of them gives its alignment.
    private static func notes(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let align: UInt64 = source.byte() & 1 == 0 ? 4 : 8
        let contents = source.rest
        var violations: [String] = []
        let file = ByteView(contents.span.bytes)
        let words: [UInt64] = [4, 0, 0, 0, UInt64(contents.count), UInt64(contents.count), align]
        let record = words.flatMap { littleEndian($0) }
        do throws(Fault) {
            let header = ProgramHeader(try ByteView(record.span.bytes).record(at: 0, size: 56, else: .emptyFile, .none))
            var notes = try Notes(file, segment: header, index: 0)
            var count = 0
            while let note = try notes.next() {
                count += 1
                if note.offset >= file.count { violations.append("a note after the segment") }
                if note.name.count + note.desc.count + 12 > file.count { violations.append("a note larger than all") }
                _ = note.isOwned(by: "HERMIT")
            }
            if count > contents.count / 12 { violations.append("more notes than there is room for") }
        } catch {}

        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(contents, align: align)
        return violations + WatchedBoot(writer.bytes).violations
    }

    // MARK: Dynamic section

    private static let tags: [UInt64] = [
        0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 17, 18, 19, 20, 22, 23, 35, 36, 37, 0x6fff_fff9, 0x6fff_fef5,
    ]

    /// The bytes are additions to a small file's tables, and changes to the result.
    private static func dynamic(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let isFixed = source.byte() & 3 == 3
        let sample = isFixed ? fixedSample : sample
        var additions = SmallFile.Additions()
        var changes: [(UInt64, UInt8)] = []
        for _ in 0..<64 where !source.isEmpty {
            switch source.byte() % 8 {
            case 0: additions.rela.append(relocation(&source, sample.data))
            case 1: additions.rel.append(relocation(&source, sample.data))
            case 2: additions.plt.append(relocation(&source, sample.data))
            case 3:
                additions.relr.append(source.byte() & 1 == 0 ? sample.data &+ source.number(upTo: 255) : source.word())
            case 4:
                additions.symbols.append(
                    (source.address(), [0, 1, 0xfff1, 0xffff][Int(source.byte() & 3)], source.byte()))
            case 5:
                let tag = tags[Int(source.byte()) % tags.count]
                let small = source.byte() & 1 == 0
                additions.dynamic.append((tag, small ? source.number(upTo: 4095) : source.address()))
            case 6: changes.append((source.number(upTo: 65535), source.byte()))
            default: additions.dynamic.append((tags[Int(source.byte()) % tags.count], sample.data))
            }
        }
        var file = SmallFile(type: isFixed ? 2 : 3, base: isFixed ? 0x40_0000 : 0, additions).bytes
        for (offset, value) in changes { file[Int(offset) % file.count] = value }
        return WatchedBoot(file).violations
    }

    static let sample = SmallFile()
    private static let fixedSample = SmallFile(type: 2, base: 0x40_0000)

    private static func relocation(_ source: inout ByteSource, _ data: UInt64) -> Relocation {
        let type = UInt32(source.byte()) % 56
        let symbol = UInt32(source.byte()) % 12
        let offset = source.byte() & 3 != 0 ? data &+ source.number(upTo: 127) : source.address()
        return Relocation(type, at: offset, symbol: symbol, addend: source.address())
    }

    // MARK: Firmware

    /// The bytes are the memory in which the firmware's structure lies, at 0x500.
    private static func firmware(_ bytes: [UInt8], _ bootProtocol: BootProtocol) -> [String] {
        let memory = firmwareMemory(bytes)
        return firmwareViolations(memory, bootProtocol) + firmwareBoot(bytes, bootProtocol).violations
    }

    /// The bytes up to `moduleAddress`, and there a sound file: the seeds' first module.
    private static func firmwareMemory(_ bytes: [UInt8]) -> [UInt8] {
        let memory = Array(bytes.prefix(Int(moduleAddress)))
        return memory + [UInt8](repeating: 0, count: Int(moduleAddress) - memory.count) + sample.bytes
    }

    /// The boot on the machine that the structure at 0x500 of `bytes` describes.
    public static func firmwareBoot(_ bytes: [UInt8], _ bootProtocol: BootProtocol) -> WatchedBoot {
        boot(in: firmwareMemory(bytes), bootProtocol, at: 0x500, by: bytes)
    }

    /// The boot with the structure at `address` of `memory`, on a machine that `bytes` choose.
    static func boot(
        in memory: [UInt8], _ bootProtocol: BootProtocol, at address: UInt64, by bytes: [UInt8]
    ) -> WatchedBoot {
        var machine = Machine()
        // Page tables for more RAM take long to write, and show nothing new.
        machine.largestRegion = 4 << 20
        machine.number = UInt64(bytes.count) << 52
        (machine.hasGigabytePages, machine.hasNoExecute) = (bytes.count % 2 == 0, bytes.count % 3 != 0)
        return WatchedBoot(of: [MemoryPiece(address: 0, bytes: memory)], on: machine) { () throws(Fault) in
            // The firmware's structures end with these bytes: they must not be read to the end of all memory.
            var platform = Platform(bootProtocol, information: address)
            try platform.read(PhysicalMemory(ByteView(memory.span.bytes), origin: 0))
            return platform
        }
    }

    /// The address of the sound file.
    static var moduleAddress: UInt64 { 0x1000 }
    /// Its size.
    static var moduleSize: UInt64 { UInt64(sample.bytes.count) }

    /// The broken promises of the facts in the structure at `address` of `bytes`, and of their options.
    static func firmwareViolations(
        _ bytes: [UInt8], _ bootProtocol: BootProtocol, at address: UInt64 = 0x500
    ) -> [String] {
        let memory = PhysicalMemory(ByteView(bytes.span.bytes), origin: 0)
        var violations: [String] = []
        do throws(Fault) {
            var platform = Platform(bootProtocol, information: address)
            try platform.read(memory)
            for index in 0..<platform.moduleCount {
                let module = platform.facts.module(index)
                if !memory.range.contains(module.range) { violations.append("module \(index): outside memory") }
            }
            if !platform.commandLine.isEmpty, !memory.range.contains(platform.commandLine) {
                violations.append("command line: outside memory")
            }
            let commandLine = platform.commandLine
            var options = LoaderOptions()
            try options.read(&platform, memory)
            if !commandLine.contains(platform.commandLine) { violations.append("command line: grown by its options") }
        } catch {}
        return violations
    }

    // MARK: MemoryPlan

    /// The bytes are regions, modules and reservations: a machine as `Platform.read` leaves it, so all modules are in RAM. A sound file is
    /// booted on it; nil if there is no room for that.
    public static func placementBoot(_ bytes: [UInt8]) -> WatchedBoot? {
        var source = ByteSource(bytes)
        let choice = source.byte()
        let start = choice & 2 == 0 ? 0x10_0000 : source.address() & 0xffff_f000
        var machine = Machine()
        machine.loader = AddressRange(at: start, size: 0x2_8000)
        // Page tables for more RAM take long to write, and show nothing new.
        machine.largestRegion = 4 << 20
        var options = ""
        machine.number = UInt64(choice >> 6 & 1)
        if choice & 16 != 0 {
            options = "loader.kaslr"
            machine.number = source.word()
        } else if choice & 32 != 0 {
            options = "loader.base=0x" + String(source.address() & ~0x1f_ffff, radix: 16)
        }
        let file = choice & 4 == 0 ? sample : choice & 8 == 0 ? fixedSample : overLoader
        (machine.hasGigabytePages, machine.hasNoExecute) = (file.bytes.count % 2 == 0, file.bytes.count % 3 != 0)
        // The command line follows the file in its module.
        let contents = file.bytes + Array(options.utf8)
        guard let told = try? Told(&source, choice & 1 == 0 ? .multiboot : .pvh, first: UInt64(contents.count)) else {
            return nil
        }
        let module = told.modules[0]
        return WatchedBoot(of: [MemoryPiece(address: module.start, bytes: contents)], on: machine) { () throws(Fault) in
            var platform = try told.platform()
            platform.commandLine = AddressRange(
                at: module.start + UInt64(file.bytes.count), size: UInt64(options.utf8.count))
            return platform
        }
    }

    /// A firmware's facts about a machine that bytes describe.
    private struct Told {
        private let bootProtocol: BootProtocol
        private var regions: [MemoryRegion] = []
        private var reserved: [(range: AddressRange, purpose: Purpose)] = []
        /// The modules; the first has the requested size.
        private(set) var modules: [AddressRange] = []

        /// Takes all of `source`. Throws if there is more than a platform accepts, or no room for a first module of `size` bytes.
        init(_ source: inout ByteSource, _ bootProtocol: BootProtocol, first size: UInt64) throws(Fault) {
            self.bootProtocol = bootProtocol
            var map = MemoryMap()
            func add(_ range: AddressRange, _ kind: MemoryKind) throws(Fault) {
                regions.append(MemoryRegion(range: range, kind: kind))
                try map.add(range, kind)
            }
            while !source.isEmpty {
                switch source.byte() % 8 {
                case 0: try add(range(&source), MemoryKind(firmware: UInt32(source.byte() % 8)))
                case 1: modules.append(moved(range(&source), into: map.regions))
                case 2: reserved.append((range(&source), source.byte() & 1 == 0 ? .firmware : .transient))
                case 3:
                    let start = source.number(upTo: 1 << 32) & ~0xfff
                    try add(AddressRange(at: start, size: 1 << 24), .reserved)
                default: try add(range(&source), .available)
                }
            }
            // The first sufficiently large module is booted, or else one at the end of RAM.
            if let index = modules.firstIndex(where: { $0.size >= size }) {
                modules.swapAt(0, index)
            } else if let room = readableRegions(map.regions).last(where: { $0.size >= size }) {
                modules.insert(AddressRange(at: room.end - size, size: size), at: 0)
            } else {
                throw Fault(.noModule)
            }
            // A later entry may have taken a module's RAM away.
            for module in modules where !isReadable(module, map.regions) { throw Fault(.moduleOutsideMemory) }
        }

        /// The facts, created again for each call.
        func platform() throws(Fault) -> Platform {
            var platform = Platform(bootProtocol, information: 0x9500)
            for region in regions { try platform.memoryMap.add(region.range, region.kind) }
            for (range, purpose) in reserved { try platform.reservations.add(range, purpose) }
            for module in modules { try platform.add(Module(range: module, commandLine: AddressRange(0, 0))) }
            return platform
        }
    }

    /// Whether a module is as `Platform.read` requires: in RAM that the loader can read.
    private static func isReadable(_ module: AddressRange, _ regions: MemoryRegions) -> Bool {
        module.end <= 1 << 32 && regions.isAvailable(module)
    }

    /// `module` if it may lie there; otherwise a possible range, with region and size chosen by its numbers; empty if there is no
    /// RAM.
    private static func moved(_ module: AddressRange, into regions: MemoryRegions) -> AddressRange {
        if isReadable(module, regions) { return module }
        let rooms = readableRegions(regions)
        guard !rooms.isEmpty else { return AddressRange(0, 0) }
        let room = rooms[Int(module.start % UInt64(rooms.count))]
        let start = room.start + module.start % room.size
        return AddressRange(at: start, size: module.size % (room.end - start + 1))
    }

    /// The parts of RAM that the loader can read.
    private static func readableRegions(_ regions: MemoryRegions) -> [AddressRange] {
        regions.indices.compactMap { index in
            let room = AddressRange(regions[index].range.start, min(regions[index].range.end, 1 << 32))
            return regions[index].isAvailable && !room.isEmpty ? room : nil
        }
    }

    /// A file that is linked over the loader.
    private static let overLoader = SmallFile(type: 2, base: 0x10_0000)

    private static func range(_ source: inout ByteSource) -> AddressRange {
        let start = source.address()
        return AddressRange(at: start, size: source.address())
    }

    // MARK: Exceptions

    /// The bytes are registers, a record, memory, and changes to the file in it.
    private static func exception(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        var registers = InlineArray<15, UInt64>(repeating: 0)
        for index in 0..<15 { registers[index] = source.word() }
        let origin: UInt64 = 0x400
        var memory = [UInt8](repeating: 0, count: 0x6000)
        let isFile = source.byte() & 1 == 0
        let choice = source.byte()
        let module = choice & 1 == 0 ? AddressRange(at: 0x3400, size: UInt64(exceptionFile.count)) : range(&source)
        if isFile { memory.replaceSubrange(0x3000..<0x3000 + exceptionFile.count, with: exceptionFile) }
        let report = CPUException(
            vector: source.number(upTo: 255), errorCode: source.number(upTo: 255), instructionPointer: source.address(),
            stackPointer: choice & 2 == 0 ? source.number(upTo: 0x7fff) : source.address(),
            faultAddress: source.address(), pageTable: choice & 4 == 0 ? 0x1000 : source.address(),
            features: choice & 64 == 0 ? 0 : .max, registers: registers)
        var record = BootRecord()
        record.module = module
        record.image = choice & 8 == 0 ? AddressRange(0, 0x8000) : range(&source)
        record.bias = choice & 16 == 0 ? 0 : source.address()
        record.stack = range(&source)
        // Tables that map the first 2 MiB to themselves.
        memory.put(0x2003 as UInt64, at: 0x1000 - Int(origin))
        memory.put(0x3003 as UInt64, at: 0x2000 - Int(origin))
        memory.put(0x83 as UInt64, at: 0x3000 - Int(origin))
        while !source.isEmpty {
            let offset = Int(source.number(upTo: 65535)) % (memory.count - 8)
            if source.byte() & 1 == 0 {
                memory[offset] = source.byte()
            } else {
                memory.put(source.address(), at: offset)
            }
        }
        var sink = TextBuffer()
        record.isKnown = choice & 32 == 0
        report.write(&record, PhysicalMemory(ByteView(memory.span.bytes), origin: origin), to: &sink)
        var violations = sink.violations
        if sink.text.split(separator: "\n").filter({ $0.hasPrefix("[LOADER] error: ") }).count != 1 {
            violations.append("not one error line")
        }
        return violations
    }

    private static let exceptionFile = sample.withSections
}
