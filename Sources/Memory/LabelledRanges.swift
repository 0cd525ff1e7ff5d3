// Ranges of addresses, each with a label.

/// A range of addresses, and its label.
public struct LabelledRange<Label: Equatable & Sendable>: Equatable, Sendable {
    /// The addresses.
    public var range: AddressRange
    /// The label.
    public var label: Label

    /// A range with its label.
    public init(_ range: AddressRange, _ label: Label) {
        self.range = range
        self.label = label
    }
}

/// A list of labelled ranges, read through spans: to read an element of an inline array would copy the whole array.
public struct LabelledRanges<Label: Equatable & Sendable>: ~Escapable {
    // In two arrays: each is initialised as a whole.
    private let ranges: Span<AddressRange>
    private let labels: Span<Label>

    /// The list of `ranges` and their `labels`; both have the same length.
    @_lifetime(copy ranges, copy labels)
    init(_ ranges: Span<AddressRange>, _ labels: Span<Label>) {
        self.ranges = ranges
        self.labels = labels
    }

    /// The number of ranges.
    public var count: Int { ranges.count }
    /// Their numbers, from 0 on.
    public var indices: Range<Int> { ranges.indices }
    /// The range at `index`, below `count`.
    public subscript(index: Int) -> LabelledRange<Label> { LabelledRange(ranges[index], labels[index]) }
}
