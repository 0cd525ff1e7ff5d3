// UEFI's memory map (UEFI 2.10, 7.2.3), with its meaning after boot services have ended.

public import Bytes
public import Memory

extension MemoryKind {
    /// EFI_MEMORY_WB: it can be cached (write-back). Other RAM is no place for code or page tables.
    private static var writeBack: UInt64 { 1 << 3 }
    /// EFI_MEMORY_SP: it is set aside for a specific purpose, such as a device.
    private static var specificPurpose: UInt64 { 1 << 18 }

    /// The kind of memory with EFI_MEMORY_TYPE `type` and these attributes, after ExitBootServices. The boot services' code and data are
    /// then RAM, and so are this program's allocations: the start info lists the part that must be kept.
    public init(uefi type: UInt32, attributes: UInt64) {
        switch type {
        // EfiLoaderCode, EfiLoaderData, EfiBootServicesCode, EfiBootServicesData, EfiConventionalMemory.
        case 1...4, 7:
            let isRAM = attributes & MemoryKind.writeBack != 0 && attributes & MemoryKind.specificPurpose == 0
            self = isRAM ? .available : .reserved
        // EfiUnusableMemory.
        case 8: self = .defective
        // EfiACPIReclaimMemory.
        case 9: self = .acpiReclaimable
        // EfiACPIMemoryNVS.
        case 10: self = .acpiNonVolatile
        // Runtime services, devices, persistent memory, unaccepted memory, and types of later versions.
        default: self = .reserved
        }
    }
}

/// The memory map as the firmware wrote it: descriptors of a size that it gives, which may grow from version to version.
public struct FirmwareMemory: ~Escapable {
    /// The size of the known fields of a descriptor, which are its first ones.
    public static var descriptorSize: UInt64 { 40 }

    private let bytes: ByteView
    private let entrySize: UInt64

    /// The descriptors, of `entrySize` bytes each, in `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, entrySize: UInt64) {
        self.bytes = bytes
        self.entrySize = entrySize
    }

    /// The number of descriptors; 0 if they are smaller than the known fields.
    public var count: UInt64 { entrySize >= FirmwareMemory.descriptorSize ? bytes.count / entrySize : 0 }

    /// The region of the descriptor at `index`, below `count`, cut off at the end of all addresses.
    public subscript(index: UInt64) -> MemoryRegion {
        let entry = bytes.part(at: index &* entrySize, size: FirmwareMemory.descriptorSize).entry(0, size: 40)
        let pages = entry.u64(24)
        return MemoryRegion(
            range: AddressRange(at: entry.u64(8), size: pages > .max >> 12 ? .max : pages << 12),
            kind: MemoryKind(uefi: entry.u32(0), attributes: entry.u64(32)))
    }

    /// The lowest address of `size` bytes of free memory that begin at a multiple of `alignment` and end at or below `limit`; nil if there
    /// are none. Memory below 1 MiB is left to kernels, which start further processors there.
    public func room(for size: UInt64, alignment: UInt64, limit: UInt64) -> UInt64? {
        var lowest: UInt64?
        for index in 0..<count where isFree(index) {
            let range = self[index].range
            guard let start = max(range.start, 0x10_0000).next(congruentTo: 0, modulo: alignment) else { continue }
            guard start <= min(range.end, limit), size <= min(range.end, limit) &- start else { continue }
            lowest = min(lowest ?? start, start)
        }
        return lowest
    }

    /// Whether the memory is not allocated: EfiConventionalMemory.
    private func isFree(_ index: UInt64) -> Bool {
        self[index].isAvailable && bytes.word32(at: index &* entrySize) == 7
    }
}
