// Huffman codes (RFC 1951, section 3.2.2) as lookup tables.

/// The meaning of a code, in 32 bits: the number of bits to drop, the number of extra bits that follow, and a byte, the base of a length
/// or of a distance, or the index of the table for longer codes.
struct HuffmanEntry: BitwiseCopyable {
    /// The 32 bits.
    let word: UInt32

    /// An entry of a table.
    init(_ word: UInt32) { self.word = word }

    /// The entry of a code that means a byte.
    static func literal(_ byte: Int) -> HuffmanEntry { HuffmanEntry(0x8000 | UInt32(truncatingIfNeeded: byte) << 16) }
    /// The entry of a length or a distance: `base`, plus the value of `extra` bits.
    static func base(_ base: Int, extra: Int) -> HuffmanEntry {
        HuffmanEntry(UInt32(truncatingIfNeeded: base) << 16 | UInt32(truncatingIfNeeded: extra) << 8)
    }
    /// The end of a block.
    static var end: HuffmanEntry { HuffmanEntry(0x2000) }
    /// No code.
    static var unknown: HuffmanEntry { HuffmanEntry(0x3000) }
    /// A table for longer codes, which begins at index `start` and is looked up by `bits` bits.
    static func table(at start: Int, bits: Int) -> HuffmanEntry {
        HuffmanEntry(0x4000 | UInt32(truncatingIfNeeded: start) << 16 | UInt32(truncatingIfNeeded: bits) << 8)
    }

    /// The same entry, for which `bits` bits are dropped.
    func dropping(_ bits: Int) -> HuffmanEntry { HuffmanEntry(word | UInt32(truncatingIfNeeded: bits)) }

    /// Whether it is a byte.
    var isLiteral: Bool { word & 0x8000 != 0 }
    /// Whether it is a further table.
    var isTable: Bool { word & 0x4000 != 0 }
    /// Whether it is the end of a block, or no code.
    var isSpecial: Bool { word & 0x2000 != 0 }
    /// Whether it is no code; meaningful only if `isSpecial`.
    var isUnknown: Bool { word & 0x1000 != 0 }
    /// The bits to drop.
    var length: UInt64 { UInt64(word & 0x1f) }
    /// The number of extra bits that follow, or by which a further table is looked up.
    var extra: UInt64 { UInt64(word >> 8 & 0xf) }
    /// The byte, the base, or the index of a further table.
    var value: UInt32 { word >> 16 }
}

/// The alphabets of codes, and the meanings of their symbols.
enum HuffmanAlphabet {
    /// Lengths of the codes of the other two alphabets.
    case lengths
    /// Bytes, lengths and the end of a block.
    case literals
    /// Distances.
    case distances

    /// The number of bits by which the first table is looked up.
    var bits: Int {
        switch self {
        case .lengths: 7
        case .literals: 10
        case .distances: 8
        }
    }

    /// The meaning of `symbol` (RFC 1951, section 3.2.5).
    func meaning(_ symbol: Int) -> HuffmanEntry {
        switch self {
        case .lengths: return .literal(symbol)
        case .literals:
            guard symbol >= 256 else { return .literal(symbol) }
            guard symbol > 256 else { return .end }
            guard symbol < 286 else { return .unknown }
            if symbol == 285 { return .base(258, extra: 0) }
            if symbol < 265 { return .base(symbol &- 254, extra: 0) }
            let extra = (symbol &- 261) >> 2
            return .base(3 &+ (4 &+ (symbol &- 1) & 3) << extra, extra: extra)
        case .distances:
            guard symbol < 30 else { return .unknown }
            guard symbol >= 4 else { return .base(symbol &+ 1, extra: 0) }
            let extra = (symbol &- 2) >> 1
            return .base(1 &+ (2 &+ symbol & 1) << extra, extra: extra)
        }
    }

    /// Fills `table` for codes of `lengths`, one for each symbol, 0 for a symbol without a code. False if the codes are oversubscribed
    /// or incomplete. As exceptions, every alphabet but that of lengths may have one code of one bit, and that of distances may be
    /// empty.
    ///
    /// There are at most 1334 entries for literals and 402 for distances, the worst case of complete codes with 15 bits.
    func fill(_ table: inout MutableSpan<UInt32>, _ lengths: Span<UInt8>) -> Bool {
        var counts = InlineArray<16, Int>(repeating: 0)
        var starts = InlineArray<16, Int>(repeating: 0)
        var sorted = InlineArray<320, UInt16>(repeating: 0)
        var numbers = counts.mutableSpan
        var longest = 0
        for index in 0..<lengths.count {
            let length = Int(lengths[index] & 15)
            numbers[length] &+= 1
            longest = max(longest, length)
        }
        // The number of codes left, in codes of the current length.
        var left = 1
        var places = starts.mutableSpan
        for length in 1..<16 {
            left = left << 1 &- numbers[length]
            guard left >= 0 else { return false }
            if length < 15 { places[length &+ 1] = places[length] &+ numbers[length] }
        }
        if left > 0 {
            let isAlone = longest == 1 && self != .lengths || longest == 0 && self == .distances
            guard isAlone else { return false }
        }
        var symbols = sorted.mutableSpan
        for index in 0..<lengths.count {
            let length = Int(lengths[index] & 15)
            if length > 0 {
                symbols[places[length]] = UInt16(truncatingIfNeeded: index)
                places[length] &+= 1
            }
        }
        let size = 1 << bits
        // If the codes are incomplete, nothing else fills these entries.
        for index in 0..<size { table[index] = HuffmanEntry.unknown.word }
        place(&table, numbers.span, symbols.span, longest)
        return true
    }

    /// Puts the codes of `symbols`, which are in the order of their codes, into `table`; `counts` has the number of codes of each length.
    private func place(_ table: inout MutableSpan<UInt32>, _ counts: Span<Int>, _ symbols: Span<UInt16>, _ longest: Int)
    {
        var next = 1 << bits
        var start = 0
        var subtableBits = 0
        var prefix = -1
        // The first bit of a code is its lowest.
        var code = 0
        var index = 0
        var length = 1
        while length <= longest {
            var remaining = counts[length]
            while remaining > 0 {
                let entry = meaning(Int(symbols[index]))
                if length <= bits {
                    HuffmanAlphabet.repeatEntry(
                        entry.dropping(length), in: &table, from: code, to: 1 << bits, step: 1 << length)
                } else {
                    let mask = 1 << bits &- 1
                    if code & mask != prefix {
                        prefix = code & mask
                        start = next
                        // As many bits as the codes with this beginning need.
                        subtableBits = length &- bits
                        var room = 1 << subtableBits &- remaining
                        while room > 0, bits &+ subtableBits < longest {
                            subtableBits &+= 1
                            room = room << 1 &- counts[bits &+ subtableBits]
                        }
                        next &+= 1 << subtableBits
                        guard next <= table.count else { return }
                        table[prefix] = HuffmanEntry.table(at: start, bits: subtableBits).dropping(bits).word
                        HuffmanAlphabet.repeatEntry(.unknown, in: &table, from: start, to: next, step: 1)
                    }
                    HuffmanAlphabet.repeatEntry(
                        entry.dropping(length &- bits), in: &table, from: start &+ code >> bits, to: next,
                        step: 1 << (length &- bits))
                }
                var bit = 1 << (length &- 1)
                while code & bit != 0 { bit >>= 1 }
                code = bit == 0 ? 0 : code & (bit &- 1) | bit
                index &+= 1
                remaining &-= 1
            }
            length &+= 1
        }
    }

    private static func repeatEntry(
        _ entry: HuffmanEntry, in table: inout MutableSpan<UInt32>, from start: Int, to end: Int, step: Int
    ) {
        var index = start
        while index < end {
            table[index] = entry.word
            index &+= step
        }
    }
}
