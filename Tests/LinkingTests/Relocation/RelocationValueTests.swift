// Every relocation type of linked files: values in range, at both limits, and one past each limit.

import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RelocationValueTests {
    static let bias: UInt64 = 0x40_0000
    /// The link address of the place of `relocated`.
    static let place: UInt64 = 960

    /// The table that lists a relocation.
    enum Table: CaseIterable, Sendable {
        case rela, rel, pltWithAddends, plt

        /// The tag of its dynamic entry.
        var tag: UInt64 { self == .rela ? 7 : self == .rel ? 17 : 23 }
    }

    /// A file with one relocation at `place`, whose 32 bytes are 0xaa or `inPlace` before; the symbol has these fields.
    static func file(
        _ type: UInt32, addend: UInt64, symbol: (value: UInt64, type: UInt8, binding: UInt8, shndx: UInt16)?,
        size: UInt64 = 0, inPlace: [UInt8] = [], table: Table = .rela, at offset: UInt64 = place
    ) -> [UInt8] {
        var writer = ELFWriter()
        writer.append(inPlace + [UInt8](repeating: 0xaa, count: 32 - inPlace.count))
        var entries: [(UInt64, UInt64)] = []
        var index: UInt32 = 0
        if let symbol {
            index = writer.addSymbol(
                "thing", value: symbol.value, size: size, type: symbol.type, binding: symbol.binding,
                shndx: symbol.shndx)
        }
        entries += writer.symbolEntries()
        let list = [Relocation(type, at: offset, symbol: index, addend: addend)]
        switch table {
        case .rela: entries += writer.relaEntries(list)
        case .rel: entries += writer.relEntries(list)
        case .pltWithAddends: entries += writer.pltEntries(list, hasAddends: true)
        case .plt: entries += writer.pltEntries(list, hasAddends: false)
        }
        writer.setDynamic(entries)
        return writer.bytes
    }

    /// The run-time address of the place, and a number as an addend.
    static let placeAddress = bias + place
    static func minus(_ value: UInt64) -> UInt64 { 0 &- value }

    /// A type, its size, S + A as an absolute value, and the stored value: nil if it overflows, with the limit.
    struct Vector: Sendable {
        var type: UInt32, size: Int, isRelative: Bool, value: UInt64, limit: UInt64?
    }

    static let vectors: [Vector] = {
        let formats: [(types: [UInt32], size: Int, low: UInt64, high: UInt64)] = [
            ([2], 4, minus(0x8000_0000), 0x7fff_ffff), ([10], 4, 0, 0xffff_ffff),
            ([11], 4, minus(0x8000_0000), 0x7fff_ffff),
            ([12], 2, minus(0x8000), 0xffff), ([13], 2, minus(0x8000), 0x7fff), ([14], 1, minus(0x80), 0xff),
            ([15], 1, minus(0x80), 0x7f),
        ]
        var list: [Vector] = []
        for format in formats {
            for type in format.types {
                let relative = [2, 13, 15].contains(type)
                for value in [format.low, format.high, 1, 0, 0x11, format.low / 2] {
                    if type == 10, value > 0xffff_ffff { continue }
                    let clipped = value == format.low / 2 && format.low != 0 ? minus(minus(format.low) / 2) : value
                    list.append(Vector(type: type, size: format.size, isRelative: relative, value: clipped, limit: nil))
                }
                let below = format.low &- 1
                list.append(
                    Vector(
                        type: type, size: format.size, isRelative: relative, value: below,
                        limit: type == 10 ? 0xffff_ffff : format.low))
                list.append(
                    Vector(
                        type: type, size: format.size, isRelative: relative, value: format.high + 1, limit: format.high)
                )
            }
        }
        for type in [1, 24] as [UInt32] {
            for value in [0, 1, .max, 1 << 63, 0x0123_4567_89ab_cdef] as [UInt64] {
                list.append(Vector(type: type, size: 8, isRelative: type == 24, value: value, limit: nil))
            }
        }
        return list
    }()

    @Test(arguments: vectors) func `S + A and S + A - P`(_ vector: Vector) {
        // The symbol's value makes S + A, or S + A - P, the required value.
        let wanted = vector.isRelative ? vector.value &+ Self.placeAddress : vector.value
        let symbols: [(UInt64, UInt64, UInt16)] = [
            (wanted &- Self.bias &- 5, 5, 1), (wanted &- Self.bias &+ 9, Self.minus(9), 1), (wanted &- 5, 5, 0xfff1),
        ]
        for (value, addend, shndx) in symbols {
            let result = load(
                Self.file(vector.type, addend: addend, symbol: (value, 1, 1, shndx)), bias: Self.bias)
            expectResult(result, vector)
        }
        // S is 0 without a symbol, and with an undefined weak one.
        expectResult(load(Self.file(vector.type, addend: wanted, symbol: nil), bias: Self.bias), vector)
        expectResult(load(Self.file(vector.type, addend: wanted, symbol: (0x77, 0, 2, 0)), bias: Self.bias), vector)
    }

    func expectResult(_ result: Loaded, _ vector: Vector) {
        #expect(result.guardsAreIntact)
        var expected = [UInt8](repeating: 0xaa, count: 32)
        if let limit = vector.limit {
            let place = FaultLocation.relocation(table: 7, index: 0)
            #expect(result.fault == Fault(.relocationOverflow, place, value: vector.value, limit: limit))
        } else {
            #expect(result.fault == nil)
            expected.replaceSubrange(0..<vector.size, with: littleEndian(vector.value).prefix(vector.size))
        }
        #expect(Array(result.bytes[960..<992]) == expected)
    }

    @Test(arguments: [6, 7] as [UInt32], Table.allCases)
    func `GLOB_DAT and JUMP_SLOT store S alone`(_ type: UInt32, _ table: Table) {
        let file = Self.file(
            type, addend: 0x999, symbol: (0x1234, 2, 1, 1), inPlace: littleEndian(0x5555 as UInt64), table: table)
        let result = load(file, bias: Self.bias)
        #expect(result.fault == nil)
        #expect(result.number(UInt64.self, at: Self.place) == 0x1234 + Self.bias)
        let weak = load(Self.file(type, addend: 0x999, symbol: (0, 2, 2, 0), table: table), bias: Self.bias)
        #expect(weak.number(UInt64.self, at: Self.place) == 0)
    }

    @Test(arguments: [8, 38] as [UInt32], Table.allCases)
    func `RELATIVE and RELATIVE64 store B + A`(_ type: UInt32, _ table: Table) {
        for addend in [0, 0x1234, .max, 1 << 63] as [UInt64] {
            let inPlace = table == .rel || table == .plt
            let file = Self.file(
                type, addend: inPlace ? 0 : addend, symbol: nil, inPlace: littleEndian(inPlace ? addend : 0x7777),
                table: table)
            let result = load(file, bias: Self.bias)
            #expect(result.fault == nil)
            #expect(result.number(UInt64.self, at: Self.place) == addend &+ Self.bias)
            #expect(result.counts?[type] == 1)
            #expect(result.counts?.total == 1)
        }
    }

    /// Types whose addend in place is extended like the field's range, the bytes in place, and their value.
    static let inPlace: [(UInt32, [UInt8], UInt64)] = [
        (1, [0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0 &- 16), (2, [0xf0, 0xff, 0xff, 0xff], 0 &- 16),
        (10, [0xf0, 0xff, 0xff, 0xff], 0xffff_fff0), (11, [0xf0, 0xff, 0xff, 0xff], 0 &- 16),
        (12, [0xf0, 0xff], 0 &- 16),
        (13, [0xf0, 0xff], 0 &- 16), (14, [0xf0], 0 &- 16), (15, [0xf0], 0 &- 16),
    ]

    @Test(arguments: inPlace, [Table.rel, .plt])
    func `an addend in place is read from the field`(_ vector: (UInt32, [UInt8], UInt64), _ table: Table) {
        let (type, bytes, addend) = vector
        // An absolute symbol that makes the result 5.
        let isRelative = [2, 13, 15].contains(type)
        let value = (isRelative ? Self.placeAddress : 0) &+ 5 &- addend
        let result = load(
            Self.file(type, addend: 0, symbol: (value, 1, 1, 0xfff1), inPlace: bytes, table: table), bias: Self.bias)
        #expect(result.fault == nil)
        let expected =
            [5] + [UInt8](repeating: 0, count: bytes.count - 1) + [UInt8](repeating: 0xaa, count: 32 - bytes.count)
        #expect(Array(result.bytes[960..<992]) == expected)
    }

    @Test(arguments: [32, 33] as [UInt32]) func `SIZE32 and SIZE64 store Z + A`(_ type: UInt32) {
        let result = load(
            Self.file(type, addend: 5, symbol: (0x1234, 1, 1, 1), size: 0xffff_fff0), bias: Self.bias)
        #expect(result.fault == nil)
        #expect(result.number(UInt32.self, at: Self.place) == 0xffff_fff5)
        let over = load(Self.file(type, addend: 0x10, symbol: (0, 1, 1, 1), size: 0xffff_fff0), bias: Self.bias)
        let place = FaultLocation.relocation(table: 7, index: 0)
        let overflow = Fault(.relocationOverflow, place, value: 0x1_0000_0000, limit: 0xffff_ffff)
        #expect(over.fault == (type == 32 ? overflow : nil))
        if type == 33 { #expect(over.number(UInt64.self, at: Self.place) == 0x1_0000_0000) }
    }

    @Test func `NONE changes nothing, wherever its place is`() {
        for offset in [Self.place, 0, .max] {
            let file = Self.file(0, addend: 5, symbol: (1, 1, 1, 1), at: offset)
            let result = load(file, bias: Self.bias)
            #expect(result.fault == nil)
            #expect(result.bytes == load(file, relocating: false).bytes)
        }
    }

    @Test func `IRELATIVE calls B + A, an indirect function is called for S`() {
        var called: [UInt64] = []
        let direct = load(Self.file(37, addend: 0x10, symbol: nil), bias: Self.bias) {
            called.append($0)
            return 0xabcd_ef01
        }
        #expect(called == [Self.bias + 0x10])
        #expect(direct.number(UInt64.self, at: Self.place) == 0xabcd_ef01)
        #expect(direct.counts?.indirect == 1)
        let symbol = load(Self.file(1, addend: 3, symbol: (0x20, 10, 1, 1)), bias: Self.bias) { $0 * 2 }
        #expect(symbol.number(UInt64.self, at: Self.place) == (Self.bias + 0x20) * 2 + 3)
        let none = load(Self.file(37, addend: 0x10, symbol: nil), bias: Self.bias)
        #expect(none.number(UInt64.self, at: Self.place) == 0xaaaa_aaaa_aaaa_aaaa)
        let file = Self.file(37, addend: 0x10_0000, symbol: nil)
        #expect(
            load(file, bias: Self.bias).fault
                == Fault(
                    .resolverOutsideImage, .relocation(table: 7, index: 0), value: Self.bias + 0x10_0000,
                    limit: Self.bias + UInt64(file.count)))
    }
}
