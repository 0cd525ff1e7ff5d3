// Multiboot 1 (Multiboot Specification 0.6.96, section 3.3): the information structure, read and reserved.

import Diagnostics
import Memory
import Bytes

/// The Multiboot information. Flags say what there is, wherever it lies: kexec leaves the memory map at address 0.
public enum Multiboot {
    /// What eax holds when a Multiboot loader starts its kernel.
    public static var magic: UInt32 { 0x2bad_b002 }

    /// Reads the information that `platform` tells from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryMapMalformed`, `memoryBeyondAddresses`,
    /// `tooManyRegions`, `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let information = try memory.record(platform.information, size: 52)
        let flags = information.u32(0)
        // The structure's optional tail ends at 116.
        try platform.reserve(platform.information, size: 116)

        if flags & 1 << 6 != 0 {
            try platform.readMemoryMap(memory, UInt64(information.u32(48)), size: UInt64(information.u32(44)))
        } else if flags & 1 != 0 {
            try platform.memoryMap.add(AddressRange(at: 0, size: UInt64(information.u32(4)) &* 1024), .available)
            try platform.memoryMap.add(
                AddressRange(at: 0x10_0000, size: UInt64(information.u32(8)) &* 1024), .available)
        } else {
            throw Fault(.noMemoryMap)
        }
        if flags & 1 << 2 != 0 { try platform.readCommandLine(memory, UInt64(information.u32(16))) }
        if flags & 1 << 3 != 0 {
            try platform.readModules(memory, UInt64(information.u32(24)), count: UInt64(information.u32(20)))
        }
    }
}
