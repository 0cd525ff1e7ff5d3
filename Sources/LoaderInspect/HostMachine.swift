// The machine a file would boot on, as QEMU describes it to a loader: what `--machine` and `--memory` stand for.

import AddressSpace
import ArgumentParser
import BootProtocols
import Bytes
import Diagnostics
import ELF

/// QEMU's x86-64 machines.
enum MachineKind: String, CaseIterable, ExpressibleByArgument {
    case pc, q35, microvm
}

/// How the loader is started there.
enum StartProtocol: String, CaseIterable, ExpressibleByArgument {
    case multiboot, pvh
}

/// A number of bytes, written as QEMU's -m takes it: `512M`, `4G`, plain numbers are MiB.
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
        guard !overflow, bytes <= 1 << 46 else { return nil }
        self.bytes = bytes
    }

    var defaultValueDescription: String { bytes % (1 << 30) == 0 ? "\(bytes >> 30)G" : "\(bytes >> 20)M" }
}

/// A machine with its firmware's memory map, the loader and one module in place.
struct HostMachine {
    var kind = MachineKind.pc
    var memory = MemorySize(bytes: 1 << 30)
    var startProtocol = StartProtocol.multiboot
    /// The loader's own bytes, from the file of the loader that would be used.
    var loader = AddressRange(0x10_0000, 0x12_8000)

    /// The platform facts with a module of `moduleSize` bytes, where QEMU would put it.
    func platform(moduleSize: UInt64) throws(Fault) -> Platform {
        var platform = Platform(startProtocol == .multiboot ? .multiboot : .pvh, information: 0x9500)
        for (range, kind) in regions { try platform.memoryMap.add(range, kind) }
        if startProtocol == .multiboot {
            try platform.reservations.add(AddressRange(at: 0x9500, size: 116), .firmware)
            try platform.reservations.add(AddressRange(at: 0x9000, size: 0x500), .firmware)
        }
        // Under Multiboot QEMU puts the command lines behind the loader and modules behind those, page aligned; under PVH
        // the module ends where RAM below 4 GiB ends, less what SeaBIOS keeps for ACPI tables.
        let start =
            startProtocol == .multiboot
            ? (loader.end &+ 0x1fff) & ~0xfff
            : (lowMemoryEnd &- 0x2_0000 &- min(moduleSize, lowMemoryEnd &- 0x2_0000)) & ~0xfff
        try platform.add(Module(range: AddressRange(at: start, size: moduleSize), commandLine: AddressRange(0, 0)))
        return platform
    }

    /// RAM below 4 GiB: `pc` keeps 1 GiB of addresses free where there is more than 3.5 GiB, `q35` 2 GiB where there is
    /// more than 2.75 GiB.
    private var lowMemoryEnd: UInt64 {
        switch kind {
        case .pc, .microvm: memory.bytes >= 0xe000_0000 ? 0xc000_0000 : memory.bytes
        case .q35: memory.bytes >= 0xb000_0000 ? 0x8000_0000 : memory.bytes
        }
    }

    private var regions: [(AddressRange, MemoryKind)] {
        let high = memory.bytes - lowMemoryEnd
        // SeaBIOS keeps the end of low memory for ACPI tables; microvm has no firmware tables there.
        let tables: UInt64 = kind == .microvm ? 0 : kind == .pc ? 0x2_0000 : 0x2_1000
        var list: [(AddressRange, MemoryKind)] = [
            (AddressRange(0, 0x9_fc00), .available), (AddressRange(0x9_fc00, 0xa_0000), .reserved),
            (AddressRange(0xf_0000, 0x10_0000), .reserved),
            (AddressRange(0x10_0000, lowMemoryEnd - tables), .available),
            (AddressRange(lowMemoryEnd - tables, lowMemoryEnd), .reserved),
            (AddressRange(0xfffc_0000, 0x1_0000_0000), .reserved),
        ]
        if kind == .q35 { list.append((AddressRange(0xb000_0000, 0xc000_0000), .reserved)) }
        if high > 0 { list.append((AddressRange(at: 0x1_0000_0000, size: high), .available)) }
        return list
    }
}

extension HostMachine {
    /// The memory that the loader in `file` occupies: its PT_LOAD segments, in whole pages.
    static func loaderRange(_ file: ByteView) throws(Fault) -> AddressRange {
        let header = try FileHeader(file)
        let segments = try ProgramHeaders(file, header)
        var range: AddressRange?
        for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
            let segment = segments[index]
            let own = AddressRange(at: segment.vaddr, size: segment.memsz)
            range = AddressRange(min(range?.start ?? own.start, own.start), max(range?.end ?? own.end, own.end))
        }
        guard let range else { throw Fault(.noLoadSegment, .header) }
        return range.roundedOutward(to: 0x1000)
    }
}
