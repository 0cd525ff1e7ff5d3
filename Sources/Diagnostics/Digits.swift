// Numbers as text, eight digits at a time: a word of ASCII, the first character in its lowest byte.

/// The digits of a number.
public enum Digits {
    /// The eight hexadecimal digits of `value`, leading zeros included.
    @inlinable
    public static func hexadecimal(_ value: UInt32) -> UInt64 {
        // A nibble to a byte, the lowest first.
        var digits = UInt64(value)
        digits = (digits << 16 | digits) & 0x0000_ffff_0000_ffff
        digits = (digits << 8 | digits) & 0x00ff_00ff_00ff_00ff
        digits = (digits << 4 | digits) & 0x0f0f_0f0f_0f0f_0f0f
        // In ASCII, `a` is 39 characters after the place of a digit 10.
        let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (digits &+ 0x3030_3030_3030_3030 &+ letters &* 39).byteSwapped
    }

    /// The last hexadecimal digit of `value`, in lower case.
    public static func hexadecimalDigit(_ value: UInt64) -> UInt8 {
        let digit = UInt8(truncatingIfNeeded: value & 15)
        return digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ digit &- 10
    }

    /// The number of hexadecimal digits of `value` without leading zeros; 1 for 0.
    public static func hexadecimalCount(_ value: UInt64) -> UInt64 {
        UInt64(truncatingIfNeeded: (67 &- (value | 1).leadingZeroBitCount) >> 2)
    }
}

extension TextSink {
    /// Takes up to eight bytes of text, the first in the lowest byte of `text`; by default one by one.
    public mutating func write(_ text: UInt64, count: UInt64) {
        for index in 0..<count { write(UInt8(truncatingIfNeeded: text >> (8 &* index))) }
    }

    /// Writes `value` in hexadecimal with the prefix 0x and no leading zeros.
    @inline(never)
    public mutating func write(hex value: UInt64) {
        let count = Digits.hexadecimalCount(value)
        let low = Digits.hexadecimal(UInt32(truncatingIfNeeded: value))
        let prefix: UInt64 = 0x7830  // 0x
        // Most numbers fit in one word.
        guard count > 6 else { return write((low &>> (64 &- 8 &* count)) << 16 | prefix, count: count &+ 2) }
        write(prefix, count: 2)
        if count > 8 {
            let high = Digits.hexadecimal(UInt32(truncatingIfNeeded: value >> 32))
            write(high &>> (128 &- 8 &* count), count: count &- 8)
        }
        let shown = min(count, 8)
        write(low &>> (64 &- 8 &* shown), count: shown)
    }

    /// Writes `value` in decimal.
    public mutating func write(decimal value: UInt64) {
        var rest = value
        if value >= 100_000_000 {
            write(decimal: value / 100_000_000)
            // The digits that follow keep their zeros.
            rest = value % 100_000_000 &+ 100_000_000
        }
        var text: UInt64 = 0
        var count: UInt64 = 0
        repeat {
            text = text << 8 | (0x30 &+ rest % 10)
            rest /= 10
            count &+= 1
        } while rest > 0 && count < 8
        write(text, count: count)
    }
}
