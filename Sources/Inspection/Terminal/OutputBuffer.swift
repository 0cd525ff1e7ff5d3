// The buffer between the views and a descriptor, and the formats of the cells of listings: the only unsafe code for output.

import Bytes
import Diagnostics
import Glibc

/// Up to 32 bytes of ASCII, padded with spaces, so that writing them is four stores whatever their number.
struct ShortText: Sendable {
    fileprivate var words = InlineArray<4, UInt64>(repeating: 0x2020_2020_2020_2020)
    /// The number of bytes, at most 32.
    private(set) var count = 0

    init() {}

    /// The first 32 bytes of `text`.
    init(_ text: Text) { append(text) }

    /// Takes the bytes of `text`.
    mutating func append(_ text: Text) {
        for index in 0..<text.count { append(text[index]) }
    }

    /// Takes one more byte, unless there are 32.
    mutating func append(_ byte: UInt8) {
        guard count < 32 else { return }
        let shift = UInt64(count & 7) &* 8
        words[count >> 3] = words[count >> 3] & ~(0xff << shift) | UInt64(byte) << shift
        count += 1
    }
}

extension ShortText: CustomStringConvertible {
    /// The bytes as a string.
    var description: String {
        String(
            decoding: (0..<count).map { UInt8(truncatingIfNeeded: words[$0 >> 3] >> UInt64(($0 & 7) * 8)) },
            as: UTF8.self)
    }
}

/// A position in an `OutputBuffer` with room for at least `OutputBuffer.margin` bytes. It is used to write one cell, which needs less than
/// half of that: at most three texts and one number, and a few single bytes. Each text or number moves it by at most 32 bytes, and stores
/// at most 50.
@safe struct OutputCursor: ~Copyable {
    fileprivate var next: UnsafeMutableRawPointer

    fileprivate init(_ next: UnsafeMutableRawPointer) { unsafe self.next = unsafe next }

    /// Takes one byte.
    @inline(__always)
    mutating func append(_ byte: UInt8) {
        unsafe next.storeBytes(of: byte, as: UInt8.self)
        unsafe next += 1
    }

    /// Takes `text`, and spaces after it up to `width`, which is at most 32.
    @inline(__always)
    mutating func append(_ text: ShortText, width: Int = 0) {
        // `text.count` is at most the size of the four words.
        for index in 0..<4 {
            unsafe next.storeBytes(of: text.words[index], toByteOffset: index &* 8, as: UInt64.self)
        }
        unsafe next += max(text.count, min(width, 32))
    }

    /// Takes up to 32 spaces; none if `number` is negative.
    @inline(__always)
    mutating func append(spaces number: Int) {
        for index in 0..<4 {
            unsafe next.storeBytes(of: 0x2020_2020_2020_2020, toByteOffset: index &* 8, as: UInt64.self)
        }
        unsafe next += max(min(number, 32), 0)
    }

    /// Takes `value` in hexadecimal with the prefix 0x and no leading zeros, after spaces that fill it up to `width`, which is at most
    /// 32. Returns the number of its bytes without the spaces, 3 to 18.
    @inline(__always)
    @discardableResult
    mutating func append(hex value: UInt64, width: Int = 0) -> Int {
        let digits = (67 &- (value | 1).leadingZeroBitCount) / 4
        append(spaces: width &- digits &- 2)
        unsafe next.storeBytes(of: 0x7830, as: UInt16.self)
        // The digits are at the upper end of each word.
        let low = Digits.hexadecimal(UInt32(truncatingIfNeeded: value))
        if digits <= 8 {
            unsafe next.storeBytes(of: low >> UInt64(64 &- digits &* 8), toByteOffset: 2, as: UInt64.self)
        } else {
            let high = Digits.hexadecimal(UInt32(truncatingIfNeeded: value >> 32))
            unsafe next.storeBytes(of: high >> UInt64(128 &- digits &* 8), toByteOffset: 2, as: UInt64.self)
            unsafe next.storeBytes(of: low, toByteOffset: digits &- 6, as: UInt64.self)
        }
        unsafe next += digits &+ 2
        return digits &+ 2
    }

    /// Takes `value` in decimal, after spaces that fill it up to `width`, which is at most 32. Returns the number of its bytes without
    /// the spaces, 1 to 20.
    @inline(__always)
    @discardableResult
    mutating func append(decimal value: UInt64, width: Int = 0) -> Int {
        guard value < 100_000_000 else { return append(long: value, width: width) }
        // Halves, quarters and eighths: four digits a word, two a half word, one a byte, the first in the least significant
        // byte. The products are those quotients exactly, for numbers of that many digits.
        var word = value / 10_000 | (value % 10_000) << 32
        let hundreds = ((word &* 10_486) >> 20) & 0x0000_007f_0000_007f
        word = hundreds | (word &- hundreds &* 100) << 16
        let tens = ((word &* 103) >> 10) & 0x000f_000f_000f_000f
        word = tens | (word &- tens &* 10) << 8
        let zeros = min(word.trailingZeroBitCount / 8, 7)
        append(spaces: width &- 8 &+ zeros)
        unsafe next.storeBytes(of: (word | 0x3030_3030_3030_3030) >> UInt64(zeros &* 8), as: UInt64.self)
        unsafe next += 8 &- zeros
        return 8 &- zeros
    }

    private mutating func append(long value: UInt64, width: Int) -> Int {
        var text = ShortText()
        for byte in String(value).utf8 { text.append(byte) }
        append(spaces: width &- text.count)
        append(text)
        return text.count
    }
}

/// Bytes on their way to a descriptor, handed over in pieces of 64 KiB and more.
///
/// Every call first makes sure that there is room for the most that it can write, `margin` bytes, and then writes without further
/// checks; text that may be longer is written in pieces.
@safe struct OutputBuffer: ~Copyable {
    fileprivate static var margin: Int { 512 }

    /// The descriptor that the bytes go to.
    let descriptor: Int32
    /// Memory of `capacity + margin` bytes, owned by this value.
    private let start: UnsafeMutableRawPointer
    /// `start + capacity`.
    private let limit: UnsafeMutableRawPointer
    /// The place of the next byte: from `start` up to `limit + margin`.
    private var next: UnsafeMutableRawPointer
    /// The turn to wait for before bytes are handed over.
    private var turn: (Turns, Int)?

    /// A buffer of `capacity` bytes for `descriptor`.
    init(descriptor: Int32, capacity: Int = 1 << 16) {
        self.descriptor = descriptor
        // Freed only by deinit.
        unsafe start = UnsafeMutableRawPointer.allocate(byteCount: capacity + OutputBuffer.margin, alignment: 64)
        unsafe limit = start + capacity
        unsafe next = unsafe start
    }

    deinit {
        handOver()
        unsafe start.deallocate()
    }

    /// Hands over the bytes taken so far. If the reader has gone, the program ends quietly.
    @inline(never)
    mutating func flush() {
        handOver()
        unsafe next = unsafe start
    }

    /// Hands over nothing more before `turn` has come.
    mutating func wait(for turn: Int, in turns: Turns) { self.turn = (turns, turn) }

    private func handOver() {
        if unsafe next == start { return }
        if let (turns, turn) = turn { turns.wait(for: turn) }
        let descriptor = descriptor
        // All these bytes belong to the buffer: `next` is not below `start`.
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: next - start)
        var number: Int32 = 0
        Progress.shared.interrupt { number = unsafe write(bytes, to: descriptor) }
        if number == EPIPE { exit(0) }
        if number != 0 { exit(Failure.writing(descriptor == 1 ? "standard output" : "standard error", number).tell()) }
    }

    /// The position where up to `margin` bytes may be written.
    @inline(__always)
    private mutating func room() -> UnsafeMutableRawPointer {
        if unsafe next > limit { flush() }
        return unsafe next
    }

    /// Takes one byte.
    @inline(__always)
    mutating func append(_ byte: UInt8) {
        // One byte is less than the margin.
        let target = unsafe room()
        unsafe target.storeBytes(of: byte, as: UInt8.self)
        unsafe next = target + 1
    }

    /// Takes a literal.
    @inline(never)
    mutating func append(_ text: Text) {
        // A literal's bytes are valid forever, and there are as many as it says.
        unsafe append(UnsafeRawBufferPointer(text.bytes))
    }

    /// Takes a string.
    mutating func append(_ text: String) {
        var text = text
        // The closure only reads the string's bytes.
        text.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard var source = bytes.baseAddress else { return }
        var rest = bytes.count
        while rest > 0 {
            // At most the margin at a time, and at most the rest.
            let size = min(rest, OutputBuffer.margin)
            let target = unsafe room()
            unsafe target.copyMemory(from: source, byteCount: size)
            unsafe next = target + size
            unsafe source += size
            rest -= size
        }
    }

    /// The position of the next cell.
    @inline(__always)
    mutating func cursor() -> OutputCursor { unsafe OutputCursor(room()) }

    /// Takes the cell that was written there.
    @inline(__always)
    mutating func advance(to cursor: consuming OutputCursor) { unsafe next = unsafe cursor.next }

    /// Takes `number` spaces; none if it is negative.
    mutating func append(spaces number: Int) {
        var rest = number
        while rest > 0 {
            var cursor = cursor()
            cursor.append(spaces: rest)
            advance(to: cursor)
            rest -= 32
        }
    }

    // MARK: Untrusted text

    /// Takes the string at `offset` of `view` up to a NUL or the end, 32 or eight bytes at a time as long as they are plain:
    /// printable ASCII, and in JSON neither quotation mark nor backslash. Other bytes are written as `\u00xx` in JSON, and as `?`
    /// in text, where a terminal could take them for a command. Returns the number of bytes written.
    mutating func append(untrusted view: ByteView, at offset: UInt64, isJSON: Bool) -> Int {
        var offset = offset
        var length = 0
        while view.contains(offset, 32) {
            let target = unsafe room()
            var odd: UInt64 = 0
            // All in bounds by the line above; 32 bytes are less than the margin, and count only if all are plain.
            for index in 0..<4 {
                let start = Int(truncatingIfNeeded: offset) &+ index &* 8
                let word = unsafe view.span.unsafeLoadUnaligned(fromUncheckedByteOffset: start, as: UInt64.self)
                unsafe target.storeBytes(of: word, toByteOffset: index &* 8, as: UInt64.self)
                odd |= OutputBuffer.odd(word, isJSON: isJSON)
            }
            if odd != 0 { break }
            unsafe next = target + 32
            length &+= 32
            offset &+= 32
        }
        while let word = view.word64(at: offset) {
            let odd = OutputBuffer.odd(word, isJSON: isJSON)
            // Eight bytes are less than the margin; only those before the first that is not plain count.
            let target = unsafe room()
            unsafe target.storeBytes(of: word, as: UInt64.self)
            let plain = odd.trailingZeroBitCount / 8
            unsafe next = target + plain
            length &+= plain
            offset &+= UInt64(plain)
            guard plain < 8 else { continue }
            let byte = UInt8(truncatingIfNeeded: word >> UInt64(plain &* 8))
            if byte == 0 { return length }
            length &+= append(escaped: byte, isJSON: isJSON)
            offset &+= 1
        }
        while let byte = view.byte(at: offset), byte != 0 {
            if OutputBuffer.odd(UInt64(byte) | 0x4141_4141_4141_4100, isJSON: isJSON) == 0 {
                append(byte)
                length &+= 1
            } else {
                length &+= append(escaped: byte, isJSON: isJSON)
            }
            offset &+= 1
        }
        return length
    }

    /// Returns a word whose lowest byte with its highest bit set is the first byte of `word` that is not plain; bytes after it may have
    /// the bit set by a borrow or a carry. Zero if all are plain.
    @inline(__always)
    private static func odd(_ word: UInt64, isJSON: Bool) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let control = (word &- ones &* 0x20) & ~word
        var odd = control | word | (word &+ ones)
        if isJSON {
            let quote = word ^ ones &* 0x22
            let backslash = word ^ ones &* 0x5c
            odd |= (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
        }
        return odd & (ones &* 0x80)
    }

    private mutating func append(escaped byte: UInt8, isJSON: Bool) -> Int {
        guard isJSON else {
            append(UInt8(ascii: "?"))
            return 1
        }
        append("\\u00")
        for digit in [byte >> 4, byte & 0xf] { append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit) }
        return 6
    }
}
