// Where the sections of an object file lie, and what the loader adds to them: for whoever looks at the plan.

public import Diagnostics

extension ObjectImage {
    /// What the loader makes besides sections: half-open ranges of link addresses.
    public var additions: (table: (start: UInt64, end: UInt64), notebook: (start: UInt64, end: UInt64)) {
        ((layout.tableStart, layout.programEnd), (min(layout.programEnd, layout.end), layout.end))
    }

    /// Calls `body` with the index and the link address of every section that has bytes in memory, in the order of their
    /// addresses. Throws `sectionAlignment` or `sectionTooLarge`.
    public func forEachPlace(_ body: (_ section: UInt32, _ address: UInt64) -> Void) throws(Fault) {
        var placed = walk()
        while try placed.next(in: sections) {
            if placed.group != .threadLocalZero { body(placed.index, placed.address) }
        }
    }
}
