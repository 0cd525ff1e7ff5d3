// The place of a position-independent image: the loader's choice, the user's, or a random one.

import Memory
public import Diagnostics
import Firmware
import HermitEntry

/// How the first address of a position-independent image is chosen.
public enum BaseChoice: Equatable, Sendable {
    /// As low as possible.
    case lowest
    /// At this address. Whatever lies there is moved, as for an image that is linked at a fixed address.
    case address(UInt64)
    /// At one of all possible places, chosen by a uniformly distributed number.
    case random(RandomNumber)

    /// Takes the choice from `options`; `number` is called only for a random place.
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

/// A random number, and its source.
public struct RandomNumber: Equatable, Sendable {
    /// The sources of random numbers.
    public enum Source: UInt8, Sendable {
        /// The CPU's generator.
        case rdrand
        /// The CPU's time stamp counter, read many times and mixed.
        case timeStampCounter
        /// The interval timer, if the CPU has no time stamp counter, read many times and mixed.
        case intervalTimer
        /// A user who wants to repeat a boot.
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
    /// Its source.
    public var source: Source

    /// A number from `source`.
    public init(_ value: UInt64, from source: Source) {
        self.value = value
        self.source = source
    }

    /// An index below `count`. The bias is at most `count` in 2^64, so no number is rejected.
    func index(below count: UInt64) -> UInt64 { value.multipliedFullWidth(by: count).high }
}
