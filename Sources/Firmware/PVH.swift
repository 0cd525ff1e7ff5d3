// The reader of PVH (Xen, public/arch-x86/hvm/start_info.h): the start info, read and reserved.

import Bytes
import Diagnostics
import Memory

extension PVH {
    /// Reads the start info whose address `platform` holds from `memory`.
    ///
    /// Throws `badStartInfo`, `platformStructureOutsideMemory`, `noMemoryMap`, `memoryBeyondAddresses`, `tooManyRegions`,
    /// `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let first = try memory.record(platform.information, size: StartInfo.sizeOfVersion0)
        let magic = first[StartInfo.magic]
        guard magic == StartInfo.magicValue else { throw Fault(.badStartInfo, value: UInt64(magic)) }
        let (modules, commandLine) = (first[StartInfo.modlistPaddr], first[StartInfo.cmdlinePaddr])
        if commandLine != 0 { try platform.readCommandLine(memory, commandLine) }
        platform.rsdp = first[StartInfo.rsdpPaddr]
        if platform.bootProtocol == .uefi {
            let whole = try memory.record(platform.information, size: StartInfo.sizeFromUEFI)
            platform.confidentialBlob = whole[StartInfo.confidentialBlob]
        }
        if modules != 0 { try readModules(memory, modules, count: UInt64(first[StartInfo.nrModules]), &platform) }

        guard first[StartInfo.version] >= StartInfo.versionWithMemoryMap else { throw Fault(.noMemoryMap) }
        let startInfo = try memory.record(platform.information, size: StartInfo.size)
        try platform.reserve(platform.information, size: StartInfo.size)
        let (map, count) = (startInfo[StartInfo.memmapPaddr], UInt64(startInfo[StartInfo.memmapEntries]))
        guard map != 0, count > 0 else { throw Fault(.noMemoryMap) }
        try readMemoryMap(memory, map, count: count, &platform)
    }

    /// Reads the list of `count` modules at `address`.
    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserveModuleList(address, count: count, entrySize: ModuleEntry.size)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* ModuleEntry.size, size: ModuleEntry.size)
            try platform.addModule(
                entry[ModuleEntry.paddr], size: entry[ModuleEntry.moduleSize],
                string: entry[ModuleEntry.cmdlinePaddr], memory)
        }
    }

    /// Reads the memory map of `count` entries at `address`.
    private static func readMemoryMap(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        // The count has 32 bits.
        let size = count &* MemoryMapEntry.size
        try platform.reserve(address, size: size)
        let map = try memory.view(address, size: size)
        var offset: UInt64 = 0
        while offset < size {
            let entry = try map.record(
                at: offset, size: MemoryMapEntry.size, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(
                entry[MemoryMapEntry.addr], size: entry[MemoryMapEntry.regionSize],
                MemoryKind(firmware: entry[MemoryMapEntry.type]))
            offset &+= MemoryMapEntry.size
        }
    }
}
