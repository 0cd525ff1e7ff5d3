// Multiboot 1 (Multiboot Specification 0.6.96, section 3.3): the information structure, read and reserved.

import Diagnostics
import AddressSpace
import Bytes

/// The Multiboot information.
public enum Multiboot {
    /// What eax holds when a Multiboot loader starts its kernel.
    public static var magic: UInt32 { 0x2bad_b002 }

    /// Reads the information that `platform` tells from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryMapMalformed`, `tooManyRegions`,
    /// `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let address = platform.information
        let size: UInt64 = 52
        let information = try memory.record(address, size: size)
        let flags = information.u32(0)
        // The structure's optional tail ends at 116.
        try platform.reservations.add(AddressRange(at: address, size: 116), .firmware)

        if flags & 1 << 6 != 0 {
            try readMemoryMap(memory, UInt64(information.u32(48)), size: UInt64(information.u32(44)), &platform)
        } else if flags & 1 != 0 {
            try platform.memoryMap.add(AddressRange(at: 0, size: UInt64(information.u32(4)) &* 1024), .available)
            try platform.memoryMap.add(
                AddressRange(at: 0x10_0000, size: UInt64(information.u32(8)) &* 1024), .available)
        } else {
            throw Fault(.noMemoryMap)
        }
        if flags & 1 << 2 != 0 {
            platform.commandLine = try memory.string(UInt64(information.u32(16)))
            try platform.reserveString(platform.commandLine)
        }
        if flags & 1 << 3 != 0 {
            try readModules(memory, UInt64(information.u32(24)), count: UInt64(information.u32(20)), &platform)
        }
    }

    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        guard count <= UInt64(Platform.moduleCapacity) else {
            throw Fault(.tooManyModules, value: count, limit: UInt64(Platform.moduleCapacity))
        }
        guard count > 0 else { return }
        try platform.reservations.add(AddressRange(at: address, size: count &* 16), .firmware)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* 16, size: 16)
            let (start, end) = (UInt64(entry.u32(0)), UInt64(entry.u32(4)))
            guard start <= end else { throw Fault(.moduleOutsideMemory, value: start, limit: end) }
            _ = try memory.view(start, size: end &- start, else: .moduleOutsideMemory)
            try platform.add(
                Module(range: AddressRange(start, end), commandLine: try memory.string(UInt64(entry.u32(8)))))
        }
    }

    private static func readMemoryMap(
        _ memory: PhysicalMemory, _ address: UInt64, size: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reservations.add(AddressRange(at: address, size: size), .firmware)
        let map = try memory.view(address, size: size)
        var offset: UInt64 = 0
        while offset < size {
            // The size field does not count itself.
            guard let entrySize = map.word32(at: offset), entrySize >= 20 else {
                throw Fault(.memoryMapMalformed, value: UInt64(map.word32(at: offset) ?? 0), limit: 20)
            }
            let entry = try map.record(at: offset, size: 24, else: .platformStructureOutsideMemory, .none)
            try platform.memoryMap.add(
                AddressRange(at: entry.u64(4), size: entry.u64(12)), MemoryKind(firmware: entry.u32(20)))
            // The sum of a few 32-bit numbers and an address.
            offset &+= UInt64(entrySize) &+ 4
        }
    }
}
