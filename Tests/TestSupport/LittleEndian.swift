// Numbers as bytes, the least significant first, and back.

/// The bytes of `value`.
public func littleEndian<Word: FixedWidthInteger>(_ value: Word) -> [UInt8] {
    (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> Word($0 * 8)) }
}

extension [UInt8] {
    /// The number whose bytes begin at `offset`.
    public func number<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ type: Word.Type, at offset: Int)
        -> Word
    {
        withUnsafeBytes { Word(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Word.self)) }
    }

    /// Replaces the bytes at `offset` by those of `value`.
    public mutating func put<Word: FixedWidthInteger>(_ value: Word, at offset: Int) {
        replaceSubrange(offset..<offset + Word.bitWidth / 8, with: littleEndian(value))
    }

    /// The same bytes, with those at `offset` replaced by those of `value`.
    public func putting<Word: FixedWidthInteger>(_ value: Word, at offset: Int) -> [UInt8] {
        var copy = self
        copy.put(value, at: offset)
        return copy
    }
}
