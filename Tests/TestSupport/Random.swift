// Random numbers that are the same in every run.

import Foundation

/// SplitMix64 (Steele, Lea, Flood 2014).
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// The sequence for `seed`.
    public init(seed: UInt64) { state = seed }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// Whether this is `make soak`, in which tests take all cases instead of samples.
public let isSoak = ProcessInfo.processInfo.environment["LOADER_SOAK"] != nil

/// Whether this is `make check`, which leaves out slow tests and those that start compilers or linkers.
public let isCheck = ProcessInfo.processInfo.environment["LOADER_CHECK"] != nil

/// The number of samples that a test takes: `few`, or `many` in a soak.
public func samples(_ few: Int, soak many: Int) -> Int { isSoak ? many : few }

/// The minutes that a test may take, far more than it needs, so that a test in an endless loop is reported by name.
public let minutesPerTest =
    ProcessInfo.processInfo.environment["LOADER_MATRIX"] == nil ? samples(10, soak: 240) : 120

/// The seeds of random tests: a few, 1000 in a soak, or those of LOADER_SEEDS=42 or LOADER_SEEDS=42-43, to reproduce
/// a failure.
public enum Seeds {
    /// The seeds of this run: `few` by default.
    public static func chosen(_ few: Int = 20) -> ClosedRange<UInt64> {
        let environment = ProcessInfo.processInfo.environment
        let ends = (environment["LOADER_SEEDS"] ?? "").split(separator: "-").compactMap { UInt64($0) }
        if let first = ends.first, let last = ends.last, first <= last { return first...last }
        return 1...UInt64(samples(few, soak: 1000))
    }
}
