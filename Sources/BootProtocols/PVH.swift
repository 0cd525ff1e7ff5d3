// PVH (Xen, public/arch-x86/hvm/start_info.h): the start info, read and reserved.

import Diagnostics
import AddressSpace
import Bytes

/// The PVH start info.
public enum PVH {
    /// The start info's first word.
    public static var magic: UInt32 { 0x336e_c578 }

    /// Reads the start info that `platform` tells from `memory`.
    ///
    /// Throws `badStartInfo`, `platformStructureOutsideMemory`, `noMemoryMap`, `tooManyRegions`, `tooManyModules`,
    /// `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let address = platform.information
        let first = try memory.record(address, size: 40)
        guard first.u32(0) == magic else { throw Fault(.badStartInfo, value: UInt64(first.u32(0))) }
        platform.commandLine = try memory.string(first.u64(24))
        try platform.reserveString(platform.commandLine)
        platform.rsdp = first.u64(32)
        try readModules(memory, first.u64(16), count: UInt64(first.u32(12)), &platform)

        // The memory map came with version 1.
        guard first.u32(4) >= 1 else { throw Fault(.noMemoryMap) }
        let startInfo = try memory.record(address, size: 56)
        try platform.reservations.add(AddressRange(at: address, size: 56), .transient)
        let (map, count) = (startInfo.u64(40), UInt64(startInfo.u32(48)))
        guard map != 0, count > 0 else { throw Fault(.noMemoryMap) }
        let size = count &* 24
        let entries = try memory.view(map, size: size)
        try platform.reservations.add(AddressRange(at: map, size: size), .transient)
        for index in 0..<count {
            let entry = try entries.record(at: index &* 24, size: 24, else: .platformStructureOutsideMemory, .none)
            try platform.memoryMap.add(
                AddressRange(at: entry.u64(0), size: entry.u64(8)), MemoryKind(firmware: entry.u32(16)))
        }
    }

    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        guard count <= UInt64(Platform.moduleCapacity) else {
            throw Fault(.tooManyModules, value: count, limit: UInt64(Platform.moduleCapacity))
        }
        guard count > 0 else { return }
        try platform.reservations.add(AddressRange(at: address, size: count &* 32), .transient)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* 32, size: 32)
            let (start, size) = (entry.u64(0), entry.u64(8))
            _ = try memory.view(start, size: size, else: .moduleOutsideMemory)
            try platform.add(
                Module(range: AddressRange(at: start, size: size), commandLine: try memory.string(entry.u64(16))))
        }
    }
}
