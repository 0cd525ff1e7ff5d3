// Text output that needs no allocation: bytes into a sink, numbers rendered digit by digit.

/// A destination for bytes of text: a serial port, a buffer, a `String` on the host.
public protocol TextSink {
    /// Takes one byte of UTF-8.
    mutating func write(_ byte: UInt8)
    /// Takes a text; by default byte by byte.
    mutating func write(_ text: Text)
    /// Takes up to eight bytes of text, the first in the lowest byte of `text`; by default one by one.
    mutating func write(_ text: UInt64, count: UInt64)
    /// Ends a line; by default with a line feed.
    mutating func endLine()
    /// Sends the bytes gathered so far; by default there are none.
    mutating func flush()
}

extension TextSink {
    /// Writes a text byte by byte.
    public mutating func write(_ text: Text) {
        for index in 0..<text.count { write(text[index]) }
    }

    /// Writes a line feed.
    public mutating func endLine() { write(UInt8(ascii: "\n")) }

    /// Does nothing: no bytes are gathered.
    public mutating func flush() {}

    /// Writes `text` and a number in hexadecimal.
    public mutating func write(_ text: Text, hex value: UInt64) {
        write(text)
        write(hex: value)
    }

    /// Writes `text` and a number in decimal.
    public mutating func write(_ text: Text, decimal value: UInt64) {
        write(text)
        write(decimal: value)
    }

    /// Writes `template`, and for each `%x` or `%d` in it the next of the numbers, in hexadecimal or in decimal.
    @inline(never)
    public mutating func write(
        _ template: Text, _ first: UInt64, _ second: UInt64 = 0, _ third: UInt64 = 0, _ fourth: UInt64 = 0
    ) {
        var (first, second, third) = (first, second, third)
        var start = 0
        while true {
            let end = template.index(of: UInt8(ascii: "%"), from: start)
            write(template[start, end])
            start = end &+ 2
            switch template[end &+ 1] {
            case UInt8(ascii: "x"): write(hex: first)
            case UInt8(ascii: "d"): write(decimal: first)
            default: return
            }
            (first, second, third) = (second, third, fourth)
        }
    }

    /// Writes at most `limit` bytes of text that came from outside. Bytes that are not printable ASCII appear as `?`.
    public mutating func write(untrusted text: RawSpan, limit: Int = 128) {
        for index in 0..<min(text.byteCount, limit) {
            // In bounds by the loop's range.
            let byte = unsafe text.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
            write(byte >= 0x20 && byte < 0x7f ? byte : 0x3f)
        }
        if text.byteCount > limit { write("...") }
    }
}
