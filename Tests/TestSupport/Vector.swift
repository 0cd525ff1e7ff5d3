// Vectors: operands of a relocation and the bytes that the psABI requires, worked out by hand. Linked files and object files share
// these, because their values depend only on the symbol, the addend and the size of the thread-local block.

// The operands keep the letters of the psABI.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// One relocation and its result.
public struct Vector: Sendable {
    /// Operands, in the psABI's letters: S the symbol's value, A the addend, Z the symbol's size.
    public var S: UInt64, A: UInt64, Z: UInt64
    /// The bytes at the place after relocation, or the value and the limit of the overflow.
    public var result: Result

    /// A relocation writes these bytes, or its value does not fit.
    public enum Result: Sendable {
        case bytes(String)
        case overflow(UInt64, UInt64)
    }

    /// The bytes, unless the value does not fit.
    public var bytes: String? {
        guard case .bytes(let bytes) = result else { return nil }
        return bytes
    }

    /// Operands whose result is `bytes`.
    public init(S: UInt64 = 0, A: Int64 = 0, Z: UInt64 = 0, _ bytes: String) {
        (self.S, self.A, self.Z, result) = (S, UInt64(bitPattern: A), Z, .bytes(bytes))
    }

    /// Operands whose value does not fit.
    public init(S: UInt64 = 0, A: Int64 = 0, Z: UInt64 = 0, overflow: UInt64, limit: UInt64) {
        (self.S, self.A, self.Z, result) = (S, UInt64(bitPattern: A), Z, .overflow(overflow, limit))
    }
}

/// The vectors of one number that are the same at any place. The thread-local block has 0x30 bytes.
public struct PlacelessVectors: Sendable {
    /// The relocation's number.
    public let number: UInt32
    /// Its name without R_X86_64_.
    public let name: String
    /// The number of bytes that it writes.
    public let size: Int
    /// Whether its symbol is thread-local.
    public var isThreadLocal = false
    /// Operands and results.
    public let vectors: [Vector]

    /// The vectors of all such numbers.
    public static let all: [PlacelessVectors] = [
        // Nothing is stored: the place keeps its 0xee.
        PlacelessVectors(
            number: 0, name: "NONE", size: 0, vectors: [Vector(S: 0x1234, A: 1, "ee ee ee ee ee ee ee ee")]),
        // S + A, 64 bits: every value fits, and arithmetic wraps.
        PlacelessVectors(
            number: 1, name: "64", size: 8,
            vectors: [
                Vector(S: 0x1122_3344_5566_7788, A: 0x10, "98 77 66 55 44 33 22 11"),
                Vector(S: 0, A: 0, "00 00 00 00 00 00 00 00"),
                Vector(S: 0xffff_ffff_ffff_fff0, A: 0xf, "ff ff ff ff ff ff ff ff"),
                Vector(S: 0xffff_ffff_ffff_ffff, A: 1, "00 00 00 00 00 00 00 00"),
                Vector(S: 0, A: -1, "ff ff ff ff ff ff ff ff"),
            ]),
        // S + A, zero-extends to the 64-bit value.
        PlacelessVectors(
            number: 10, name: "32", size: 4,
            vectors: [
                Vector(S: 0x1234_5670, A: 8, "78 56 34 12"),
                Vector(S: 0, "00 00 00 00"),
                Vector(S: 0, A: -1, overflow: 0xffff_ffff_ffff_ffff, limit: 0xffff_ffff),
                Vector(S: 0xffff_fff0, A: 0xf, "ff ff ff ff"),
                Vector(S: 0xffff_fff0, A: 0x10, overflow: 0x1_0000_0000, limit: 0xffff_ffff),
            ]),
        // S + A, sign-extends to the 64-bit value.
        PlacelessVectors(
            number: 11, name: "32S", size: 4,
            vectors: [
                Vector(S: 0x1234_5670, A: 8, "78 56 34 12"),
                Vector(S: 0x7fff_fff0, A: 0xf, "ff ff ff 7f"),
                Vector(S: 0x7fff_fff0, A: 0x10, overflow: 0x8000_0000, limit: 0x7fff_ffff),
                Vector(S: 0xffff_ffff_8000_0000, "00 00 00 80"),
                Vector(
                    S: 0xffff_ffff_8000_0000, A: -1, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
            ]),
        // S + A, 16 bits, signed or unsigned.
        PlacelessVectors(
            number: 12, name: "16", size: 2,
            vectors: [
                Vector(S: 0x1230, A: 4, "34 12"),
                Vector(S: 0xfff0, A: 0xf, "ff ff"),
                Vector(S: 0xfff0, A: 0x10, overflow: 0x1_0000, limit: 0xffff),
                Vector(S: 0, A: -0x8000, "00 80"),
                Vector(S: 0, A: -0x8001, overflow: 0xffff_ffff_ffff_7fff, limit: 0xffff_ffff_ffff_8000),
            ]),
        // S + A, 8 bits, signed or unsigned.
        PlacelessVectors(
            number: 14, name: "8", size: 1,
            vectors: [
                Vector(S: 0x40, A: 2, "42"),
                Vector(S: 0xf0, A: 0xf, "ff"),
                Vector(S: 0xf0, A: 0x10, overflow: 0x100, limit: 0xff),
                Vector(S: 0, A: -0x80, "80"),
                Vector(S: 0, A: -0x81, overflow: 0xffff_ffff_ffff_ff7f, limit: 0xffff_ffff_ffff_ff80),
            ]),
        // The image is module 1.
        PlacelessVectors(
            number: 16, name: "DTPMOD64", size: 8, isThreadLocal: true,
            vectors: [
                Vector(S: 8, "01 00 00 00 00 00 00 00"),
                Vector(S: 0, A: 5, "01 00 00 00 00 00 00 00"),
            ]),
        // S + A.
        PlacelessVectors(
            number: 17, name: "DTPOFF64", size: 8, isThreadLocal: true,
            vectors: [
                Vector(S: 0x20, A: 8, "28 00 00 00 00 00 00 00"),
                Vector(S: 0, A: -1, "ff ff ff ff ff ff ff ff"),
                Vector(S: 0, "00 00 00 00 00 00 00 00"),
            ]),
        // S + A - 0x30.
        PlacelessVectors(
            number: 18, name: "TPOFF64", size: 8, isThreadLocal: true,
            vectors: [
                Vector(S: 0x20, A: 8, "f8 ff ff ff ff ff ff ff"),
                Vector(S: 0, "d0 ff ff ff ff ff ff ff"),
                Vector(S: 0x30, "00 00 00 00 00 00 00 00"),
            ]),
        // S + A, signed 32 bits.
        PlacelessVectors(
            number: 21, name: "DTPOFF32", size: 4, isThreadLocal: true,
            vectors: [
                Vector(S: 0x20, A: 8, "28 00 00 00"),
                Vector(S: 0, A: 0x7fff_ffff, "ff ff ff 7f"),
                Vector(S: 1, A: 0x7fff_ffff, overflow: 0x8000_0000, limit: 0x7fff_ffff),
                Vector(S: 0, A: -0x8000_0000, "00 00 00 80"),
                Vector(S: 0, A: -0x8000_0001, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
            ]),
        // S + A - 0x30, signed 32 bits.
        PlacelessVectors(
            number: 23, name: "TPOFF32", size: 4, isThreadLocal: true,
            vectors: [
                Vector(S: 0x20, A: 8, "f8 ff ff ff"),
                Vector(S: 0x30, A: 0x7fff_ffff, "ff ff ff 7f"),
                Vector(S: 0x30, A: 0x8000_0000, overflow: 0x8000_0000, limit: 0x7fff_ffff),
                Vector(S: 0x30, A: -0x8000_0000, "00 00 00 80"),
                Vector(S: 0x2f, A: -0x8000_0000, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
            ]),
        // Z + A, zero-extends to the 64-bit value.
        PlacelessVectors(
            number: 32, name: "SIZE32", size: 4,
            vectors: [
                Vector(S: 0x1000, A: 4, Z: 0x30, "34 00 00 00"),
                Vector(S: 0x1000, A: -1, Z: 0x1_0000_0000, "ff ff ff ff"),
                Vector(S: 0x1000, Z: 0x1_0000_0000, overflow: 0x1_0000_0000, limit: 0xffff_ffff),
                Vector(S: 0x1000, "00 00 00 00"),
                Vector(S: 0x1000, A: -1, overflow: 0xffff_ffff_ffff_ffff, limit: 0xffff_ffff),
            ]),
        PlacelessVectors(
            number: 33, name: "SIZE64", size: 8,
            vectors: [
                Vector(S: 0x1000, A: 4, Z: 0x30, "34 00 00 00 00 00 00 00"),
                Vector(S: 0x1000, A: -1, Z: 0, "ff ff ff ff ff ff ff ff"),
                Vector(S: 0x1000, A: 1, Z: 0xffff_ffff_ffff_ffff, "00 00 00 00 00 00 00 00"),
            ]),
    ]
}
