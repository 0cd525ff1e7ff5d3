// Where a position-independent image begins: where the loader finds room, where the user says, or at random.

import Memory
public import Diagnostics
import Firmware
import HermitEntry

/// How the first address of a position-independent image is chosen.
public enum BaseChoice: Equatable, Sendable {
    /// As low as possible.
    case lowest
    /// There, whatever lies there now: as with an image that is linked at a fixed address.
    case address(UInt64)
    /// At one of all possible places, chosen by a number any of whose values is as likely as another.
    case random(RandomNumber)

    /// What `options` ask for; `number` is asked only where that is a random place.
    public init(_ options: LoaderOptions, _ number: () -> RandomNumber) {
        if let base = options.base {
            self = .address(base)
        } else if options.placesAtRandom {
            self = .random(number())
        } else {
            self = .lowest
        }
    }
}

/// A random number, and who made it.
public struct RandomNumber: Equatable, Sendable {
    /// Who makes random numbers.
    public enum Source: UInt8, Sendable {
        /// The CPU's generator.
        case rdrand
        /// The CPU's time stamp counter, read many times and mixed.
        case timeStampCounter
        /// The interval timer, where the CPU has no time stamp counter, read many times and mixed.
        case intervalTimer
        /// Somebody who wants to repeat a boot.
        case given

        /// The source's name.
        public var name: Text {
            switch self {
            case .rdrand: "RDRAND"
            case .timeStampCounter: "the time stamp counter"
            case .intervalTimer: "the interval timer"
            case .given: "a given number"
            }
        }
    }

    /// The number.
    public var value: UInt64
    /// Who made it.
    public var source: Source

    /// A number from `source`.
    public init(_ value: UInt64, from source: Source) {
        self.value = value
        self.source = source
    }

    /// An index below `count`, each as likely as another but for `count` in 2^64; there is nothing to try again.
    func index(below count: UInt64) -> UInt64 { value.multipliedFullWidth(by: count).high }
}

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

    /// Where the image of `application` must begin: where it is linked, or where `choice` says; nil where it may lie anywhere.
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

extension Report {
    /// How the image's place was chosen, where anything was asked.
    public static func chosen(
        _ choice: BaseChoice, _ placement: MemoryPlan, _ options: LoaderOptions, to sink: inout some TextSink
    ) {
        if case .lowest = choice { return }
        guard options.verbosity != .quiet else { return }
        switch choice {
        case .random(let number):
            sink.write(
                placement.places == 1
                    ? "[LOADER] loader.kaslr: image at %x, one of %d place, by "
                    : "[LOADER] loader.kaslr: image at %x, one of %d places, by ",
                placement.image.start, placement.places)
            sink.write(number.source.name)
        case .address, .lowest:
            sink.write("[LOADER] loader.base: image at ", hex: placement.image.start)
            if options.placesAtRandom { sink.write("; loader.kaslr has no effect beside it") }
        }
        sink.endLine()
    }
}
