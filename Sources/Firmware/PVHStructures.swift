// The structures of PVH, with the names of its header (Xen, public/arch-x86/hvm/start_info.h).

public import Bytes

/// PVH.
public enum PVH {
    /// The value of edi, `UEFI`, when the UEFI application of the MZ file enters the loader with its own start info.
    public static var uefiMagic: UInt32 { 0x4946_4555 }

    /// hvm_start_info. An address of 0 means that a part is absent.
    public enum StartInfo {
        /// XEN_HVM_START_MAGIC_VALUE, in `magic`.
        public static var magicValue: UInt32 { 0x336e_c578 }
        /// The version that came with the memory map.
        public static var versionWithMemoryMap: UInt32 { 1 }

        /// The magic number.
        public static var magic: StructureField<UInt32> { .init(0) }
        /// The version.
        public static var version: StructureField<UInt32> { .init(4) }
        /// The number of modules.
        public static var nrModules: StructureField<UInt32> { .init(12) }
        /// The address of their list.
        public static var modlistPaddr: StructureField<UInt64> { .init(16) }
        /// The address of the command line.
        public static var cmdlinePaddr: StructureField<UInt64> { .init(24) }
        /// The address of ACPI's root pointer.
        public static var rsdpPaddr: StructureField<UInt64> { .init(32) }
        /// The size of version 0.
        public static var sizeOfVersion0: UInt64 { 40 }
        /// The address of the memory map, from version 1 on.
        public static var memmapPaddr: StructureField<UInt64> { .init(40) }
        /// The number of its entries.
        public static var memmapEntries: StructureField<UInt32> { .init(48) }
        /// The size of version 1, with a reserved word.
        public static var size: UInt64 { 56 }

        /// The address of SEV-SNP's confidential computing blob, 0 for none. Xen's start info has no field for it: only the UEFI
        /// application writes this one, after version 1, and only the loader reads it.
        public static var confidentialBlob: StructureField<UInt64> { .init(56) }
        /// The size with that field.
        public static var sizeFromUEFI: UInt64 { 64 }
    }

    /// hvm_modlist_entry.
    public enum ModuleEntry {
        /// The address of the module's first byte.
        public static var paddr: StructureField<UInt64> { .init(0) }
        /// `size`: its number of bytes.
        public static var moduleSize: StructureField<UInt64> { .init(8) }
        /// The address of its string.
        public static var cmdlinePaddr: StructureField<UInt64> { .init(16) }
        /// The entry's size, with a reserved word.
        public static var size: UInt64 { 32 }
    }

    /// hvm_memmap_table_entry.
    public enum MemoryMapEntry {
        /// The region's first address.
        public static var addr: StructureField<UInt64> { .init(0) }
        /// `size`: its number of bytes.
        public static var regionSize: StructureField<UInt64> { .init(8) }
        /// The kind of memory. A reserved word follows.
        public static var type: StructureField<UInt32> { .init(16) }
        /// The entry's size.
        public static var size: UInt64 { 24 }
    }
}
