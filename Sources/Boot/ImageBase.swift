// The places where an image may begin: its link address, the user's choice, or one of the places for a random choice.

import Architecture
import Diagnostics
import Firmware
import HermitEntry
import Linking
import Memory

extension HermitEntry.Generation {
    /// The address at or below which an image must end. Kernels up to 0.6.0 clear the entries of the first page directory from their own
    /// end on, with an unchecked index; it is not known exactly when later ones stopped.
    var highestImageEnd: UInt64 { rawValue <= Generation.three.rawValue ? PageSize.size1GiB.rawValue : .max }
}

extension MemoryPlan {
    /// The least memory that kernels need for page tables, stacks and devices.
    private static var kernelReserve: UInt64 { 16 << 20 }

    /// The range for an image whose lowest place is `lowest`: the first quarter of RAM, and no higher than its generation allows. Kernels
    /// use no RAM below the image, and most of them, today's included, subtract the image's end from their RAM once more: each byte below
    /// it costs two, and half is left.
    static func windowForRandomPlaces(
        of application: borrowing Application, _ lowest: AddressRange, in map: MemoryRegions, limit: UInt64
    ) -> AddressRange {
        var end = map.endOfFirstQuarter(from: lowest.start, reserve: kernelReserve)
        // Code of the small model holds addresses in 32 bits with a sign (psABI 3.5.1), and object files may use that model.
        if application.isObject { end = min(end, 0x8000_0000) }
        end = min(min(end, limit), application.generation.highestImageEnd)
        return AddressRange(lowest.start, max(lowest.end, end))
    }

    /// The address at which the image of `application` must begin: its link address, or the one of `choice`; nil if it may lie anywhere.
    /// Throws if it cannot lie there.
    static func base(
        of application: borrowing Application, _ choice: BaseChoice, in map: MemoryRegions, limit: UInt64
    ) throws(Fault) -> UInt64? {
        let linkStart = application.linkStart
        switch choice {
        case .lowest: return application.isFixed ? linkStart : nil
        case .random:
            guard !application.isFixed else { throw Fault(.randomPlaceOfFixedImage, value: linkStart) }
            return nil
        case .address(let base):
            guard !application.isFixed else {
                guard base == linkStart else { throw Fault(.baseOfFixedImage, value: base, limit: linkStart) }
                return base
            }
            let (alignment, residue) = MemoryPlan.alignment(of: application)
            // At the end of the address space there is no next one; the previous one serves as well.
            let next = base.next(congruentTo: residue, modulo: alignment) ?? 0 &- alignment &+ residue
            guard base == next else { throw Fault(.baseMisaligned, value: base, limit: next) }
            let image = AddressRange(at: base, size: application.size)
            guard base > 0, image.size == application.size, image.end <= limit, map.isAvailable(image) else {
                throw Fault(.baseOutsideMemory, value: base, limit: image.end)
            }
            let highest = application.generation.highestImageEnd
            guard image.end <= highest else { throw Fault(.baseTooHigh, value: image.end, limit: highest) }
            return base
        }
    }
}
