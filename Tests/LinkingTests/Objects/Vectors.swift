// The vectors: for each relocation number of object files, operands and the bytes that the psABI requires, worked out
// by hand for one layout.
//
//     link address   run time     what
//     0x0000         0x60_0000    .text, 64 bytes; _start at its first byte
//     0x1000         0x60_1000    .tdata, 16 bytes aligned to 16; .tbss adds 32: TP is 0x30 after the block's first byte
//     0x2000         0x60_2000    .data, 256 bytes aligned to 4096; the place is 0x2040, so P is 0x60_2040
//     0x3000         0x60_3000    GOT; its first slot is after three words: G is 0x18, and the slot at 0x60_3018
//     0x3030         0x60_3030    the code of TLS descriptors, after a pair of words at 0x3018

// The operands keep the letters of the psABI.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import TestSupport

/// The common part of the vectors of some numbers.
struct VectorGroup: Sendable {
    var numbers: [UInt32]
    var size: Int
    var isThreadLocal = false
    /// The slot's first two words for S, if the number has a slot.
    var slot: (@Sendable (UInt64) -> [UInt64])?
    var vectors: [Vector]
}

enum Vectors {
    static let bias: UInt64 = 0x60_0000
    static let place: UInt64 = 0x2040
    static let dataStart: UInt64 = 0x2000, dataEnd: UInt64 = 0x2100
    static let slot: UInt64 = 0x3018

    /// Both limits of a signed 32-bit field, and one past each, if the value is `base` + A.
    private static func ends(_ base: Int64) -> [Vector] {
        [
            Vector(S: 0x20, A: 0x7fff_ffff - base, "ff ff ff 7f"),
            Vector(S: 0x20, A: 0x8000_0000 - base, overflow: 0x8000_0000, limit: 0x7fff_ffff),
            Vector(S: 0x20, A: -0x8000_0000 - base, "00 00 00 80"),
            Vector(
                S: 0x20, A: -0x8000_0001 - base, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
        ]
    }

    /// The vectors that do not depend on the place, then those that do or that only object files have.
    static let all: [VectorGroup] =
        PlacelessVectors.all.map {
            VectorGroup(numbers: [$0.number], size: $0.size, isThreadLocal: $0.isThreadLocal, vectors: $0.vectors)
        } + own

    private static let own: [VectorGroup] = [
        // The call of a TLS descriptor is marked; nothing is stored.
        VectorGroup(numbers: [35], size: 0, vectors: [Vector(S: 0x1234, A: 1, "ee ee ee ee ee ee ee ee")]),
        // S + A - P, and L + A - P with L = S. P + 0x7fff_ffff = 0x8060_203f; P - 0x8000_0000 wraps to
        // 0xffff_ffff_8060_2040.
        VectorGroup(
            numbers: [2, 4, 39, 40], size: 4,
            vectors: [
                Vector(S: 0x60_2140, A: -4, "fc 00 00 00"),
                Vector(S: 0x8060_203f, "ff ff ff 7f"),
                Vector(S: 0x8060_2040, overflow: 0x8000_0000, limit: 0x7fff_ffff),
                Vector(S: 0xffff_ffff_8060_2040, "00 00 00 80"),
                Vector(
                    S: 0xffff_ffff_8060_2040, A: -1, overflow: 0xffff_ffff_7fff_ffff, limit: 0xffff_ffff_8000_0000),
            ]),
        // G + A, G = 0x18.
        VectorGroup(
            numbers: [3], size: 4, slot: { [$0] }, vectors: [Vector(S: 0x20, A: 0, "18 00 00 00")] + ends(0x18)),
        // G + GOT + A - P = 0x60_3018 - 0x60_2040 + A = 0xfd8 + A.
        VectorGroup(
            numbers: [9, 41, 42, 43, 46, 49], size: 4, slot: { [$0] },
            vectors: [Vector(S: 0x1234_5678_9abc_def0, A: -4, "d4 0f 00 00")] + ends(0xfd8)),
        // The same, and the slot holds S - 0x30.
        VectorGroup(
            numbers: [22, 44, 47, 50], size: 4, isThreadLocal: true, slot: { [$0 &- 0x30] },
            vectors: [Vector(S: 8, A: -4, "d4 0f 00 00")] + ends(0xfd8)),
        // The same, and the slot is a tls_index: module 1, offset S.
        VectorGroup(
            numbers: [19], size: 4, isThreadLocal: true, slot: { [1, $0] },
            vectors: [Vector(S: 8, A: -4, "d4 0f 00 00")] + ends(0xfd8)),
        VectorGroup(
            numbers: [20], size: 4, isThreadLocal: true, slot: { _ in [1, 0] },
            vectors: [Vector(S: 8, A: -4, "d4 0f 00 00")] + ends(0xfd8)),
        // The same, and the slot is a TLS descriptor: the code's address, S - 0x30.
        VectorGroup(
            numbers: [34, 45, 48, 51], size: 4, isThreadLocal: true, slot: { [0x60_3030, $0 &- 0x30] },
            vectors: [Vector(S: 8, A: -4, "d4 0f 00 00")] + ends(0xfd8)),
        // S + A - P: 0x60_2040 + 0x7fff = 0x60_a03f; 0x60_2040 - 0x8000 = 0x5f_a040.
        VectorGroup(
            numbers: [13], size: 2,
            vectors: [
                Vector(S: 0x60_2242, A: -2, "00 02"), Vector(S: 0x60_a03f, "ff 7f"),
                Vector(S: 0x60_a040, overflow: 0x8000, limit: 0x7fff), Vector(S: 0x5f_a040, "00 80"),
                Vector(S: 0x5f_a03f, overflow: 0xffff_ffff_ffff_7fff, limit: 0xffff_ffff_ffff_8000),
            ]),
        // S + A - P: 0x60_2040 + 0x7f = 0x60_20bf; 0x60_2040 - 0x80 = 0x60_1fc0.
        VectorGroup(
            numbers: [15], size: 1,
            vectors: [
                Vector(S: 0x60_2051, A: -1, "10"), Vector(S: 0x60_20bf, "7f"),
                Vector(S: 0x60_20c0, overflow: 0x80, limit: 0x7f), Vector(S: 0x60_1fc0, "80"),
                Vector(S: 0x60_1fbf, overflow: 0xffff_ffff_ffff_ff7f, limit: 0xffff_ffff_ffff_ff80),
            ]),
        // S + A - P.
        VectorGroup(
            numbers: [24], size: 8,
            vectors: [
                Vector(S: 0x60_2040, A: 8, "08 00 00 00 00 00 00 00"), Vector(S: 0, "c0 df 9f ff ff ff ff ff"),
                Vector(S: 0x8000_0000_0060_203f, "ff ff ff ff ff ff ff 7f"),
            ]),
        // S + A - GOT, and L + A - GOT: GOT = 0x60_3000.
        VectorGroup(
            numbers: [25, 31], size: 8,
            vectors: [
                Vector(S: 0x60_2ff0, A: 8, "f8 ff ff ff ff ff ff ff"), Vector(S: 0x60_3000, "00 00 00 00 00 00 00 00"),
                Vector(S: 0, "00 d0 9f ff ff ff ff ff"),
            ]),
        // GOT + A - P = 0x60_3000 - 0x60_2040 + A = 0xfc0 + A.
        VectorGroup(numbers: [26], size: 4, vectors: [Vector(S: 0x20, A: 2, "c2 0f 00 00")] + ends(0xfc0)),
        VectorGroup(
            numbers: [29], size: 8,
            vectors: [
                Vector(S: 0x20, A: 9, "c9 0f 00 00 00 00 00 00"), Vector(S: 0x20, A: -0xfc1, "ff ff ff ff ff ff ff ff"),
            ]),
        // G + A.
        VectorGroup(
            numbers: [27, 30], size: 8, slot: { [$0] },
            vectors: [
                Vector(S: 0x20, A: 1, "19 00 00 00 00 00 00 00"), Vector(S: 0x20, A: -0x19, "ff ff ff ff ff ff ff ff"),
            ]),
        // G + GOT + A - P.
        VectorGroup(
            numbers: [28], size: 8, slot: { [$0] },
            vectors: [
                Vector(S: 0x20, A: -4, "d4 0f 00 00 00 00 00 00"),
                Vector(S: 0x20, A: -0xfd9, "ff ff ff ff ff ff ff ff"),
            ]),
        // The code, which is at 0x60_3020 here: after the GOT's three words, and at a multiple of 16; then S + A - 0x30.
        VectorGroup(
            numbers: [36], size: 16, isThreadLocal: true,
            vectors: [
                Vector(S: 0x20, A: 8, "20 30 60 00 00 00 00 00 f8 ff ff ff ff ff ff ff"),
                Vector(S: 0x30, "20 30 60 00 00 00 00 00 00 00 00 00 00 00 00 00"),
            ]),
    ]

    /// Types that linkers write for dynamic linkers only.
    static let onlyInLinkedFiles: [UInt32: String] = [
        5: "COPY", 6: "GLOB_DAT", 7: "JUMP_SLOT", 8: "RELATIVE", 37: "IRELATIVE", 38: "RELATIVE64",
    ]

    /// A file with this layout and one relocation of `number`, with the operands of `vector`.
    static func file(
        _ number: UInt32, _ vector: Vector, isThreadLocal: Bool = false, at offset: UInt64 = 0x40,
        hasAddends: Bool = true
    ) -> [UInt8] {
        var data = [UInt8](repeating: 0xee, count: 0x100)
        let relocation = Relocation(number, at: offset, symbol: 2, addend: vector.A)
        if !hasAddends, offset < 0x100 {
            let bytes = littleEndian(vector.A)
            for index in 0..<8 where Int(offset) + index < 0x100 { data[Int(offset) + index] = bytes[index] }
        }
        return ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0x90, count: 64)),
                ObjectSection(name: ".tdata", flags: 0x403, align: 16, bytes: [UInt8](repeating: 7, count: 16)),
                ObjectSection(name: ".tbss", type: 8, flags: 0x403, align: 8, zeros: 32),
                ObjectSection(
                    name: ".data", align: 0x1000, bytes: data, relocations: [relocation], hasAddends: hasAddends),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(
                    name: "operand", value: vector.S, size: vector.Z, info: isThreadLocal ? 0x16 : 0x11,
                    section: isThreadLocal ? 2 : 0xfff1),
            ]
        ).bytes
    }
}
