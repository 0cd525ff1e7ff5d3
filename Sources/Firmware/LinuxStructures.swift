// The structures of the Linux boot protocol, with the names of Linux's headers (Documentation/arch/x86/boot.rst and zero-page.rst;
// arch/x86/include/uapi/asm/bootparam.h and setup_data.h).

public import Bytes

/// The Linux boot protocol.
public enum Linux {
    /// boot_params: a page of fields at fixed offsets, including the setup header of the kernel's file. The header's version cannot be
    /// relied on: virtual machine monitors that enter an ELF file leave it 0.
    public enum BootParameters {
        /// The address of ACPI's root pointer.
        public static var acpiRsdpAddr: StructureField<UInt64> { .init(0x70) }
        /// The upper halves of `ramdiskImage`, `ramdiskSize` and `cmdLinePtr`.
        public static var extRamdiskImage: StructureField<UInt32> { .init(0xc0) }
        /// See `extRamdiskImage`.
        public static var extRamdiskSize: StructureField<UInt32> { .init(0xc4) }
        /// See `extRamdiskImage`.
        public static var extCmdLinePtr: StructureField<UInt32> { .init(0xc8) }
        /// The address of SEV-SNP's confidential computing blob.
        public static var ccBlobAddress: StructureField<UInt32> { .init(0x13c) }
        /// The signature of efi_info: `efi64Signature` if a 64-bit UEFI started the boot loader.
        public static var efiLoaderSignature: StructureField<UInt32> { .init(0x1c0) }
        /// The lower half of the address of UEFI's system table.
        public static var efiSystab: StructureField<UInt32> { .init(0x1c4) }
        /// Its upper half.
        public static var efiSystabHi: StructureField<UInt32> { .init(0x1d8) }
        /// The number of entries of the memory map.
        public static var e820Entries: StructureField<UInt8> { .init(0x1e8) }
        /// Not 0 if the page was not cleared before the setup header was copied into it.
        public static var sentinel: StructureField<UInt8> { .init(0x1ef) }
        /// `HdrS`, in the setup header.
        public static var header: StructureField<UInt32> { .init(0x202) }
        /// The lower half of the initrd's address.
        public static var ramdiskImage: StructureField<UInt32> { .init(0x218) }
        /// The lower half of its size.
        public static var ramdiskSize: StructureField<UInt32> { .init(0x21c) }
        /// The lower half of the command line's address.
        public static var cmdLinePtr: StructureField<UInt32> { .init(0x228) }
        /// The address of the first element of the list of setup_data, 0 for none.
        public static var setupData: StructureField<UInt64> { .init(0x250) }
        /// The offset of the memory map.
        public static var e820Table: UInt64 { 0x2d0 }
        /// The size of boot_params.
        public static var size: UInt64 { 4096 }

        /// The value of `header`, `HdrS`.
        public static var headerSignature: UInt32 { 0x5372_6448 }
        /// EFI64_LOADER_SIGNATURE, `EL64`.
        public static var efi64Signature: UInt32 { 0x3436_4c45 }
        /// E820_MAX_ENTRIES_ZEROPAGE: the number of entries that the memory map has room for.
        public static var e820MaxEntries: UInt64 { 128 }
    }

    /// boot_e820_entry: an entry of the memory map.
    public enum E820Entry {
        /// The region's first address.
        public static var addr: StructureField<UInt64> { .init(0) }
        /// `size`: its number of bytes.
        public static var regionSize: StructureField<UInt64> { .init(8) }
        /// The kind of memory.
        public static var type: StructureField<UInt32> { .init(16) }
        /// The entry's size.
        public static var size: UInt64 { 20 }
    }

    /// The start of an element of setup_data; its data follow.
    public enum SetupData {
        /// The address of the next element, 0 for none.
        public static var next: StructureField<UInt64> { .init(0) }
        /// The element's type.
        public static var type: StructureField<UInt32> { .init(8) }
        /// The size of the data.
        public static var len: StructureField<UInt32> { .init(12) }
        /// The size of this part.
        public static var headerSize: UInt64 { 16 }

        /// SETUP_E820_EXT: the entries of the memory map that do not fit in boot_params.
        public static var e820Extension: UInt32 { 1 }
        /// SETUP_CC_BLOB: the address of SEV-SNP's confidential computing blob, 32 bits (arch/x86/include/asm/sev.h).
        public static var ccBlob: UInt32 { 7 }
        /// The address in the data of such an element, and the data's size.
        public static var ccBlobAddress: StructureField<UInt32> { .init(0) }
        /// See `ccBlobAddress`.
        public static var ccBlobSize: UInt64 { 4 }
    }
}
