// PVH (Xen, public/arch-x86/hvm/start_info.h): the start info, read and reserved.

import Diagnostics
import Memory
import Bytes

/// The PVH start info. Nothing lies at address 0, which stands for what is not present.
public enum PVH {
    /// The start info's first word.
    public static var magic: UInt32 { 0x336e_c578 }

    /// Reads the start info that `platform` tells from `memory`.
    ///
    /// Throws `badStartInfo`, `platformStructureOutsideMemory`, `noMemoryMap`, `memoryBeyondAddresses`, `tooManyRegions`,
    /// `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    @inline(never)
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let first = try memory.record(platform.information, size: 40)
        guard first.u32(0) == magic else { throw Fault(.badStartInfo, value: UInt64(first.u32(0))) }
        let (modules, commandLine) = (first.u64(16), first.u64(24))
        if commandLine != 0 { try platform.readCommandLine(memory, commandLine) }
        platform.rsdp = first.u64(32)
        if modules != 0 { try platform.readModules(memory, modules, count: UInt64(first.u32(12))) }

        // The memory map came with version 1.
        guard first.u32(4) >= 1 else { throw Fault(.noMemoryMap) }
        let startInfo = try memory.record(platform.information, size: 56)
        try platform.reserve(platform.information, size: 56)
        let (map, count) = (startInfo.u64(40), UInt64(startInfo.u32(48)))
        guard map != 0, count > 0 else { throw Fault(.noMemoryMap) }
        try platform.readMemoryMap(memory, map, size: count &* 24)
    }
}
