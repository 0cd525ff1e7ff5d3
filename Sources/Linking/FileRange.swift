// A part of one of several files that lie in one view.

import Bytes

/// A range of bytes in the view of all files.
struct FileRange: Equatable, Sendable {
    var start: UInt64 = 0, size: UInt64 = 0

    /// Whether it has `count` bytes at `offset`.
    func holds(_ offset: UInt64, _ count: UInt64) -> Bool { offset <= size && count <= size &- offset }

    /// The length of the string at `offset`; nil if it does not end inside the range.
    @inline(never)
    func length(_ offset: UInt64, _ files: borrowing ByteView) -> UInt64? {
        guard offset < size else { return nil }
        return files.stringLength(at: start &+ offset, limit: size &- offset &- 1)
    }
}

extension ByteView {
    /// The bytes in `range`, which the caller has checked; see `part(at:size:)`.
    @_lifetime(copy self)
    func part(_ range: FileRange) -> ByteView { part(at: range.start, size: range.size) }

    /// The 32-bit word at `offset`, in a table that has been checked; 0 if it is not there.
    func field(at offset: UInt64) -> UInt64 { UInt64(word32(at: offset) ?? 0) }

    /// The last component of the path in `range`. The path ends at the first `stop`, or with the range.
    func lastPart(of range: FileRange, until stop: UInt8) -> FileRange {
        var part = range
        var end = range.start
        while end &- range.start < range.size, let byte = byte(at: end), byte != stop {
            end &+= 1
            if byte == UInt8(ascii: "/") { part.start = end }
        }
        part.size = end &- part.start
        return part
    }
}
