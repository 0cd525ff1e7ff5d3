// The machine that a file would boot on, as QEMU describes it to the loader: what `--machine` and `--memory` stand for.

import Architecture
import Memory
import ArgumentParser
import Firmware
import Bytes
import Diagnostics
import ELF
import Glibc

/// QEMU's x86-64 machines.
enum MachineKind: String, CaseIterable, ExpressibleByArgument, Codable {
    case pc, q35, microvm
}

/// How the loader is started there. QEMU does so by the first two; the others are rehearsed as GRUB and Firecracker leave the machine.
enum StartProtocol: String, CaseIterable, ExpressibleByArgument, Codable {
    case multiboot, pvh, multiboot2, linux

    /// Whether QEMU starts the loader by it.
    var isQEMUs: Bool { self == .multiboot || self == .pvh }
}

/// A number of bytes, written as QEMU's -m takes it, or as people do: `512M`, `512MiB`, `1.5G`; plain numbers are MiB.
struct MemorySize: ExpressibleByArgument, Equatable {
    /// Bytes.
    let bytes: UInt64

    init(bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        // With a fraction QEMU wants a unit. Units of IEC 80000 are the same: it counts in powers of 2, whatever they are called.
        guard let match = argument.wholeMatch(of: #/([0-9]+)(?:(\.[0-9]*)?\ ?([KMGTkmgt])(?:i?[Bb])?)?/#),
            let whole = UInt64(match.1)
        else { return nil }
        let units: [Substring: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let unit = match.3.flatMap { units[Substring($0.uppercased())] } ?? 20
        // QEMU rounds to whole bytes, then up to whole pages of 8 KiB.
        let fraction = match.2.flatMap { Double("0\($0)0") } ?? 0
        let part = UInt64((fraction * Double(1 << unit as UInt64)).rounded())
        guard whole <= (1 << 46) >> unit, (1 << 21...1 << 46).contains(whole << unit + part) else { return nil }
        bytes = (whole << unit + part + 0x1fff) & ~0x1fff
    }

    var defaultValueDescription: String { text }

    /// As QEMU's -m takes it.
    var text: String {
        let units: [(letter: String, shift: UInt64)] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)]
        // Whole pages, so whole KiB.
        let unit = units.first { bytes % (1 << $0.shift) == 0 } ?? ("K", 10)
        return "\(bytes >> unit.shift)\(unit.letter)"
    }
}

/// A machine with its firmware's memory map, the loader and one module in place. Addresses and numbers were read out of
/// guests of QEMU 8 to 10 with SeaBIOS and qboot.
struct HostMachine {
    var kind = MachineKind.pc
    var memory = MemorySize(bytes: 1 << 30)
    var startProtocol = StartProtocol.multiboot
    var commandLine = ""
    /// The path of the loader, which QEMU puts in front of the command line under Multiboot.
    var loaderPath = "loader"
    /// Further modules: paths, and what is in the files.
    var modules: [(path: String, input: InputFile)] = []
    /// The path of the application, which is the module's command line under Multiboot.
    var applicationPath = "application"
    /// Options for the loader, words that begin with `loader.`; they follow the application's name under Multiboot, and come
    /// first on the command line under PVH and Linux's protocol.
    var loaderOptions = ""
    /// What stands for the CPU's random number, with `loader.kaslr`.
    var seed: UInt64 = 0
    /// Where ACPI's root pointer lies, nil where QEMU's firmware usually puts it.
    var rsdp: UInt64?
    /// Whether the CPU can mark pages as not to be executed.
    var hasNoExecute = true
    /// The loader's own bytes, from the file of the loader that would be used.
    var loader = AddressRange(0x10_0000, 0x12_e000)
    /// The address behind its code.
    var loaderCodeEnd: UInt64 = 0x11_9000
    /// Whether both are those of an older build, for want of a file.
    var isLoaderAssumed = true
    /// The application's file, where its bytes can be mapped rather than copied.
    var input: InputFile?

    /// The Hermit image that is booted, where the application is its kernel.
    var image: ImageFile?
    /// Whether somebody said how much memory there is.
    var isMemoryGiven = false

    /// The same machine, with the application at `path`, which is `input`. Unless somebody said how much memory it has, it has as much as
    /// an image asks for.
    func booting(_ path: String, _ input: InputFile? = nil) -> HostMachine {
        var host = self
        host.applicationPath = path
        host.image = input?.image
        host.input = host.image?.packed ?? input
        if let image = host.image, !isMemoryGiven, image.memory > memory.bytes, image.memory <= 1 << 46 {
            host.memory = MemorySize(bytes: (image.memory + 0xf_ffff) & ~0xf_ffff)
        }
        return host
    }

    /// The name of the file at `index`: the application's, or that of a module; nil for one that is in an image.
    func name(ofFile index: Int) -> String? {
        index == 0 ? applicationPath : index <= modules.count ? modules[index - 1].path : nil
    }

    /// RAM below 4 GiB. `pc` keeps 1 GiB of addresses free from 3.5 GiB of RAM on, `microvm` from 3 GiB on, `q35` 2 GiB
    /// from 2.75 GiB on.
    var lowMemoryEnd: UInt64 {
        let (most, end): (UInt64, UInt64) =
            switch kind {
            case .pc: (0xe000_0000, 0xc000_0000)
            case .q35: (0xb000_0000, 0x8000_0000)
            case .microvm: (0xc000_0000, 0xc000_0000)
            }
        return memory.bytes >= most ? end : memory.bytes
    }

    /// The memory map, in the firmware's order.
    var regions: [(range: AddressRange, kind: MemoryKind)] {
        var list: [(AddressRange, MemoryKind)] = [
            (AddressRange(0, 0x9_fc00), .available), (AddressRange(0x9_fc00, 0xa_0000), .reserved),
        ]
        if kind == .microvm { list.append((AddressRange(0xd_0000, 0xf_0000), .acpiNonVolatile)) }
        list.append((AddressRange(0xf_0000, 0x10_0000), .reserved))
        // SeaBIOS keeps the end of low memory for ACPI tables.
        let tables: UInt64 = kind == .microvm ? 0 : kind == .pc ? 0x2_0000 : 0x2_1000
        list.append((AddressRange(0x10_0000, lowMemoryEnd - tables), .available))
        if tables > 0 { list.append((AddressRange(lowMemoryEnd - tables, lowMemoryEnd), .reserved)) }
        if kind == .q35 {
            list.append((AddressRange(0xb000_0000, 0xc000_0000), .reserved))
            list.append((AddressRange(0xfed1_c000, 0xfed2_0000), .reserved))
        }
        if kind != .microvm { list.append((AddressRange(0xfffc_0000, 0x1_0000_0000), .reserved)) }
        if memory.bytes > lowMemoryEnd {
            list.append((AddressRange(at: 0x1_0000_0000, size: memory.bytes - lowMemoryEnd), .available))
        }
        // HyperTransport's range, on AMD processors, of which qemu64 is one.
        if kind != .microvm { list.append((AddressRange(0xfd_0000_0000, 0x100_0000_0000), .reserved)) }
        return list
    }

    /// The memory map's entries: start, size and type. qboot ends its own with an empty one.
    private var mapEntries: [(start: UInt64, size: UInt64, type: UInt32)] {
        regions.map { ($0.range.start, $0.range.size, $0.kind.rawValue) } + (kind == .microvm ? [(0, 0, 0)] : [])
    }

    /// What the loader is started with.
    struct Start {
        /// The protocol's number.
        let magic: UInt32
        /// The address of its information.
        let information: UInt64
    }

    /// Puts `file`, the further modules and the firmware's structures into `guest`.
    func start(_ file: ByteView, in guest: GuestMemory) throws(Fault) -> Start {
        var placed: [AddressRange] = []
        try place(file, input, &placed, in: guest)
        // Linux's protocol has one initrd.
        for module in modules where startProtocol != .linux {
            try place(ByteView(module.input.bytes), module.input, &placed, in: guest)
        }
        switch startProtocol {
        case .multiboot:
            writeMultiboot(placed, to: guest)
            return Start(magic: Multiboot.magic, information: 0x9500)
        case .pvh:
            let information: UInt64 = kind == .microvm ? 0xf_31e0 : 0x21e0
            // QEMU gives no module where its file is empty.
            if file.count == 0, placed.count == 1 { placed = [] }
            writePVH(placed, information, to: guest)
            return Start(magic: PVH.magic, information: information)
        case .multiboot2:
            // GRUB puts it after the modules.
            let information = ((placed.last?.end ?? loader.end) &+ 7) & ~7
            let bytes = multiboot2Information(placed)
            guard unsafe guest.write(ByteView(bytes.span.bytes), at: information) else {
                throw Fault(.platformStructureOutsideMemory, value: information, limit: UInt64(bytes.count))
            }
            return Start(magic: Multiboot2.magic, information: information)
        case .linux:
            writeLinux(placed, 0x7000, to: guest)
            return Start(magic: 0, information: 0x7000)
        }
    }

    /// Copies a module to where QEMU puts it: under Multiboot module list, command lines and modules follow the loader, the
    /// modules page aligned; under PVH and Linux's protocol the module ends where RAM below 4 GiB does, less what QEMU sets aside for ACPI
    /// tables, and further ones, which QEMU does not know, lie below.
    private func place(
        _ file: ByteView, _ input: InputFile?, _ placed: inout [AddressRange], in guest: GuestMemory
    ) throws(Fault) {
        let start: UInt64
        switch startProtocol {
        case .multiboot:
            let strings = moduleStrings.reduce(0) { $0 + $1.count } + commandLineString.count + 5
            let first = stringsStart &+ UInt64(16 * moduleStrings.count + strings)
            start = ((placed.last?.end ?? first) &+ 0xfff) & ~0xfff
        case .multiboot2: start = ((placed.last?.end ?? loader.end) &+ 0xfff) & ~0xfff
        case .pvh, .linux:
            let end = placed.last?.start ?? lowMemoryEnd - (kind == .microvm ? 0 : 0x2_8000)
            start = file.count <= end ? (end - file.count) & ~0xfff : end
        }
        guard guest.write(file, at: start, from: input) else {
            throw Fault(.moduleOutsideMemory, value: start, limit: start &+ file.count)
        }
        placed.append(AddressRange(at: start, size: file.count))
    }

    /// Throws `initrdTooLarge` where QEMU would not open `file` or a module: it keeps their sizes in an int.
    func requireSmallFiles(_ file: ByteView) throws(Refusal) {
        let files = [(file.count, applicationPath)] + modules.map { (UInt64($0.input.bytes.byteCount), $0.path) }
        for (size, name) in files where size >= 1 << 31 {
            throw Refusal(
                .initrdTooLarge, "\(printable(name)) has \(size) bytes, and QEMU opens no -initrd of 2 GiB or more",
                "take debugging information out of it (strip), or what the application need not bring along")
        }
    }

    // MARK: Multiboot

    private var stringsStart: UInt64 { (loader.end &+ 0xfff) & ~0xfff }
    private var moduleStrings: [[UInt8]] {
        ([applicationPath + gap + loaderOptions] + modules.map(\.path)).map { Array($0.utf8) + [0] }
    }
    private var gap: String { loaderOptions.isEmpty ? "" : " " }
    private var commandLineString: [UInt8] { Array("\(loaderPath) \(commandLine)".utf8) + [0] }

    private func writeMultiboot(_ placed: [AddressRange], to guest: GuestMemory) {
        let (information, map): (UInt64, UInt64) = (0x9500, 0x9000)
        let entries = mapEntries
        for (index, region) in entries.enumerated() {
            let entry = map + UInt64(index) * 24
            guest.store(20 as UInt32, at: entry)
            guest.store(region.start, at: entry + 4)
            guest.store(region.size, at: entry + 12)
            guest.store(region.type, at: entry + 20)
        }
        let strings = moduleStrings
        let firstString = stringsStart + UInt64(16 * strings.count)
        let commandLineStart = firstString + UInt64(strings.reduce(0) { $0 + $1.count })
        let words: [(UInt64, UInt32)] = [
            (0, 0x24f), (4, 0x27f), (8, UInt32(truncatingIfNeeded: lowMemoryEnd / 1024 - 1024)), (12, 0x8000_ffff),
            (16, UInt32(truncatingIfNeeded: commandLineStart)), (20, UInt32(strings.count)),
            (24, UInt32(truncatingIfNeeded: stringsStart)), (44, UInt32(entries.count * 24)), (48, UInt32(map)),
            (64, UInt32(truncatingIfNeeded: commandLineStart) + UInt32(commandLineString.count)),
        ]
        for (offset, word) in words { guest.store(word, at: information + offset) }
        var next = firstString
        for (index, module) in placed.enumerated() {
            let entry = stringsStart + UInt64(index) * 16
            guest.store(UInt32(truncatingIfNeeded: module.start), at: entry)
            guest.store(UInt32(truncatingIfNeeded: module.end), at: entry + 4)
            guest.store(UInt32(truncatingIfNeeded: next), at: entry + 8)
            guest.write(strings[index], at: next)
            next += UInt64(strings[index].count)
        }
        guest.write(commandLineString + Array("qemu".utf8), at: next)
    }

    // MARK: PVH

    /// The command line without the byte that ends it.
    private var pvhCommandLine: [UInt8] {
        Array([loaderOptions, commandLine].filter { !$0.isEmpty }.joined(separator: " ").utf8)
    }

    /// What looks wrong with the machine, whatever boots there.
    var findings: [Finding] {
        var findings = Finding.withoutPrefix(loaderOptions)
        if startProtocol == .linux, !modules.isEmpty {
            findings.append(
                Finding(
                    .warning, "linux-modules",
                    "by Linux's protocol the application is the initrd: no shared object beside it",
                    "start by Multiboot 1 or 2, or link the application without shared objects"))
        }
        guard startProtocol == .pvh else { return findings }
        if !modules.isEmpty {
            findings.append(
                Finding(
                    .warning, "pvh-modules", "by PVH, QEMU gives the loader one module only, so no shared object",
                    "start by Multiboot; another virtual machine monitor may give more"))
        }
        // QEMU's option ROM has an array for it; qboot allocates as much as it needs.
        if kind != .microvm, pvhCommandLine.count > 4095 {
            findings.append(
                Finding(
                    .warning, "long-command-line",
                    "the command line has \(pvhCommandLine.count) bytes, and QEMU's PVH has room for 4095 before it "
                        + "overwrites what it tells the loader, or itself",
                    "shorten it, start by Multiboot, or take --machine microvm"))
        }
        return findings
    }

    /// Where the firmware puts ACPI's root pointer: that depends on the tables it makes, and those on the machine's devices.
    private var rootPointer: UInt64 {
        if let rsdp { return rsdp }
        return switch kind {
        case .pc: memory.bytes > lowMemoryEnd ? 0xf_59b0 : 0xf_59d0
        case .q35: memory.bytes > lowMemoryEnd ? 0xf_59c0 : 0xf_59e0
        case .microvm: 0xf_34d0
        }
    }

    private func writePVH(_ placed: [AddressRange], _ information: UInt64, to guest: GuestMemory) {
        let (entries, string) = (mapEntries, pvhCommandLine + [0])
        var (usualList, text, map): (UInt64, UInt64, UInt64) = (0x21c0, 0x11c0, 0x5a8)
        if kind == .microvm {
            // qboot allocates downward.
            let end: UInt64 = memory.bytes > lowMemoryEnd ? 0xe_fc70 : 0xe_fc80
            usualList = 0x7b7c
            text = (end - UInt64(string.count)) & ~15
            map = (text - UInt64(entries.count) * 24) & ~15
        }
        // QEMU has room for one module, and gives it no string.
        let list = placed.count == 1 ? usualList : 0x3000
        guest.store(PVH.magic, at: information)
        guest.store(1 as UInt32, at: information + 4)
        // In the order of QEMU's ROM, where a long one runs into what comes behind it.
        guest.write(string, at: text)
        guest.store(UInt32(placed.count), at: information + 12)
        for (offset, word) in [(16, list), (24, text), (32, rootPointer), (40, map)] as [(UInt64, UInt64)] {
            guest.store(word, at: information + offset)
        }
        guest.store(UInt32(entries.count), at: information + 48)
        var next = list + UInt64(placed.count) * 32
        for (index, module) in placed.enumerated() {
            guest.store(module.start, at: list + UInt64(index) * 32)
            guest.store(module.size, at: list + UInt64(index) * 32 + 8)
            guard index > 0 else { continue }
            guest.store(next, at: list + UInt64(index) * 32 + 16)
            guest.write(moduleStrings[index], at: next)
            next += UInt64(moduleStrings[index].count)
        }
        for (index, region) in entries.enumerated() {
            let entry = map + UInt64(index) * 24
            guest.store(region.start, at: entry)
            guest.store(region.size, at: entry + 8)
            guest.store(region.type, at: entry + 16)
        }
    }
}

extension HostMachine {
    // MARK: Multiboot 2

    /// The information's bytes, with the strings that GRUB hands over: the application's are the options, and the command line has no
    /// name in front. ACPI's root pointer is a copy, of version 1, as the firmware of QEMU's machines has it.
    private func multiboot2Information(_ placed: [AddressRange]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        func append(_ type: UInt32, _ fields: [UInt8]) {
            bytes += HostMachine.littleEndian(type) + HostMachine.littleEndian(UInt32(8 + fields.count)) + fields
            bytes += [UInt8](repeating: 0, count: -bytes.count & 7)
        }
        append(1, Array(commandLine.utf8) + [0])
        let strings = [loaderOptions] + modules.map(\.path)
        for (module, string) in zip(placed, strings) {
            let addresses = [module.start, module.end].flatMap {
                HostMachine.littleEndian(UInt32(truncatingIfNeeded: $0))
            }
            append(3, addresses + Array(string.utf8) + [0])
        }
        let entries = mapEntries.flatMap { entry in
            HostMachine.littleEndian(entry.start) + HostMachine.littleEndian(entry.size)
                + HostMachine.littleEndian(UInt64(entry.type))
        }
        append(6, HostMachine.littleEndian(24 as UInt32) + HostMachine.littleEndian(0 as UInt32) + entries)
        if rootPointer != 0 { append(14, Array("RSD PTR \0BOCHS \0\0\0\0\0".utf8)) }
        append(0, [])
        bytes.replaceSubrange(0..<4, with: HostMachine.littleEndian(UInt32(bytes.count)))
        return bytes
    }

    private static func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: word >> Word($0 * 8)) }
    }

    // MARK: Linux

    /// boot_params at `parameters`, and the command line where Firecracker has it.
    private func writeLinux(_ placed: [AddressRange], _ parameters: UInt64, to guest: GuestMemory) {
        let line: UInt64 = 0x2_0000
        guest.write(pvhCommandLine + [0], at: line)
        guest.store(0x5372_6448 as UInt32, at: parameters + 0x202)
        guest.store(UInt32(line), at: parameters + 0x228)
        guest.store(rootPointer, at: parameters + 0x70)
        if let disk = placed.first {
            guest.store(UInt32(truncatingIfNeeded: disk.start), at: parameters + 0x218)
            guest.store(UInt32(truncatingIfNeeded: disk.size), at: parameters + 0x21c)
        }
        let entries = mapEntries
        guest.store(UInt8(entries.count), at: parameters + 0x1e8)
        for (index, entry) in entries.enumerated() {
            let address = parameters + 0x2d0 + UInt64(index) * 20
            guest.store(entry.start, at: address)
            guest.store(entry.size, at: address + 8)
            guest.store(entry.type, at: address + 16)
        }
    }
}

extension HostMachine {
    /// Takes the loader in `file`: the memory that its PT_LOAD segments occupy, in whole pages, and where its code ends. False
    /// where that is none that QEMU could start: a fixed image between 1 MiB and 4 GiB.
    mutating func use(loader file: ByteView) -> Bool {
        guard let header = try? FileHeader(file), header.type == .executable,
            let segments = try? ProgramHeaders(file, header)
        else { return false }
        var codeEnd: UInt64 = 0
        var range: AddressRange?
        for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
            let segment = segments[index]
            let own = AddressRange(at: segment.vaddr, size: segment.memsz)
            range = AddressRange(min(range?.start ?? own.start, own.start), max(range?.end ?? own.end, own.end))
            if segment.isExecutable { codeEnd = own.end }
        }
        guard let range, AddressRange(0x10_0000, 1 << 32).contains(range) else { return false }
        loader = range.roundedOutward(to: 0x1000)
        loaderCodeEnd = codeEnd
        isLoaderAssumed = false
        return true
    }
}
