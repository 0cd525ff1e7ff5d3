// The entries of one relocation section (gABI, chapter "Relocation"), including compact ones (SHT_CREL, proposed for the gABI),
// which LLVM's assemblers write with --crel (LLVM 19 and later).

public import Bytes
public import Diagnostics

/// Reads the entries of a relocation section one by one: records with or without an addend, or compact entries, which hold
/// differences, each number in LEB128.
///
///     header      unsigned: number of entries << 3 | entries have addends << 2 | shift
///     entry       a byte: offset difference; its low bits say which of symbol, type and addend differ from the previous entry;
///                 if its highest bit is set, more of the offset difference follows, unsigned
///                 then the signed differences of symbol, type and addend, as far as they differ
///
/// Offsets are multiples of 1 << shift. Everything wraps: offset and addend at 64 bits, symbol and type at 32.
public struct RelocationSection: ~Escapable {
    private let bytes: ByteView
    /// The section, for the fault of a malformed number.
    private let location: FaultLocation
    /// The size of an entry; 0 if entries are compact.
    private let entrySize: UInt64
    private var position: UInt64 = 0
    /// The last entry read.
    public private(set) var entry = RelocationEntry(offset: 0, info: 0, addend: nil)
    /// For compact entries: the number of those that have not been read, and the sums so far.
    private var left: UInt64 = 0
    private var shift: UInt64 = 0
    private var hasAddends = false
    private var offset: UInt64 = 0, addend: UInt64 = 0
    private var symbol: UInt32 = 0, type: UInt32 = 0
    /// The offset of the first malformed number; `.max` if there is none.
    private var malformed: UInt64 = .max

    /// The entries in `bytes`, the contents of the section at `location`: a whole number of records of `entrySize` bytes, or compact
    /// entries if that is 0.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, _ location: FaultLocation, entrySize: UInt64 = 0) {
        self.bytes = bytes
        self.location = location
        self.entrySize = entrySize
    }

    /// Reads the next entry; false after the last. An entry has at least one byte. Throws `compactRelocationsMalformed`.
    public mutating func next() throws(Fault) -> Bool {
        guard entrySize == 0 else {
            guard let offset = bytes.word64(at: position), let info = bytes.word64(at: position &+ 8) else {
                return false
            }
            let addend = entrySize == RelocationEntry.relaSize ? bytes.word64(at: position &+ 16) : nil
            entry = RelocationEntry(offset: offset, info: info, addend: addend)
            position &+= entrySize
            return true
        }
        if position == 0, bytes.count > 0 {
            let header = number(isSigned: false)
            left = header >> 3
            hasAddends = header & 4 != 0
            shift = header & 3
        }
        let isLast = left == 0
        if malformed == .max, !isLast { readEntry() }
        guard malformed == .max else {
            throw Fault(.compactRelocationsMalformed, location, value: malformed, limit: bytes.count)
        }
        return !isLast
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
        entry = RelocationEntry(
            offset: offset &<< shift, info: UInt64(symbol) << 32 | UInt64(type), addend: hasAddends ? addend : nil)
    }

    /// A number in LEB128 of at most 64 bits (DWARF 5, 7.6); 0 from the first malformed one on.
    @inline(never)
    private mutating func number(isSigned: Bool) -> UInt64 {
        guard malformed == .max else { return 0 }
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = bytes.byte(at: position) {
            let digit = UInt64(byte & 0x7f)
            // Only one bit of the tenth digit counts. Its other bits are 0, or repeat that bit in a signed number.
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
