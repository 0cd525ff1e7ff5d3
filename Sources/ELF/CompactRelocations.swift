// Compact relocations, SHT_CREL: what assemblers of LLVM write with --crel (LLVM 19 and later; proposed for the gABI).

public import Bytes
public import Diagnostics

/// Reads relocations one by one that are written as differences, each number in LEB128.
///
///     header      unsigned: number of entries << 3 | entries have addends << 2 | shift
///     entry       a byte: offset difference, in its low bits which of symbol, type and addend differ from the entry before;
///                 where its highest bit is set, more of the offset difference follows, unsigned
///                 then signed differences of symbol, type, addend, those that there are
///
/// Offsets are multiples of 1 << shift. Everything wraps: offset and addend at 64 bits, symbol and type at 32.
public struct CompactRelocations: ~Escapable {
    private let bytes: ByteView
    private var position: UInt64 = 0
    /// The number of entries that have not been read.
    private var left: UInt64 = 0
    private var shift: UInt64 = 0
    private var hasAddends = false
    private var offset: UInt64 = 0, addend: UInt64 = 0
    private var symbol: UInt32 = 0, type: UInt32 = 0
    /// Where the first number begins that is none.
    private var malformed: UInt64 = .max
    /// What is told of it.
    private let place: Place

    /// The relocations in `bytes`, the contents of the section at `place`; none where there are no bytes.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, _ place: Place) {
        self.bytes = bytes
        self.place = place
    }

    /// The next one, nil behind the last. Throws `compactRelocationsMalformed`; takes one byte at the least.
    public mutating func next() throws(Fault) -> RelocationEntry? {
        if position == 0, bytes.count > 0 {
            let header = number(isSigned: false)
            left = header >> 3
            hasAddends = header & 4 != 0
            shift = header & 3
        }
        var hasEntry = false
        if malformed == .max, left > 0 {
            readEntry()
            hasEntry = true
        }
        guard malformed == .max else {
            throw Fault(.compactRelocationsMalformed, place, value: malformed, limit: bytes.count)
        }
        guard hasEntry else { return nil }
        return RelocationEntry(
            offset: offset &<< shift, info: UInt64(symbol) << 32 | UInt64(type), addend: hasAddends ? addend : nil)
    }

    private mutating func readEntry() {
        left &-= 1
        guard let flags = bytes.byte(at: position) else {
            malformed = position
            return
        }
        position &+= 1
        let flagCount: UInt64 = hasAddends ? 3 : 2
        offset &+= UInt64(flags & 0x7f) >> flagCount
        if flags & 0x80 != 0 { offset &+= number(isSigned: false) &<< (7 &- flagCount) }
        if flags & 1 != 0 { symbol &+= UInt32(truncatingIfNeeded: number(isSigned: true)) }
        if flags & 2 != 0 { type &+= UInt32(truncatingIfNeeded: number(isSigned: true)) }
        if hasAddends, flags & 4 != 0 { addend &+= number(isSigned: true) }
    }

    /// A number in LEB128 of at most 64 bits (DWARF 5, 7.6); 0 from the first on that is malformed.
    @inline(never)
    private mutating func number(isSigned: Bool) -> UInt64 {
        guard malformed == .max else { return 0 }
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = bytes.byte(at: position) {
            let digit = UInt64(byte & 0x7f)
            // Only one bit of the tenth digit is left; of a signed number all others repeat it.
            guard shift < 63 || digit == 0 || digit == (isSigned ? 0x7f : 1) else { break }
            position &+= 1
            value |= digit &<< shift
            shift &+= 7
            if byte & 0x80 == 0 {
                if isSigned, shift < 64, byte & 0x40 != 0 { value |= ~0 &<< shift }
                return value
            }
            guard shift < 64 else { break }
        }
        malformed = start
        return 0
    }
}
