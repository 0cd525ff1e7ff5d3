// The reader of Multiboot 2 (Multiboot2 Specification 2.0, section 3.6): the information's tags, read and reserved. GRUB gives the memory
// map on EFI machines as well, so EFI's own is not read.

import Bytes
import Diagnostics
import Memory

extension Multiboot2 {
    /// Reads the information whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `tagMalformed`, `noMemoryMap`, `memoryMapMalformed`, `memoryBeyondAddresses`,
    /// `tooManyRegions`, `tooManyModules`, `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let start = try memory.record(platform.information, size: Information.size)
        let size = UInt64(start[Information.totalSize])
        let information = try memory.view(platform.information, size: size)
        try platform.reserve(platform.information, size: size)
        // It counts if there is no map.
        var basicMemory: (low: UInt32, high: UInt32)?
        var offset = Information.size
        while information.contains(offset, Tag.headerSize) {
            let (type, tagSize) = try header(information, at: offset)
            if type == TagType.end { break }
            let tag = information.part(at: offset, size: tagSize)
            let address = platform.information &+ offset
            switch type {
            case TagType.commandLine:
                platform.commandLine = try string(in: tag, from: Tag.headerSize, at: address)
            case TagType.module:
                let entry = try fields(of: tag, type, size: ModuleTag.string)
                let (start, end) = (UInt64(entry[ModuleTag.modStart]), UInt64(entry[ModuleTag.modEnd]))
                // If the end is below the start, the size wraps to more than there is.
                _ = try memory.view(start, size: end &- start, else: .moduleOutsideMemory)
                let range = AddressRange(start, end)
                let commandLine = try string(in: tag, from: ModuleTag.string, at: address)
                try platform.add(Module(range: range, commandLine: commandLine))
            case TagType.basicMemory:
                let entry = try fields(of: tag, type, size: BasicMemoryTag.size)
                basicMemory = (entry[BasicMemoryTag.memLower], entry[BasicMemoryTag.memUpper])
            case TagType.memoryMap: try readMemoryMap(tag, &platform)
            case TagType.acpiOld:
                _ = try fields(of: tag, type, size: Tag.headerSize &+ ACPI.RootPointer.sizeOfVersion1)
                if platform.rsdp == 0 { platform.rsdp = address &+ Tag.headerSize }
            case TagType.acpiNew:
                _ = try fields(of: tag, type, size: Tag.headerSize &+ ACPI.RootPointer.size)
                platform.rsdp = address &+ Tag.headerSize
            default: break
            }
            // No overflow: a size of 32 bits is added to an offset in memory.
            offset = (offset &+ tagSize &+ (Tag.alignment &- 1)) & ~(Tag.alignment &- 1)
        }
        guard platform.memoryMap.count == 0 else { return }
        guard let basicMemory else { throw Fault(.noMemoryMap) }
        try platform.addBasicMemory(low: basicMemory.low, high: basicMemory.high)
    }

    /// The type and the size of the tag at `offset`, which is all there.
    private static func header(
        _ information: ByteView, at offset: UInt64
    ) throws(Fault) -> (type: UInt32, size: UInt64) {
        let entry = information.part(at: offset, size: Tag.headerSize).entry(0, size: Int(Tag.headerSize))
        let (type, size) = (entry[Tag.type], UInt64(entry[Tag.size]))
        guard size >= Tag.headerSize, information.contains(offset, size) else {
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

    /// Reads the map in `tag`.
    private static func readMemoryMap(_ tag: ByteView, _ platform: inout Platform) throws(Fault) {
        let fields = try fields(of: tag, TagType.memoryMap, size: MemoryMapTag.entries)
        let entrySize = UInt64(fields[MemoryMapTag.entrySize])
        guard entrySize >= MemoryMapEntry.size else {
            throw Fault(.memoryMapMalformed, value: entrySize, limit: MemoryMapEntry.size)
        }
        var offset = MemoryMapTag.entries
        while tag.contains(offset, entrySize) {
            let entry = try tag.record(
                at: offset, size: MemoryMapEntry.size, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(
                entry[MemoryMapEntry.baseAddr], size: entry[MemoryMapEntry.length],
                MemoryKind(firmware: entry[MemoryMapEntry.type]))
            offset &+= entrySize
        }
    }
}
