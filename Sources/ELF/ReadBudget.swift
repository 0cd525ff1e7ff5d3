// A bound on the work that a file can cause: its headers may list the same bytes any number of times.

public import Diagnostics

/// Counts the bytes of all tables of one kind that a file's headers list. Tables don't share bytes, so together they are no larger than
/// the file. Without this limit, n headers that list the same n bytes would cost n² steps.
public struct ReadBudget {
    private var count: UInt64 = 0
    private let limit: UInt64

    /// A count of 0, for a file of `limit` bytes.
    public init(limit: UInt64) { self.limit = limit }

    /// Adds a table of `size` bytes, which are all in the file, listed at `location`. Throws `bytesListedTwice`.
    public mutating func add(_ size: UInt64, _ location: FaultLocation) throws(Fault) {
        // No overflow: both are at most the file's size.
        count &+= size
        guard count <= limit else { throw Fault(.bytesListedTwice, location, value: count, limit: limit) }
    }
}
