// Text output that needs no allocation: bytes into a sink, numbers rendered digit by digit.

/// Something that takes bytes of text: a serial port, a buffer, a `String` on the host.
public protocol TextSink {
    /// Takes one byte of UTF-8.
    mutating func write(_ byte: UInt8)
    /// Takes a literal; by default byte by byte.
    mutating func write(_ text: StaticString)
    /// Takes up to eight bytes of text, the first in the lowest byte of `text`; by default one by one.
    mutating func write(_ text: UInt64, count: UInt64)
    /// Ends a line; by default with a line feed.
    mutating func endLine()
}

extension TextSink {
    /// Writes a literal byte by byte.
    public mutating func write(_ text: StaticString) {
        // The pointer of a literal is valid for ever and `utf8CodeUnitCount` is its length.
        let start = unsafe text.utf8Start
        for index in 0..<text.utf8CodeUnitCount {
            write(unsafe start[index])
        }
    }

    /// Writes a line feed.
    public mutating func endLine() { write(UInt8(ascii: "\n")) }

    /// Writes text that came from outside, at most `limit` bytes: what is not printable ASCII appears as `?`.
    public mutating func write(untrusted text: RawSpan, limit: Int = 128) {
        for index in 0..<min(text.byteCount, limit) {
            // In bounds by the loop's range.
            let byte = unsafe text.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
            write(byte >= 0x20 && byte < 0x7f ? byte : 0x3f)
        }
        if text.byteCount > limit { write("...") }
    }
}
