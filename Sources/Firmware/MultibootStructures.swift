// The structures of Multiboot 1, with the specification's names (Multiboot Specification 0.6.96, sections 3.1 to 3.3).

public import Bytes

/// Multiboot 1.
public enum Multiboot {
    /// The first word of the header of a kernel for Multiboot.
    public static var headerMagic: UInt32 { 0x1bad_b002 }
    /// The header is in the first bytes of a kernel's file, as many as this.
    public static var headerSearch: Int { 8192 }
    /// The value of eax when a Multiboot loader starts its kernel.
    public static var magic: UInt32 { 0x2bad_b002 }

    /// The information. Flags say which fields are valid; an address of 0 does not mean absence: kexec leaves the memory map there.
    public enum Information {
        /// The flags.
        public static var flags: StructureField<UInt32> { .init(0) }
        /// The size in KiB of memory from address 0 on.
        public static var memLower: StructureField<UInt32> { .init(4) }
        /// The size in KiB of memory from 1 MiB on.
        public static var memUpper: StructureField<UInt32> { .init(8) }
        /// The BIOS's number of the disk, and three numbers of partitions.
        public static var bootDevice: StructureField<UInt32> { .init(12) }
        /// The address of the command line.
        public static var cmdline: StructureField<UInt32> { .init(16) }
        /// The number of modules.
        public static var modsCount: StructureField<UInt32> { .init(20) }
        /// The address of their list.
        public static var modsAddr: StructureField<UInt32> { .init(24) }
        /// The size of the memory map in bytes.
        public static var mmapLength: StructureField<UInt32> { .init(44) }
        /// Its address.
        public static var mmapAddr: StructureField<UInt32> { .init(48) }
        /// The address of the boot loader's name.
        public static var bootLoaderName: StructureField<UInt32> { .init(64) }
        /// The size up to the memory map's address, the last field that is read.
        public static var readSize: UInt64 { 52 }
        /// The size with all optional fields.
        public static var size: UInt64 { 116 }
    }

    /// The flags of the information: each says that fields are valid.
    public enum Flag {
        /// `memLower` and `memUpper`.
        public static var memory: UInt32 { 1 << 0 }
        /// `bootDevice`.
        public static var bootDevice: UInt32 { 1 << 1 }
        /// `cmdline`.
        public static var cmdline: UInt32 { 1 << 2 }
        /// `modsCount` and `modsAddr`.
        public static var mods: UInt32 { 1 << 3 }
        /// `mmapLength` and `mmapAddr`.
        public static var mmap: UInt32 { 1 << 6 }
        /// `bootLoaderName`.
        public static var bootLoaderName: UInt32 { 1 << 9 }
    }

    /// An entry of the list of modules.
    public enum ModuleEntry {
        /// The address of the module's first byte.
        public static var modStart: StructureField<UInt32> { .init(0) }
        /// The address after its last byte.
        public static var modEnd: StructureField<UInt32> { .init(4) }
        /// The address of its string.
        public static var string: StructureField<UInt32> { .init(8) }
        /// The size, with a reserved word.
        public static var size: UInt64 { 16 }
    }

    /// An entry of the memory map. It begins with its own size, not counting the field that holds it.
    public enum MemoryMapEntry {
        /// `size`: the number of bytes after this field, `leastEntrySize` at least.
        public static var entrySize: StructureField<UInt32> { .init(0) }
        /// The offset of the first byte that `entrySize` counts.
        public static var counted: UInt64 { 4 }
        /// The size of the fields below.
        public static var leastEntrySize: UInt64 { 20 }
        /// The region's first address.
        public static var baseAddr: StructureField<UInt64> { .init(4) }
        /// Its number of bytes.
        public static var length: StructureField<UInt64> { .init(12) }
        /// The kind of memory.
        public static var type: StructureField<UInt32> { .init(20) }
        /// The size of all these fields.
        public static var size: UInt64 { counted &+ leastEntrySize }
    }
}
