// Multiboot 1 (Multiboot Specification 0.6.96, section 3.3): the information structure, read and reserved.

import Diagnostics
import Memory
import Bytes

/// The Multiboot information. Flags say which fields are valid; an address of 0 does not mean absence: kexec leaves the memory map there.
public enum Multiboot {
    /// The first word of the header of a kernel for Multiboot.
    public static var headerMagic: UInt32 { 0x1bad_b002 }
    /// The value of eax when a Multiboot loader starts its kernel.
    public static var magic: UInt32 { 0x2bad_b002 }

    /// Reads the information whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryMapMalformed`, `memoryBeyondAddresses`,
    /// `tooManyRegions`, `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let information = try memory.record(platform.information, size: 52)
        let flags = information.u32(0)
        // The structure's optional fields end at 116.
        try platform.reserve(platform.information, size: 116)

        if flags & 1 << 6 != 0 {
            try readMemoryMap(memory, UInt64(information.u32(48)), size: UInt64(information.u32(44)), &platform)
        } else if flags & 1 != 0 {
            try platform.addMemory(0, size: UInt64(information.u32(4)) &* 1024, .available)
            try platform.addMemory(0x10_0000, size: UInt64(information.u32(8)) &* 1024, .available)
        } else {
            throw Fault(.noMemoryMap)
        }
        if flags & 1 << 2 != 0 { try platform.readCommandLine(memory, UInt64(information.u32(16))) }
        if flags & 1 << 3 != 0 {
            try readModules(memory, UInt64(information.u32(24)), count: UInt64(information.u32(20)), &platform)
        }
    }

    /// Reads the list of `count` modules at `address`: start, end, string, and a reserved word, 32 bits each.
    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserveModuleList(address, count: count, entrySize: 16)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* 16, size: 16)
            let (start, end) = (UInt64(entry.u32(0)), UInt64(entry.u32(4)))
            // If the end is below the start, the size wraps to more than there is.
            try platform.addModule(start, size: end &- start, string: UInt64(entry.u32(8)), memory)
        }
    }

    /// Reads the memory map at `address`, of `size` bytes. An entry is its size, not counting this field, then start, size and kind of
    /// a region.
    private static func readMemoryMap(
        _ memory: PhysicalMemory, _ address: UInt64, size: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserve(address, size: size)
        let map = try memory.view(address, size: size)
        var offset: UInt64 = 0
        while offset < size {
            let entrySize = UInt64(map.word32(at: offset) ?? 0)
            guard entrySize >= 20 else { throw Fault(.memoryMapMalformed, value: entrySize, limit: 20) }
            let entry = try map.record(at: offset &+ 4, size: 20, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(entry.u64(0), size: entry.u64(8), MemoryKind(firmware: entry.u32(16)))
            // No overflow: a number of 32 bits is added to an offset in memory.
            offset &+= 4 &+ entrySize
        }
    }
}
