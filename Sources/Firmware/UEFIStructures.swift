// The structures and numbers of UEFI that the loader and the UEFI application read, with the specification's names (UEFI 2.10). The
// firmware's functions are called by Sources/CMZ/include/uefi.h.

public import Bytes

/// UEFI.
public enum EFI {
    /// EFI_PAGE_SIZE (7.2).
    public static var pageSize: UInt64 { 1 << pageShift }
    /// The number of bits of `pageSize`.
    public static var pageShift: UInt64 { 12 }

    /// EFI_MEMORY_DESCRIPTOR (7.2.3): an entry of the memory map. The firmware says how large an entry is; these fields come first.
    public enum MemoryDescriptor {
        /// The type, of `MemoryType`.
        public static var type: StructureField<UInt32> { .init(0) }
        /// The first address.
        public static var physicalStart: StructureField<UInt64> { .init(8) }
        /// The first virtual address.
        public static var virtualStart: StructureField<UInt64> { .init(16) }
        /// The number of pages.
        public static var numberOfPages: StructureField<UInt64> { .init(24) }
        /// The attributes, of `MemoryAttribute`.
        public static var attribute: StructureField<UInt64> { .init(32) }
        /// The size of these fields.
        public static var size: UInt64 { 40 }
    }

    /// EFI_MEMORY_TYPE (7.2.1).
    public enum MemoryType: UInt32, Sendable {
        /// EfiReservedMemoryType.
        case reserved = 0
        /// EfiLoaderCode and EfiLoaderData: an application's allocations.
        case loaderCode = 1, loaderData = 2
        /// EfiBootServicesCode and EfiBootServicesData: free after boot services have ended.
        case bootServicesCode = 3, bootServicesData = 4
        /// EfiRuntimeServicesCode and EfiRuntimeServicesData.
        case runtimeServicesCode = 5, runtimeServicesData = 6
        /// EfiConventionalMemory: free.
        case conventional = 7
        /// EfiUnusableMemory: broken.
        case unusable = 8
        /// EfiACPIReclaimMemory and EfiACPIMemoryNVS.
        case acpiReclaim = 9, acpiNonVolatile = 10
    }

    /// The attributes of memory (7.2.3).
    public enum MemoryAttribute {
        /// EFI_MEMORY_WB: it can be cached (write-back).
        public static var writeBack: UInt64 { 1 << 3 }
        /// EFI_MEMORY_SP: it is set aside for a specific purpose, such as a device.
        public static var specificPurpose: UInt64 { 1 << 18 }
    }

    /// EFI_ALLOCATE_TYPE (7.2.1).
    public enum AllocateType {
        /// AllocateMaxAddress: at or below an address.
        public static var maxAddress: UInt32 { 1 }
        /// AllocateAddress: at an address.
        public static var address: UInt32 { 2 }
    }

    /// EFI_STATUS (appendix D): errors, which have the highest bit set.
    public enum Status {
        /// The bit of all errors.
        private static var error: UInt64 { 1 << 63 }
        /// EFI_SUCCESS.
        public static var success: UInt64 { 0 }
        /// EFI_LOAD_ERROR.
        public static var loadError: UInt64 { error | 1 }
        /// EFI_INVALID_PARAMETER.
        public static var invalidParameter: UInt64 { error | 2 }
        /// EFI_UNSUPPORTED.
        public static var unsupported: UInt64 { error | 3 }
        /// EFI_BUFFER_TOO_SMALL.
        public static var bufferTooSmall: UInt64 { error | 5 }
        /// EFI_DEVICE_ERROR.
        public static var deviceError: UInt64 { error | 7 }
        /// EFI_OUT_OF_RESOURCES.
        public static var outOfResources: UInt64 { error | 9 }
        /// EFI_NOT_FOUND.
        public static var notFound: UInt64 { error | 14 }
    }

    /// EFI_FILE_INFO (13.5.16): an entry of a folder.
    public enum FileInfo {
        /// The attributes.
        public static var attribute: StructureField<UInt64> { .init(72) }
        /// The offset of the name.
        public static var fileName: UInt64 { 80 }
        /// EFI_FILE_DIRECTORY, of the attributes.
        public static var directory: UInt64 { 0x10 }
    }

    /// EFI_SYSTEM_TABLE (4.3.1).
    public enum SystemTable {
        /// EFI_SYSTEM_TABLE_SIGNATURE, at the table's start.
        public static var signature: StructureField<UInt64> { .init(0) }
        /// The value of `signature`, `IBI SYST`.
        public static var signatureValue: UInt64 { 0x5453_5953_2049_4249 }
        /// The number of configuration tables.
        public static var numberOfTableEntries: StructureField<UInt64> { .init(104) }
        /// The address of their list.
        public static var configurationTable: StructureField<UInt64> { .init(112) }
        /// The size.
        public static var size: UInt64 { 120 }
    }

    /// EFI_CONFIGURATION_TABLE (4.6.1).
    public enum ConfigurationTable {
        /// The first half of VendorGuid, which names the table.
        public static var vendorGuidLow: StructureField<UInt64> { .init(0) }
        /// The second half.
        public static var vendorGuidHigh: StructureField<UInt64> { .init(8) }
        /// The address of the table.
        public static var vendorTable: StructureField<UInt64> { .init(16) }
        /// The size.
        public static var size: UInt64 { 24 }
    }
}
