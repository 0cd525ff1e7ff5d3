// The vectors: for each relocation number of linked files, operands and the bytes that the psABI requires, worked
// out by hand.

// The operands keep the letters of the psABI.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import TestSupport

/// All vectors of one number.
struct VectorGroup {
    var number: UInt32
    /// Its name without R_X86_64_.
    var name: String
    var size: Int
    /// The symbol: absolute, or thread-local; nil if the relocation has none.
    var symbol: SymbolKind? = .absolute
    var vectors: [Vector]

    enum SymbolKind { case absolute, threadLocal }
}

enum Vectors {
    /// B: the difference between run-time and link addresses.
    static let bias: UInt64 = 0x60_0000
    /// The place, as a link address; P, at run time, is 0x60_4040.
    static let place: UInt64 = 0x4040
    /// PT_TLS: 0x30 bytes aligned to 16 at a multiple of 16, so TP is 0x30 after the block's first byte.
    static let tls = LinkedTLS(vaddr: 0x4000, filesz: 0x10, memsz: 0x30, align: 16)
    /// The code after the image, which ends at 0x4100: 0x4100 is a multiple of 16. With B that is 0x60_4100.
    static let descriptorCode: UInt64 = 0x4100

    /// The vectors that do not depend on the place, then those that do or that only linked files have.
    static let all: [VectorGroup] =
        PlacelessVectors.all.map {
            VectorGroup(
                number: $0.number, name: $0.name, size: $0.size, symbol: $0.isThreadLocal ? .threadLocal : .absolute,
                vectors: $0.vectors)
        } + own

    private static let own: [VectorGroup] = [
        // S + A - P, signed 32 bits. P = 0x60_4040; P + 0x7fff_ffff = 0x8060_403f; P - 0x8000_0000 wraps to
        // 0xffff_ffff_8060_4040.
        VectorGroup(
            number: 2, name: "PC32", size: 4,
            vectors: [
                Vector(S: 0x60_4140, A: -4, "fc 00 00 00"),
                Vector(S: 0x8060_403f, "ff ff ff 7f"),
                Vector(S: 0x8060_4040, overflow: 0x8000_0000, limit: 0x7fff_ffff),
                Vector(S: 0xffff_ffff_8060_4040, "00 00 00 80"),
                Vector(
                    S: 0xffff_ffff_8060_4040, A: -1, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
            ]),
        // S alone.
        VectorGroup(
            number: 6, name: "GLOB_DAT", size: 8,
            vectors: [
                Vector(S: 0x0102_0304_0506_0708, "08 07 06 05 04 03 02 01"),
                Vector(S: 0x0102_0304_0506_0708, A: 0x100, "08 07 06 05 04 03 02 01"),
                Vector(S: 0xffff_ffff_ffff_ffff, "ff ff ff ff ff ff ff ff"),
            ]),
        VectorGroup(
            number: 7, name: "JUMP_SLOT", size: 8,
            vectors: [
                Vector(S: 0x8070_6050_4030_2010, "10 20 30 40 50 60 70 80"),
                Vector(S: 0x8070_6050_4030_2010, A: 1, "10 20 30 40 50 60 70 80"),
                Vector(S: 0, "00 00 00 00 00 00 00 00"),
            ]),
        // B + A, B = 0x60_0000.
        VectorGroup(
            number: 8, name: "RELATIVE", size: 8, symbol: nil,
            vectors: [
                Vector(A: 0x4008, "08 40 60 00 00 00 00 00"),
                Vector(A: 0, "00 00 60 00 00 00 00 00"),
                Vector(A: -1, "ff ff 5f 00 00 00 00 00"),
                Vector(A: -0x60_0000, "00 00 00 00 00 00 00 00"),
                Vector(A: .max, "ff ff 5f 00 00 00 00 80"),
            ]),
        // S + A - P, 16 bits, signed: 0x60_4040 + 0x7fff = 0x60_c03f; 0x60_4040 - 0x8000 = 0x5f_c040.
        VectorGroup(
            number: 13, name: "PC16", size: 2,
            vectors: [
                Vector(S: 0x60_4242, A: -2, "00 02"),
                Vector(S: 0x60_c03f, "ff 7f"),
                Vector(S: 0x60_c040, overflow: 0x8000, limit: 0x7fff),
                Vector(S: 0x5f_c040, "00 80"),
                Vector(S: 0x5f_c03f, overflow: 0xffff_ffff_ffff_7fff, limit: 0xffff_ffff_ffff_8000),
            ]),
        // S + A - P, 8 bits, signed: 0x60_4040 + 0x7f = 0x60_40bf; 0x60_4040 - 0x80 = 0x60_3fc0.
        VectorGroup(
            number: 15, name: "PC8", size: 1,
            vectors: [
                Vector(S: 0x60_4051, A: -1, "10"),
                Vector(S: 0x60_40bf, "7f"),
                Vector(S: 0x60_40c0, overflow: 0x80, limit: 0x7f),
                Vector(S: 0x60_3fc0, "80"),
                Vector(S: 0x60_3fbf, overflow: 0xffff_ffff_ffff_ff7f, limit: 0xffff_ffff_ffff_ff80),
            ]),
        // S + A - P, 64 bits.
        VectorGroup(
            number: 24, name: "PC64", size: 8,
            vectors: [
                Vector(S: 0x60_4040, A: 8, "08 00 00 00 00 00 00 00"),
                Vector(S: 0, A: 0, "c0 bf 9f ff ff ff ff ff"),
                Vector(S: 0x8000_0000_0060_403f, "ff ff ff ff ff ff ff 7f"),
                Vector(S: 0x8000_0000_0060_4040, "00 00 00 00 00 00 00 80"),
            ]),
        // The code's address, B + 0x4100, then S + A - 0x30.
        VectorGroup(
            number: 36, name: "TLSDESC", size: 16, symbol: .threadLocal,
            vectors: [
                Vector(S: 0x20, A: 8, "00 41 60 00 00 00 00 00 f8 ff ff ff ff ff ff ff"),
                Vector(S: 0x30, "00 41 60 00 00 00 00 00 00 00 00 00 00 00 00 00"),
            ]),
        // The result of the function at B + A: the test's functions return their address + 0x1111_0000_0000.
        VectorGroup(
            number: 37, name: "IRELATIVE", size: 8, symbol: nil,
            vectors: [
                Vector(A: 0x4010, "10 40 60 00 11 11 00 00"),
                Vector(A: 0, "00 00 60 00 11 11 00 00"),
            ]),
        VectorGroup(
            number: 38, name: "RELATIVE64", size: 8, symbol: nil,
            vectors: [
                Vector(A: 0x4008, "08 40 60 00 00 00 00 00"),
                Vector(A: -1, "ff ff 5f 00 00 00 00 00"),
                Vector(A: -0x60_0001, "ff ff ff ff ff ff ff ff"),
            ]),
    ]

    /// Types that only linkers resolve, by number.
    static let onlyInObjects: [UInt32: String] = [
        3: "GOT32", 4: "PLT32", 9: "GOTPCREL", 19: "TLSGD", 20: "TLSLD", 22: "GOTTPOFF", 25: "GOTOFF64", 26: "GOTPC32",
        27: "GOT64", 28: "GOTPCREL64", 29: "GOTPC64", 30: "GOTPLT64", 31: "PLTOFF64", 34: "GOTPC32_TLSDESC",
        35: "TLSDESC_CALL", 39: "PC32_BND", 40: "PLT32_BND", 41: "GOTPCRELX", 42: "REX_GOTPCRELX",
        43: "CODE_4_GOTPCRELX", 44: "CODE_4_GOTTPOFF", 45: "CODE_4_GOTPC32_TLSDESC", 46: "CODE_5_GOTPCRELX",
        47: "CODE_5_GOTTPOFF", 48: "CODE_5_GOTPC32_TLSDESC", 49: "CODE_6_GOTPCRELX", 50: "CODE_6_GOTTPOFF",
        51: "CODE_6_GOTPC32_TLSDESC",
    ]
}
