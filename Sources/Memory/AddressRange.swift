// Ranges of physical addresses.

/// A half-open range of addresses; `start` never exceeds `end`.
public struct AddressRange: BitwiseCopyable, Equatable, Sendable {
    /// The first address.
    public let start: UInt64
    /// The address after the last.
    public let end: UInt64

    /// The range from `start` to `end`; empty if `end` is not above `start`.
    public init(_ start: UInt64, _ end: UInt64) {
        self.start = start
        self.end = max(start, end)
    }

    /// The range of `size` bytes from `start`, cut off at the end of the address space.
    public init(at start: UInt64, size: UInt64) {
        let (end, overflow) = start.addingReportingOverflow(size)
        self.start = start
        self.end = overflow ? .max : end
    }

    /// The number of addresses.
    public var size: UInt64 { end &- start }
    /// Whether it has no addresses.
    public var isEmpty: Bool { start == end }

    /// Whether the ranges share an address.
    public func overlaps(_ other: AddressRange) -> Bool {
        !isEmpty && !other.isEmpty && start < other.end && other.start < end
    }

    /// Whether all of `other` lies in this range.
    public func contains(_ other: AddressRange) -> Bool { start <= other.start && other.end <= end }

    /// The smallest range with bounds at multiples of `alignment`, a power of two, that covers this one.
    public func roundedOutward(to alignment: UInt64) -> AddressRange {
        AddressRange(start & ~(alignment &- 1), end.aligned(to: alignment) ?? ~(alignment &- 1))
    }
}

extension UInt64 {
    /// The first multiple of `alignment`, a power of two, from this number on; nil if it does not fit in 64 bits.
    public func aligned(to alignment: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(alignment &- 1)
        return overflow ? nil : sum & ~(alignment &- 1)
    }

    /// The first number from this one on that is congruent to `residue` modulo `modulus`, a power of two; nil if it does not fit in
    /// 64 bits.
    public func next(congruentTo residue: UInt64, modulo modulus: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow((residue &- self) & (modulus &- 1))
        return overflow ? nil : sum
    }
}
