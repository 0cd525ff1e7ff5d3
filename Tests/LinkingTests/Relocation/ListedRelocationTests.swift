// Relocations that cannot be applied, because of their type or their symbol, and how a listing shows them.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ListedRelocationTests {
    /// Types that the psABI defines for object files only.
    static let objectTypes: Set<UInt32> = [
        3, 4, 9, 19, 20, 22, 25, 26, 27, 28, 29, 30, 31, 34, 35, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
    ]

    @Test(arguments: Array(0...52) + [0x7fff_ffff, 0xffff_ffff] as [UInt32], RelocationValueTests.Table.allCases)
    func `a type that cannot be applied is reported, never skipped`(_ type: UInt32, _ table: RelocationValueTests.Table)
    {
        let file = RelocationValueTests.file(type, addend: 0, symbol: nil, table: table)
        let result = load(file) { _ in 1 }
        let place = FaultLocation.relocation(table: table.tag, index: 0)
        if type > 51 {
            #expect(result.fault == Fault(.relocationTypeUnknown, place, value: UInt64(type), limit: 51))
        } else if Self.objectTypes.contains(type) {
            #expect(result.fault == Fault(.relocationOnlyInObjects, place, value: UInt64(type)))
        } else if type == 5 {
            #expect(result.fault == Fault(.copyWithoutSource, place))
        } else if [16, 17, 18, 21, 23, 36].contains(type) {
            #expect(result.fault == Fault(.noThreadLocalSegment, place))
        } else if result.fault == nil {
            #expect(result.counts?[type] == 1)
        } else {
            // Addends in place, 0xaaaa…, may be too large for the field.
            #expect(result.fault?.rule == .relocationOverflow || result.fault?.rule == .resolverOutsideImage)
        }
    }

    @Test(arguments: [1, 2, 8, 10, 12, 14, 24] as [UInt32])
    func `a place that extends past the image is reported, an unaligned one is not`(_ type: UInt32) {
        let size: UInt64 = [1: 8, 2: 4, 8: 8, 10: 4, 12: 2, 14: 1, 24: 8][type]!
        let end = UInt64(RelocationValueTests.file(type, addend: 0, symbol: nil).count)
        // An addend that makes P-relative values 0.
        func addend(_ offset: UInt64) -> UInt64 { type == 2 || type == 24 ? offset &+ 0x20_0000 : type == 8 ? 5 : 0 }
        for offset in [end - size, 963, 961] {
            let file = RelocationValueTests.file(type, addend: addend(offset), symbol: nil, at: offset)
            #expect(load(file).fault == nil, "\(offset)")
        }
        for offset in [end - size + 1, end, 1 << 40, .max, 0 &- 4] as [UInt64] {
            let file = RelocationValueTests.file(type, addend: addend(offset), symbol: nil, at: offset)
            let result = load(file)
            let place = FaultLocation.relocation(table: 7, index: 0)
            #expect(result.fault == Fault(.relocationOutsideImage, place, value: offset, limit: end))
            #expect(result.guardsAreIntact)
        }
    }

    @Test func `undefined symbols are reported by their names`() {
        var writer = ELFWriter()
        let place = writer.append([UInt8](repeating: 0, count: 16))
        writer.addSymbol("fine", value: 8)
        let missing = writer.addSymbol("missing", shndx: 0)
        writer.addSymbol("weak", binding: 2, shndx: 0)
        writer.addSymbol("absent", shndx: 0)
        let entries = writer.symbolEntries() + writer.relaEntries([Relocation(6, at: place, symbol: missing)])
        writer.setDynamic(entries)
        let file = writer.bytes
        let result = load(file)
        #expect(result.fault == Fault(.symbolUndefined, .relocation(table: 7, index: 0), value: 0x3c0))
        #expect(
            result.fault.map { sentence($0, file) }
                == "DT_RELA entry 0: undefined: 'missing' and 'absent', needed at 0x3c0")
    }

    @Test func `a symbol index outside the table is reported`() {
        var writer = ELFWriter()
        let place = writer.append([UInt8](repeating: 0, count: 16))
        writer.addSymbol("only", value: 8)
        let entries = writer.symbolEntries() + writer.relaEntries([Relocation(1, at: place, symbol: 2)])
        writer.setDynamic(entries)
        let entry = FaultLocation.relocation(table: 7, index: 0)
        #expect(load(writer.bytes).fault == Fault(.symbolIndexOutsideTable, entry, value: 2, limit: 2))
    }

    /// Every entry is listed with its table and its number there; the words of a bitmap have the bitmap's number.
    @Test func `entries are listed with their places`() throws {
        var file = LinkedFileWriter()
        // An address, a bitmap for the first and the third word after it, one for the last of 63 words, and an address.
        file.relr = [0x4000, 0b1011, 1 << 63 | 1, 0x4400]
        file.data = [UInt8](repeating: 0, count: 0x800)
        file.rela = [LinkedRelocation(offset: 0x4600, type: 8), LinkedRelocation(offset: 0x4608, type: 8)]
        file.plt = [LinkedRelocation(offset: 0x4610, type: 8)]
        let bytes = file.bytes
        let relocator = try Relocator(LinkedImage(ByteView(bytes.span.bytes)), bias: 0)
        var listed = relocator.listed
        var found: [UInt64] = []
        var locations: [FaultLocation] = []
        while let one = try listed.next() {
            found.append(one.entry.offset)
            locations.append(one.location)
        }
        #expect(found == [0x4000, 0x4008, 0x4018, 0x4008 + 125 * 8, 0x4400, 0x4600, 0x4608, 0x4610])
        let tables: [(UInt64, UInt64)] = [(36, 0), (36, 1), (36, 1), (36, 2), (36, 3), (7, 0), (7, 1), (23, 0)]
        #expect(locations == tables.map { .relocation(table: $0.0, index: $0.1) })
    }
}
