// CRC-32 (RFC 1952, section 8), eight bytes at a time.

public import Bytes

/// The tables of the polynomial 0xedb88320: the one at `256 * n` is for a byte that is followed by `n` more.
public struct ChecksumTables {
    private var tables = InlineArray<2048, UInt32>(repeating: 0)

    /// Computes the tables.
    public init() {
        var words = tables.mutableSpan
        for byte in 0..<256 {
            var word = UInt32(truncatingIfNeeded: byte)
            for _ in 0..<8 {
                word = word >> 1 ^ (word & 1 == 0 ? 0 : 0xedb8_8320)
            }
            words[byte] = word
        }
        for byte in 256..<2048 {
            let word = words[byte &- 256]
            words[byte] = word >> 8 ^ words[Int(word & 0xff)]
        }
    }

    /// The checksum of bytes whose checksum is `checksum`, 0 for none, followed by those of `view` from `start` to `end`.
    ///
    /// It changes nothing. It is `mutating` because the tables would otherwise be copied.
    public mutating func extend(_ checksum: UInt32, _ view: ByteView, from start: UInt64, to end: UInt64) -> UInt32 {
        ChecksumTables.extend(checksum, view, from: start, to: end, tables.mutableSpan.asSpan())
    }

    private static func extend(
        _ checksum: UInt32, _ view: ByteView, from start: UInt64, to end: UInt64, _ tables: Span<UInt32>
    ) -> UInt32 {
        guard tables.count == 2048 else { return 0 }
        var word = ~checksum
        var offset = start
        while offset &+ 8 <= end, let eight = view.word64(at: offset) {
            let mixed = eight ^ UInt64(word)
            // A byte is below 256, so the indices are below 2048.
            word =
                tables[Int(mixed & 0xff) | 0x700] ^ tables[Int(mixed >> 8 & 0xff) | 0x600]
                ^ tables[Int(mixed >> 16 & 0xff) | 0x500] ^ tables[Int(mixed >> 24 & 0xff) | 0x400]
                ^ tables[Int(mixed >> 32 & 0xff) | 0x300] ^ tables[Int(mixed >> 40 & 0xff) | 0x200]
                ^ tables[Int(mixed >> 48 & 0xff) | 0x100] ^ tables[Int(mixed >> 56)]
            offset &+= 8
        }
        while offset < end, let byte = view.byte(at: offset) {
            word = word >> 8 ^ tables[Int((word ^ UInt32(byte)) & 0xff)]
            offset &+= 1
        }
        return ~word
    }
}
