// Fields of structures that a specification lays out: each offset is written down once, with the size of its field.

/// A field of a structure. Its type says how many bytes it has.
public struct StructureField<Word: FixedWidthInteger & BitwiseCopyable & Sendable>: Sendable {
    /// The offset from the structure's start.
    public let offset: UInt64

    /// A field at `offset`.
    @inlinable
    public init(_ offset: UInt64) { self.offset = offset }
}

extension Record {
    /// The little-endian `field`.
    @inlinable @inline(__always)
    public subscript<Word>(field: StructureField<Word>) -> Word {
        load(Int(truncatingIfNeeded: field.offset), Word.self)
    }
}

extension ByteRegion {
    /// Stores `value` in `field` of the structure at `structure`, least significant byte first; false if it does not fit in the region.
    @inlinable
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func store<Word>(_ value: Word, in field: StructureField<Word>, of structure: UInt64) -> Bool {
        store(value, at: structure &+ field.offset)
    }
}
