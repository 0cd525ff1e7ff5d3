// The program's own text: literals, parts of them, and tables that are one literal.

/// A literal, or a part of one.
///
/// A table of texts can be one literal whose rows are looked up by counting. If each row were a literal of its own, it would cost
/// an address, a length, and code to choose between them.
@safe
public struct Text: @unchecked Sendable, ExpressibleByStringLiteral {
    // A literal's bytes are valid forever, and never change.
    private let start: UnsafePointer<UInt8>
    // 16 bits, because tables of texts store one size for each; no text is nearly that long.
    private let size: UInt16
    /// The number of bytes.
    public var count: Int { Int(size) }

    /// The text of a literal.
    @inline(__always)
    public init(stringLiteral literal: StaticString) {
        // Valid forever: see `start`.
        unsafe start = literal.utf8Start
        size = UInt16(literal.utf8CodeUnitCount)
    }

    private init(_ whole: Text, _ start: Int, _ end: Int) {
        // The callers keep `start` and `end` within the literal.
        unsafe self.start = whole.start + start
        size = UInt16(truncatingIfNeeded: end &- start)
    }

    /// The byte at `index`; 0 past the end.
    public subscript(index: Int) -> UInt8 {
        guard index >= 0, index < count else { return 0 }
        // In bounds by the line above.
        return unsafe start[index]
    }

    /// The bytes from `start` to `end`, or as many of them as there are.
    public subscript(start: Int, end: Int) -> Text {
        get {
            let start = min(max(start, 0), count)
            return Text(self, start, min(max(start, end), count))
        }
    }

    /// The index of the first `byte` at or after `start`; the number of bytes if there is none.
    public func index(of byte: UInt8, from start: Int = 0) -> Int {
        var index = start
        while index < count, self[index] != byte { index &+= 1 }
        return index
    }

    /// The word at `number`, counted from 0, of words that a space separates; empty if there are fewer.
    public func word(_ number: Int) -> Text {
        let space = UInt8(ascii: " ")
        var start = 0
        for _ in 0..<number { start = index(of: space, from: start) &+ 1 }
        return self[start, index(of: space, from: start)]
    }

    /// The bytes, for a sink that can take them all at once. They are a literal's, and valid forever.
    @unsafe public var bytes: UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(start: start, count: count) }
}
