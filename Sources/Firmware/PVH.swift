// PVH (Xen, public/arch-x86/hvm/start_info.h): the start info, read and reserved.

import Diagnostics
import Memory
import Bytes

/// The PVH start info. An address of 0 means that a part is absent.
public enum PVH {
    /// The start info's first word.
    public static var magic: UInt32 { 0x336e_c578 }

    /// The value of edi, `UEFI`, when the UEFI application of the MZ file enters the loader with its own start info.
    public static var uefiMagic: UInt32 { 0x4946_4555 }

    /// Reads the start info whose address `platform` holds from `memory`.
    ///
    /// Throws `badStartInfo`, `platformStructureOutsideMemory`, `noMemoryMap`, `memoryBeyondAddresses`, `tooManyRegions`,
    /// `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let first = try memory.record(platform.information, size: 40)
        guard first.u32(0) == magic else { throw Fault(.badStartInfo, value: UInt64(first.u32(0))) }
        let (modules, commandLine) = (first.u64(16), first.u64(24))
        if commandLine != 0 { try platform.readCommandLine(memory, commandLine) }
        platform.rsdp = first.u64(32)
        // The UEFI application has a word more.
        if platform.bootProtocol == .uefi {
            platform.confidentialBlob = try memory.record(platform.information, size: 64).u64(56)
        }
        if modules != 0 { try readModules(memory, modules, count: UInt64(first.u32(12)), &platform) }

        // The memory map came with version 1.
        guard first.u32(4) >= 1 else { throw Fault(.noMemoryMap) }
        let startInfo = try memory.record(platform.information, size: 56)
        try platform.reserve(platform.information, size: 56)
        let (map, count) = (startInfo.u64(40), UInt64(startInfo.u32(48)))
        guard map != 0, count > 0 else { throw Fault(.noMemoryMap) }
        try readMemoryMap(memory, map, count: count, &platform)
    }

    /// Reads the list of `count` modules at `address`: start, size, string, and a reserved word, 64 bits each.
    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserveModuleList(address, count: count, entrySize: 32)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* 32, size: 32)
            try platform.addModule(entry.u64(0), size: entry.u64(8), string: entry.u64(16), memory)
        }
    }

    /// Reads the memory map at `address`: for each of `count` regions start and size, 64 bits each, and kind, 32 bits.
    private static func readMemoryMap(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        // The count has 32 bits.
        let size = count &* 24
        try platform.reserve(address, size: size)
        let map = try memory.view(address, size: size)
        var offset: UInt64 = 0
        while offset < size {
            let entry = try map.record(at: offset, size: 24, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(entry.u64(0), size: entry.u64(8), MemoryKind(firmware: entry.u32(16)))
            offset &+= 24
        }
    }
}
