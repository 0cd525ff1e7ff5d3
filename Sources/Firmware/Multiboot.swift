// The reader of Multiboot 1 (Multiboot Specification 0.6.96, section 3.3): the information, read and reserved.

import Bytes
import Diagnostics
import Memory

extension Multiboot {
    /// Reads the information whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryMapMalformed`, `memoryBeyondAddresses`,
    /// `tooManyRegions`, `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let information = try memory.record(platform.information, size: Information.readSize)
        let flags = information[Information.flags]
        try platform.reserve(platform.information, size: Information.size)

        if flags & Flag.mmap != 0 {
            let size = UInt64(information[Information.mmapLength])
            try readMemoryMap(memory, UInt64(information[Information.mmapAddr]), size: size, &platform)
        } else if flags & Flag.memory != 0 {
            try platform.addBasicMemory(low: information[Information.memLower], high: information[Information.memUpper])
        } else {
            throw Fault(.noMemoryMap)
        }
        if flags & Flag.cmdline != 0 {
            try platform.readCommandLine(memory, UInt64(information[Information.cmdline]))
        }
        if flags & Flag.mods != 0 {
            let count = UInt64(information[Information.modsCount])
            try readModules(memory, UInt64(information[Information.modsAddr]), count: count, &platform)
        }
    }

    /// Reads the list of `count` modules at `address`.
    private static func readModules(
        _ memory: PhysicalMemory, _ address: UInt64, count: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserveModuleList(address, count: count, entrySize: ModuleEntry.size)
        for index in 0..<count {
            let entry = try memory.record(address &+ index &* ModuleEntry.size, size: ModuleEntry.size)
            let (start, end) = (UInt64(entry[ModuleEntry.modStart]), UInt64(entry[ModuleEntry.modEnd]))
            // If the end is below the start, the size wraps to more than there is.
            let string = UInt64(entry[ModuleEntry.string])
            try platform.addModule(start, size: end &- start, string: string, memory)
        }
    }

    /// Reads the memory map at `address`, of `size` bytes.
    private static func readMemoryMap(
        _ memory: PhysicalMemory, _ address: UInt64, size: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        try platform.reserve(address, size: size)
        let map = try memory.view(address, size: size)
        var offset: UInt64 = 0
        while offset < size {
            let entrySize = UInt64(map.word32(at: offset &+ MemoryMapEntry.entrySize.offset) ?? 0)
            guard entrySize >= MemoryMapEntry.leastEntrySize else {
                throw Fault(.memoryMapMalformed, value: entrySize, limit: MemoryMapEntry.leastEntrySize)
            }
            let entry = try map.record(
                at: offset, size: MemoryMapEntry.size, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(
                entry[MemoryMapEntry.baseAddr], size: entry[MemoryMapEntry.length],
                MemoryKind(firmware: entry[MemoryMapEntry.type]))
            // No overflow: a number of 32 bits is added to an offset in memory.
            offset &+= MemoryMapEntry.counted &+ entrySize
        }
    }
}
