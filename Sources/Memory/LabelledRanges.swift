// Ranges of addresses with what is known of each.

/// A range of addresses, and what is known of it.
public struct LabelledRange<Label: Equatable & Sendable>: Equatable, Sendable {
    /// The addresses.
    public var range: AddressRange
    /// What is known of them.
    public var label: Label

    /// A range with its label.
    public init(_ range: AddressRange, _ label: Label) {
        self.range = range
        self.label = label
    }
}

/// A list of ranges with their labels, to be read where it lies: reading an element of an array in place copies all of it.
public struct LabelledRanges<Label: Equatable & Sendable>: ~Escapable {
    // Apart, so that both can be cleared as a whole.
    private let ranges: Span<AddressRange>
    private let labels: Span<Label>

    /// As many ranges as labels.
    @_lifetime(copy ranges, copy labels)
    init(_ ranges: Span<AddressRange>, _ labels: Span<Label>) {
        self.ranges = ranges
        self.labels = labels
    }

    /// How many there are.
    public var count: Int { ranges.count }
    /// Their numbers, from 0 on.
    public var indices: Range<Int> { ranges.indices }
    /// The one at `index`, below `count`.
    public subscript(index: Int) -> LabelledRange<Label> { LabelledRange(ranges[index], labels[index]) }
}
