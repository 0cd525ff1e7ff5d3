// The checked accessors: the only code that reads untrusted bytes.

public import Diagnostics

/// Untrusted bytes: an ELF file, a table in it, a firmware structure. Every access is checked.
public struct ByteView: ~Escapable, Sendable {
    /// The bytes themselves.
    public let span: RawSpan

    /// Views `span`.
    @_lifetime(copy span)
    public init(_ span: RawSpan) {
        self.span = span
    }

    /// Views the bytes of a literal.
    @_lifetime(immortal)
    public init(_ literal: StaticString) {
        // A literal's bytes are valid forever, and there are as many as it says.
        let bytes = unsafe RawSpan(_unsafeStart: literal.utf8Start, byteCount: literal.utf8CodeUnitCount)
        self.span = unsafe _overrideLifetime(bytes, borrowing: ())
    }

    /// Views the bytes of `words`.
    @_lifetime(copy words)
    public init(_ words: Span<UInt64>) {
        // Numbers have no padding.
        span = unsafe words.bytes
    }

    /// Views `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) {
        // Bytes have no padding.
        span = unsafe bytes.bytes
    }

    /// The number of bytes.
    public var count: UInt64 { UInt64(truncatingIfNeeded: span.byteCount) }

    /// Whether `size` bytes at `offset` are all there.
    @inlinable
    public func contains(_ offset: UInt64, _ size: UInt64) -> Bool {
        offset <= count && size <= count - offset
    }

    /// The structure of `size` bytes at `offset`. Throws `rule` if it is not all there: the fault's value is the offset where the
    /// structure would end, its limit the number of bytes.
    @_lifetime(copy self)
    public func record(at offset: UInt64, size: UInt64, else rule: Rule, _ location: FaultLocation) throws(Fault)
        -> Record
    {
        guard contains(offset, size) else {
            let (end, overflow) = offset.addingReportingOverflow(size)
            throw Fault(rule, location, value: overflow ? .max : end, limit: count)
        }
        return Record(span, at: Int(truncatingIfNeeded: offset), size: Int(truncatingIfNeeded: size))
    }

    /// The `size` bytes at `offset`. Throws `rule`, as `record` does.
    @_lifetime(copy self)
    public func slice(at offset: UInt64, size: UInt64, else rule: Rule, _ location: FaultLocation) throws(Fault)
        -> ByteView
    {
        _ = try record(at: offset, size: size, else: rule, location)
        return part(unchecked: offset, size)
    }

    /// The `size` bytes at `offset`, which the caller has checked. Out of bounds it stops the program, and does not read.
    @_lifetime(copy self)
    public func part(at offset: UInt64, size: UInt64) -> ByteView {
        precondition(contains(offset, size))
        return part(unchecked: offset, size)
    }

    /// The structure of `size` bytes at `index * size`, in a table whose bounds the caller has checked. Out of bounds it stops the
    /// program, and does not read.
    @inlinable
    @_lifetime(copy self)
    public func entry(_ index: Int, size: Int) -> Record { entry(at: index &* size, size: size) }

    /// The structure of `size` bytes at `start`, which the caller has checked; see `entry`.
    @inlinable
    @_lifetime(copy self)
    public func entry(at start: Int, size: Int) -> Record {
        precondition(size >= 0 && size <= span.byteCount)
        precondition(UInt(bitPattern: start) <= UInt(bitPattern: span.byteCount &- size))
        return Record(span, at: start, size: size)
    }

    /// The byte at `offset`; nil past the end.
    @inlinable
    public func byte(at offset: UInt64) -> UInt8? {
        guard offset < count else { return nil }
        return unsafe span.unsafeLoad(fromUncheckedByteOffset: Int(truncatingIfNeeded: offset), as: UInt8.self)
    }

    /// The little-endian 32-bit word at `offset`; nil if it is not all there.
    @inlinable
    public func word32(at offset: UInt64) -> UInt32? {
        guard contains(offset, 4) else { return nil }
        return unsafe span.unsafeLoadUnaligned(
            fromUncheckedByteOffset: Int(truncatingIfNeeded: offset), as: UInt32.self)
    }

    /// The little-endian 64-bit word at `offset`; nil if it is not all there.
    @inlinable
    public func word64(at offset: UInt64) -> UInt64? {
        guard contains(offset, 8) else { return nil }
        return unsafe span.unsafeLoadUnaligned(
            fromUncheckedByteOffset: Int(truncatingIfNeeded: offset), as: UInt64.self)
    }

    /// The length of the NUL-terminated string at `offset`, without the NUL; nil if none ends within `limit` bytes.
    public func stringLength(at offset: UInt64, limit: UInt64) -> UInt64? {
        distance(to: 0, from: offset, limit: limit)
    }

    /// The distance from `offset` to the first `wanted` byte; nil if there is none, or it is further away than `limit`.
    @inline(never)
    public func distance(to wanted: UInt8, from offset: UInt64, limit: UInt64 = .max) -> UInt64? {
        guard offset < count else { return nil }
        // One past the last byte that counts, and one past the last offset where a word can be read.
        let end = limit < count &- offset ? offset &+ limit &+ 1 : count
        let wordEnd = max(count, 7) &- 7
        let ones: UInt64 = 0x0101_0101_0101_0101
        var position = offset
        while position < end {
            if position < wordEnd {
                // In bounds by the line above.
                let word = unsafe span.unsafeLoadUnaligned(
                    fromUncheckedByteOffset: Int(truncatingIfNeeded: position), as: UInt64.self)
                // The lowest bit that remains is the highest bit of the first byte that is `wanted`.
                let difference = word ^ UInt64(wanted) &* ones
                let found = (difference &- ones) & ~difference & ones << 7
                guard found == 0 else {
                    position &+= UInt64(truncatingIfNeeded: found.trailingZeroBitCount) / 8
                    return position < end ? position &- offset : nil
                }
                position &+= 8
            } else {
                if byte(at: position) == wanted { return position &- offset }
                position &+= 1
            }
        }
        return nil
    }

    /// Whether the bytes of `text` are at `offset`.
    public func holds(_ text: Text, at offset: UInt64 = 0) -> Bool {
        guard contains(offset, UInt64(truncatingIfNeeded: text.count)) else { return false }
        for index in 0..<text.count {
            guard byte(at: offset &+ UInt64(truncatingIfNeeded: index)) == text[index] else { return false }
        }
        return true
    }

    /// Whether the NUL-terminated string at `offset` is `text`.
    public func holds(string text: Text, at offset: UInt64) -> Bool {
        holds(text, at: offset) && byte(at: offset &+ UInt64(truncatingIfNeeded: text.count)) == 0
    }

    /// Whether the bytes are those of `text`, and no more.
    public func isSame(as text: Text) -> Bool { count == UInt64(truncatingIfNeeded: text.count) && holds(text) }

    /// Whether `count` bytes at `left` equal those at `right`; false if they are not all there.
    @inline(never)
    public func areSame(_ left: UInt64, _ right: UInt64, count: UInt64) -> Bool {
        guard contains(left, count), contains(right, count) else { return false }
        var (first, second) = (Int(truncatingIfNeeded: left), Int(truncatingIfNeeded: right))
        let end = first &+ Int(truncatingIfNeeded: count)
        // In bounds by the first line.
        while first &+ 8 <= end {
            let word = unsafe span.unsafeLoadUnaligned(fromUncheckedByteOffset: first, as: UInt64.self)
            guard unsafe span.unsafeLoadUnaligned(fromUncheckedByteOffset: second, as: UInt64.self) == word else {
                return false
            }
            (first, second) = (first &+ 8, second &+ 8)
        }
        while first < end {
            let byte = unsafe span.unsafeLoad(fromUncheckedByteOffset: first, as: UInt8.self)
            guard unsafe span.unsafeLoad(fromUncheckedByteOffset: second, as: UInt8.self) == byte else { return false }
            (first, second) = (first &+ 1, second &+ 1)
        }
        return true
    }

    /// The `size` bytes at `offset`, which the callers have checked.
    @_lifetime(copy self)
    private func part(unchecked offset: UInt64, _ size: UInt64) -> ByteView {
        let start = Int(truncatingIfNeeded: offset)
        let end = start &+ Int(truncatingIfNeeded: size)
        // Both numbers are at most `count`, an Int.
        return ByteView(unsafe span.extracting(unchecked: Range(uncheckedBounds: (start, end))))
    }
}

/// A structure that lies completely in its bytes; fields are read by their offset in it.
public struct Record: ~Escapable, Sendable {
    /// The bytes that the structure is in, where it begins, and its size in bytes.
    @usableFromInline let span: RawSpan
    @usableFromInline let start: Int, size: Int

    /// The structure of `size` bytes at `start` of `span`, which the caller has checked.
    @usableFromInline
    @_lifetime(copy span)
    init(_ span: RawSpan, at start: Int, size: Int) {
        self.span = span
        self.start = start
        self.size = size
    }

    /// The byte at `offset`.
    @inlinable
    public func u8(_ offset: Int) -> UInt8 { load(offset, UInt8.self) }
    /// The little-endian 16-bit field at `offset`.
    @inlinable
    public func u16(_ offset: Int) -> UInt16 { load(offset, UInt16.self) }
    /// The little-endian 32-bit field at `offset`.
    @inlinable
    public func u32(_ offset: Int) -> UInt32 { load(offset, UInt32.self) }
    /// The little-endian 64-bit field at `offset`.
    @inlinable
    public func u64(_ offset: Int) -> UInt64 { load(offset, UInt64.self) }

    @inlinable @inline(__always)
    func load<Field: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ type: Field.Type) -> Field {
        // In most calls both are constants.
        precondition(offset >= 0 && offset <= size &- MemoryLayout<Field>.size)
        // Inside the structure, by the line above, and the structure is inside `span`.
        return unsafe span.unsafeLoadUnaligned(fromUncheckedByteOffset: start &+ offset, as: type)
    }
}
