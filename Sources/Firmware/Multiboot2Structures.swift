// The structures of Multiboot 2, with the specification's names (Multiboot2 Specification 2.0, section 3.6).

public import Bytes

/// Multiboot 2.
public enum Multiboot2 {
    /// The value of eax when a Multiboot 2 loader starts its kernel.
    public static var magic: UInt32 { 0x36d7_6289 }

    /// The start of the information: tags follow, each at a multiple of `Tag.alignment` bytes.
    public enum Information {
        /// The size of the information in bytes, this field included.
        public static var totalSize: StructureField<UInt32> { .init(0) }
        /// The size of this part, with a reserved word.
        public static var size: UInt64 { 8 }
    }

    /// The start of each tag.
    public enum Tag {
        /// The tag's type.
        public static var type: StructureField<UInt32> { .init(0) }
        /// The tag's size in bytes, this part included.
        public static var size: StructureField<UInt32> { .init(4) }
        /// The size of this part, after which the tag's own fields begin.
        public static var headerSize: UInt64 { 8 }
        /// The alignment of tags.
        public static var alignment: UInt64 { 8 }
    }

    /// The types of tags.
    public enum TagType {
        /// The end of the information.
        public static var end: UInt32 { 0 }
        /// The command line: a string after the tag's header.
        public static var commandLine: UInt32 { 1 }
        /// A module: `ModuleTag`.
        public static var module: UInt32 { 3 }
        /// The size of memory: `BasicMemoryTag`.
        public static var basicMemory: UInt32 { 4 }
        /// The memory map: `MemoryMapTag`.
        public static var memoryMap: UInt32 { 6 }
        /// A copy of ACPI's root pointer of version 1.
        public static var acpiOld: UInt32 { 14 }
        /// The same of later versions.
        public static var acpiNew: UInt32 { 15 }
    }

    /// A tag about a module.
    public enum ModuleTag {
        /// The address of the module's first byte.
        public static var modStart: StructureField<UInt32> { .init(8) }
        /// The address after its last byte.
        public static var modEnd: StructureField<UInt32> { .init(12) }
        /// The offset of its string, and the size of the fields before it.
        public static var string: UInt64 { 16 }
    }

    /// A tag with the size of memory.
    public enum BasicMemoryTag {
        /// The size in KiB of memory from address 0 on.
        public static var memLower: StructureField<UInt32> { .init(8) }
        /// The size in KiB of memory from 1 MiB on.
        public static var memUpper: StructureField<UInt32> { .init(12) }
        /// The tag's size.
        public static var size: UInt64 { 16 }
    }

    /// A tag with the memory map.
    public enum MemoryMapTag {
        /// The size of an entry, which later versions may enlarge.
        public static var entrySize: StructureField<UInt32> { .init(8) }
        /// The version of the entries.
        public static var entryVersion: StructureField<UInt32> { .init(12) }
        /// The offset of the entries, and the size of the fields before them.
        public static var entries: UInt64 { 16 }
    }

    /// An entry of the memory map.
    public enum MemoryMapEntry {
        /// The region's first address.
        public static var baseAddr: StructureField<UInt64> { .init(0) }
        /// Its number of bytes.
        public static var length: StructureField<UInt64> { .init(8) }
        /// The kind of memory.
        public static var type: StructureField<UInt32> { .init(16) }
        /// The size, with a reserved word.
        public static var size: UInt64 { 24 }
    }
}
