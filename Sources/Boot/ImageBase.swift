// Where an image may begin: where it is linked, where the user says, or at one of the places for a random choice.

import Diagnostics
import Firmware
import HermitEntry
import Linking
import Memory

extension HermitEntry.Generation {
    /// Below which address an image must end. Kernels up to 0.6.0 clear the entries of the first page directory from their
    /// own end on, by an index that they do not check; when exactly those after them stopped is not known.
    var highestImageEnd: UInt64 { rawValue <= Generation.three.rawValue ? 0x4000_0000 : .max }
}

extension MemoryPlan {
    /// What kernels need at the least for page tables, stacks and devices.
    private static var kernelReserve: UInt64 { 16 << 20 }

    /// Where an image may go whose lowest place is `lowest`: into the first quarter of RAM, and no higher than its generation
    /// allows. Kernels take no RAM below the image for their own, and most of them, today's included, take the image's end
    /// for a number of bytes that they lack besides, so that with every byte below it they lose two: half is left.
    static func windowForRandomPlaces(
        of application: borrowing Application, _ lowest: AddressRange, in map: MemoryRegions, limit: UInt64
    ) -> AddressRange {
        var end = map.endOfFirstQuarter(from: lowest.start, reserve: kernelReserve)
        // Code of the small model holds addresses in 32 bits with a sign (psABI 3.5.1), and object files may be that.
        if application.isObject { end = min(end, 0x8000_0000) }
        end = min(min(end, limit), application.generation.highestImageEnd)
        return AddressRange(lowest.start, max(lowest.end, end))
    }

    /// Where the image of `application` must begin: where it is linked, or where `choice` says; nil if it may lie anywhere.
    /// Throws where it cannot lie there.
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
            // At the end of the address space there is no next one: there the one before it is as good.
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
