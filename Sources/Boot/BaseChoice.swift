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

/// A random number, and where it comes from.
public struct RandomNumber: Equatable, Sendable {
    /// Where random numbers come from.
    public enum Source: UInt8, Sendable {
        /// The CPU's generator.
        case rdrand
        /// The CPU's time stamp counter, read many times and mixed.
        case timeStampCounter
        /// The interval timer, where the CPU has no time stamp counter, read many times and mixed.
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
    /// Where it comes from.
    public var source: Source

    /// A number from `source`.
    public init(_ value: UInt64, from source: Source) {
        self.value = value
        self.source = source
    }

    /// An index below `count`, each as likely as another but for `count` in 2^64; there is nothing to try again.
    func index(below count: UInt64) -> UInt64 { value.multipliedFullWidth(by: count).high }
}
