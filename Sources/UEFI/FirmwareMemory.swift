// UEFI's memory map (UEFI 2.10, 7.2.3), with its meaning after boot services have ended.

import Architecture
public import Bytes
import Firmware
public import Memory

extension MemoryKind {
    /// The kind of memory with EFI_MEMORY_TYPE `type` and these attributes, after ExitBootServices. The boot services' code and data are
    /// then RAM, and so are this program's allocations: the start info lists the part that must be kept.
    public init(uefi type: UInt32, attributes: UInt64) {
        switch EFI.MemoryType(rawValue: type) {
        case .loaderCode, .loaderData, .bootServicesCode, .bootServicesData, .conventional:
            // RAM that cannot be cached is no place for code or page tables.
            let isRAM =
                attributes & EFI.MemoryAttribute.writeBack != 0 && attributes & EFI.MemoryAttribute.specificPurpose == 0
            self = isRAM ? .available : .reserved
        case .unusable: self = .defective
        case .acpiReclaim: self = .acpiReclaimable
        case .acpiNonVolatile: self = .acpiNonVolatile
        // Devices, persistent memory, unaccepted memory, and types of later versions have no name there.
        case .reserved, .runtimeServicesCode, .runtimeServicesData, nil: self = .reserved
        }
    }
}

/// The memory map as the firmware wrote it: descriptors of a size that it gives, which may grow from version to version.
public struct FirmwareMemory: ~Escapable {
    private let bytes: ByteView
    private let entrySize: UInt64

    /// The descriptors, of `entrySize` bytes each, in `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, entrySize: UInt64) {
        self.bytes = bytes
        self.entrySize = entrySize
    }

    /// The number of descriptors; 0 if they are smaller than the known fields.
    public var count: UInt64 { entrySize >= EFI.MemoryDescriptor.size ? bytes.count / entrySize : 0 }

    /// The region of the descriptor at `index`, below `count`, cut off at the end of all addresses.
    public subscript(index: UInt64) -> MemoryRegion {
        typealias Descriptor = EFI.MemoryDescriptor
        let entry = bytes.part(at: index &* entrySize, size: Descriptor.size).entry(0, size: Int(Descriptor.size))
        let (size, isBeyond) = entry[Descriptor.numberOfPages].multipliedReportingOverflow(by: EFI.pageSize)
        return MemoryRegion(
            range: AddressRange(at: entry[Descriptor.physicalStart], size: isBeyond ? .max : size),
            kind: MemoryKind(uefi: entry[Descriptor.type], attributes: entry[Descriptor.attribute]))
    }

    /// The lowest address of `size` bytes of free memory that begin at a multiple of `alignment` and end at or below `limit`; nil if there
    /// are none. Memory below 1 MiB is left to kernels, which start further processors there.
    public func room(for size: UInt64, alignment: UInt64, limit: UInt64) -> UInt64? {
        var lowest: UInt64?
        for index in 0..<count where isFree(index) {
            let range = self[index].range
            guard let start = max(range.start, LowMemory.end).next(congruentTo: 0, modulo: alignment) else { continue }
            guard start <= min(range.end, limit), size <= min(range.end, limit) &- start else { continue }
            lowest = min(lowest ?? start, start)
        }
        return lowest
    }

    /// Whether the memory is not allocated.
    private func isFree(_ index: UInt64) -> Bool {
        let type = bytes.word32(at: index &* entrySize &+ EFI.MemoryDescriptor.type.offset)
        return self[index].isAvailable && type == EFI.MemoryType.conventional.rawValue
    }
}
