// The machine that a file would boot on, as QEMU describes it to the loader: what `--machine` and `--memory` stand for.

import AddressSpace
import ArgumentParser
import BootProtocols
import Bytes
import Diagnostics
import ELF

/// QEMU's x86-64 machines.
enum MachineKind: String, CaseIterable, ExpressibleByArgument, Codable {
    case pc, q35, microvm
}

/// How the loader is started there.
enum StartProtocol: String, CaseIterable, ExpressibleByArgument, Codable {
    case multiboot, pvh
}

/// A number of bytes, written as QEMU's -m takes it: `512M`, `4G`; plain numbers are MiB.
struct MemorySize: ExpressibleByArgument, Equatable {
    /// Bytes.
    let bytes: UInt64

    init(bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let shift = argument.uppercased().last.flatMap { units[$0] }
        guard let number = UInt64(shift == nil ? Substring(argument) : argument.dropLast()), number > 0 else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 20))
        guard !overflow, bytes >= 1 << 21, bytes <= 1 << 46 else { return nil }
        self.bytes = bytes & ~0xfff
    }

    var defaultValueDescription: String { text }

    /// As QEMU's -m takes it.
    var text: String { bytes % (1 << 30) == 0 ? "\(bytes >> 30)G" : "\(bytes >> 20)M" }
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
    /// The path of the application, which is the module's command line under Multiboot.
    var applicationPath = "application"
    /// Options for the loader, words that begin with `loader.`; they follow the application's name under Multiboot, and come
    /// first on the command line under PVH.
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

    /// Puts `file` and the firmware's structures into `guest`, and lets the loader's own code read them.
    func start(_ file: ByteView, in guest: GuestMemory) throws(Fault) -> Platform {
        let start = moduleStart(size: file.count)
        guard guest.write(file, at: start) else {
            throw Fault(.moduleOutsideMemory, value: start, limit: start &+ file.count)
        }
        let module = AddressRange(at: start, size: file.count)
        // The guest's loader cannot read what lies below 0x400 either.
        let memory = PhysicalMemory(ByteView(guest.span(AddressRange(0x400, guest.size))), origin: 0x400)
        switch startProtocol {
        case .multiboot:
            writeMultiboot(module, to: guest)
            return try Multiboot.platform(memory, information: 0x9500)
        case .pvh:
            let information: UInt64 = kind == .microvm ? 0xf_31e0 : 0x21e0
            writePVH(module, information, to: guest)
            return try PVH.platform(memory, startInfo: information)
        }
    }

    // MARK: Multiboot

    private var stringsStart: UInt64 { (loader.end &+ 0xfff) & ~0xfff }
    private var moduleString: [UInt8] { Array((applicationPath + gap + loaderOptions).utf8) + [0] }
    private var gap: String { loaderOptions.isEmpty ? "" : " " }
    private var commandLineString: [UInt8] { Array("\(loaderPath) \(commandLine)".utf8) + [0] }

    /// Under Multiboot, module list, command lines and modules follow the loader, the modules page aligned; under PVH the
    /// module ends where RAM below 4 GiB does, less what QEMU sets aside for ACPI tables.
    private func moduleStart(size: UInt64) -> UInt64 {
        switch startProtocol {
        case .multiboot:
            let strings = 16 + UInt64(moduleString.count + commandLineString.count + 5)
            return (stringsStart &+ strings &+ 0xfff) & ~0xfff
        case .pvh:
            let end = lowMemoryEnd - (kind == .microvm ? 0 : 0x2_8000)
            return size <= end ? (end - size) & ~0xfff : end
        }
    }

    private func writeMultiboot(_ module: AddressRange, to guest: GuestMemory) {
        let (information, map): (UInt64, UInt64) = (0x9500, 0x9000)
        for (index, region) in regions.enumerated() {
            let entry = map + UInt64(index) * 24
            guest.store(20 as UInt32, at: entry)
            guest.store(region.range.start, at: entry + 4)
            guest.store(region.range.size, at: entry + 12)
            guest.store(region.kind.rawValue, at: entry + 20)
        }
        let commandLineStart = stringsStart + 16 + UInt64(moduleString.count)
        let words: [(UInt64, UInt32)] = [
            (0, 0x24f), (4, 0x27f), (8, UInt32(truncatingIfNeeded: lowMemoryEnd / 1024 - 1024)), (12, 0x8000_ffff),
            (16, UInt32(truncatingIfNeeded: commandLineStart)), (20, 1),
            (24, UInt32(truncatingIfNeeded: stringsStart)), (44, UInt32(regions.count * 24)), (48, UInt32(map)),
            (64, UInt32(truncatingIfNeeded: commandLineStart) + UInt32(commandLineString.count)),
        ]
        for (offset, word) in words { guest.store(word, at: information + offset) }
        guest.store(UInt32(truncatingIfNeeded: module.start), at: stringsStart)
        guest.store(UInt32(truncatingIfNeeded: module.end), at: stringsStart + 4)
        guest.store(UInt32(truncatingIfNeeded: stringsStart + 16), at: stringsStart + 8)
        guest.write(moduleString + commandLineString + Array("qemu".utf8), at: stringsStart + 16)
    }

    // MARK: PVH

    private func writePVH(_ module: AddressRange, _ information: UInt64, to guest: GuestMemory) {
        let (modules, text, map): (UInt64, UInt64, UInt64) =
            kind == .microvm ? (0x7b7c, 0xe_fc70, 0xe_f800) : (0x21c0, 0x11c0, 0x5a8)
        // Where the firmware puts the root pointer depends on the tables it makes, and those on the machine's devices.
        let usual: UInt64 =
            switch kind {
            case .pc: memory.bytes > lowMemoryEnd ? 0xf_59b0 : 0xf_59d0
            case .q35: memory.bytes > lowMemoryEnd ? 0xf_59c0 : 0xf_59e0
            case .microvm: 0xf_34d0
            }
        guest.store(PVH.magic, at: information)
        guest.store(1 as UInt32, at: information + 4)
        guest.store(1 as UInt32, at: information + 12)
        for (offset, word) in [(16, modules), (24, text), (32, rsdp ?? usual), (40, map)] as [(UInt64, UInt64)] {
            guest.store(word, at: information + offset)
        }
        guest.store(UInt32(regions.count), at: information + 48)
        guest.store(module.start, at: modules)
        guest.store(module.size, at: modules + 8)
        guest.write(Array((loaderOptions + gap + commandLine).utf8) + [0], at: text)
        for (index, region) in regions.enumerated() {
            let entry = map + UInt64(index) * 24
            guest.store(region.range.start, at: entry)
            guest.store(region.range.size, at: entry + 8)
            guest.store(region.kind.rawValue, at: entry + 16)
        }
    }
}

extension HostMachine {
    /// Takes the loader in `file`: the memory that its PT_LOAD segments occupy, in whole pages, and where its code ends.
    mutating func use(loader file: ByteView) throws(Fault) {
        let header = try FileHeader(file)
        let segments = try ProgramHeaders(file, header)
        var range: AddressRange?
        for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
            let segment = segments[index]
            let own = AddressRange(at: segment.vaddr, size: segment.memsz)
            range = AddressRange(min(range?.start ?? own.start, own.start), max(range?.end ?? own.end, own.end))
            if segment.flags & 1 != 0 { loaderCodeEnd = own.end }
        }
        guard let range else { throw Fault(.noLoadSegment, .header) }
        loader = range.roundedOutward(to: 0x1000)
    }
}
