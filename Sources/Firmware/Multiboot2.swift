// Multiboot 2 (Multiboot2 Specification 2.0, section 3.6): the information's tags, read and reserved.

import Bytes
import Diagnostics
import Memory

/// The Multiboot 2 information: its size, then tags, each at a multiple of 8 bytes, with a type, a size and fields. Tags contain strings
/// and a copy of ACPI's root pointer. GRUB gives the memory map on EFI machines as well, so EFI's own is not read.
public enum Multiboot2 {
    /// The value of eax when a Multiboot 2 loader starts its kernel.
    public static var magic: UInt32 { 0x36d7_6289 }

    /// The types of tags that are read.
    private enum Tag {
        static var end: UInt32 { 0 }
        static var commandLine: UInt32 { 1 }
        static var module: UInt32 { 3 }
        static var basicMemory: UInt32 { 4 }
        static var memoryMap: UInt32 { 6 }
        /// ACPI's root pointer: of version 1, and of later versions.
        static var rsdp1: UInt32 { 14 }
        static var rsdp2: UInt32 { 15 }
    }

    /// Reads the information whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `tagMalformed`, `noMemoryMap`, `memoryMapMalformed`, `memoryBeyondAddresses`,
    /// `tooManyRegions`, `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let size = UInt64(try memory.record(platform.information, size: 8).u32(0))
        let information = try memory.view(platform.information, size: size)
        try platform.reserve(platform.information, size: size)
        // In KiB, below 1 MiB and from there on; it counts if there is no map.
        var basicMemory: (low: UInt64, high: UInt64)?
        var offset: UInt64 = 8
        while information.contains(offset, 8) {
            let (type, tagSize) = try header(information, at: offset)
            if type == Tag.end { break }
            let tag = information.part(at: offset, size: tagSize)
            let address = platform.information &+ offset
            switch type {
            case Tag.commandLine: platform.commandLine = try string(in: tag, from: 8, at: address)
            case Tag.module:
                let entry = try fields(of: tag, type, size: 16)
                let (start, end) = (UInt64(entry.u32(8)), UInt64(entry.u32(12)))
                // If the end is below the start, the size wraps to more than there is.
                _ = try memory.view(start, size: end &- start, else: .moduleOutsideMemory)
                let range = AddressRange(start, end)
                try platform.add(Module(range: range, commandLine: try string(in: tag, from: 16, at: address)))
            case Tag.basicMemory:
                let entry = try fields(of: tag, type, size: 16)
                basicMemory = (UInt64(entry.u32(8)), UInt64(entry.u32(12)))
            case Tag.memoryMap: try readMemoryMap(tag, &platform)
            case Tag.rsdp1:
                _ = try fields(of: tag, type, size: 8 + 20)
                if platform.rsdp == 0 { platform.rsdp = address &+ 8 }
            case Tag.rsdp2:
                _ = try fields(of: tag, type, size: 8 + 36)
                platform.rsdp = address &+ 8
            default: break
            }
            // No overflow: a size of 32 bits is added to an offset in memory.
            offset = (offset &+ tagSize &+ 7) & ~7
        }
        guard platform.memoryMap.count == 0 else { return }
        guard let basicMemory else { throw Fault(.noMemoryMap) }
        try platform.addMemory(0, size: basicMemory.low &* 1024, .available)
        try platform.addMemory(0x10_0000, size: basicMemory.high &* 1024, .available)
    }

    /// The type and the size of the tag at `offset`, which is all there.
    private static func header(
        _ information: ByteView, at offset: UInt64
    ) throws(Fault) -> (type: UInt32, size: UInt64) {
        let entry = information.part(at: offset, size: 8).entry(0, size: 8)
        let (type, size) = (entry.u32(0), UInt64(entry.u32(4)))
        guard size >= 8, information.contains(offset, size) else {
            throw Fault(.tagMalformed, value: size, limit: UInt64(type))
        }
        return (type, size)
    }

    /// The first `size` bytes of `tag`.
    @_lifetime(copy tag)
    private static func fields(of tag: ByteView, _ type: UInt32, size: UInt64) throws(Fault) -> Record {
        guard tag.count >= size else { throw Fault(.tagMalformed, value: tag.count, limit: UInt64(type)) }
        return tag.entry(0, size: Int(truncatingIfNeeded: size))
    }

    /// The string in `tag`, which lies at `address`, from `start` to its NUL, or else to the end of the tag.
    private static func string(in tag: ByteView, from start: UInt64, at address: UInt64) throws(Fault) -> AddressRange {
        let size = tag.stringLength(at: start, limit: tag.count) ?? max(tag.count, start) &- start
        guard size <= PhysicalMemory.stringCapacity else {
            throw Fault(.commandLineTooLong, limit: PhysicalMemory.stringCapacity)
        }
        return AddressRange(at: address &+ start, size: size)
    }

    /// Reads the map in `tag`: the size of an entry, which later versions may enlarge, a version, and for each region start and size,
    /// 64 bits each, and kind.
    private static func readMemoryMap(_ tag: ByteView, _ platform: inout Platform) throws(Fault) {
        let entrySize = UInt64(try fields(of: tag, Tag.memoryMap, size: 16).u32(8))
        guard entrySize >= 24 else { throw Fault(.memoryMapMalformed, value: entrySize, limit: 24) }
        var offset: UInt64 = 16
        while tag.contains(offset, entrySize) {
            let entry = try tag.record(at: offset, size: 20, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(entry.u64(0), size: entry.u64(8), MemoryKind(firmware: entry.u32(16)))
            offset &+= entrySize
        }
    }
}
