// Names in files.

public import Bytes

extension ByteView {
    /// The NUL-terminated string at `offset`, without its NUL; it ends at the end of the bytes, or after `limit` bytes: many names may
    /// share one string, and reading each to its end would take forever.
    @_lifetime(copy self)
    public func string(at offset: UInt64, limit: UInt64 = .max) -> ByteView {
        let start = Int(min(offset, count))
        let last = start + Int(min(limit, count - UInt64(start)))
        var end = start
        while end < last, byte(at: UInt64(end)) != 0 { end += 1 }
        return ByteView(span.extracting(start..<end))
    }

    /// The largest number of bytes that `text` shows.
    public static var textLimit: UInt64 { 256 }

    /// As text, for a few bytes: at most 256; bytes that are not printable ASCII appear as `?`.
    public var text: String {
        let limit = ByteView.textLimit
        var text = ""
        for index in 0..<min(count, limit) {
            let byte = byte(at: index) ?? 0
            text.unicodeScalars.append(Unicode.Scalar(byte >= 0x20 && byte < 0x7f ? byte : 0x3f))
        }
        return count > limit ? text + "..." : text
    }

    /// All of it as text, UTF-8: for names that were read with a limit, and are not shown as they are.
    public var wholeText: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(span.byteCount)
        for index in 0..<count { bytes.append(byte(at: index) ?? 0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UnsignedInteger where Self: FixedWidthInteger {
    /// All its hexadecimal digits, with leading zeros: two for a byte, eight for 32 bits.
    public var hexadecimalDigits: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
    }
}

extension UInt64 {
    /// The sum, nil if it does not fit.
    public func adding(_ other: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? nil : sum
    }
}
