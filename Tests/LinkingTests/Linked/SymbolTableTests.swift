// The dynamic symbols, and the places of their names.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolTableTests {
    /// A file with two symbols. The second one's name is at `offset` of the strings "", "first", "last".
    private static func file(_ offset: UInt32) -> (bytes: [UInt8], strings: UInt64) {
        var writer = ELFWriter()
        writer.addSymbol("first", value: 1, shndx: 0xfff1)
        writer.addSymbol("last", value: 2, shndx: 0xfff1)
        let entries = writer.symbolEntries()
        writer.setDynamic(entries)
        // The file lies at its link address, 0.
        return (writer.bytes.putting(offset, at: Int(entries[0].1) + 48), entries[2].1)
    }

    @Test(arguments: [0, 1, 6, 7, 11, 12, 13, .max] as [UInt32])
    func `a name begins in the string table, after its first byte`(
        _ offset: UInt32
    ) throws {
        let (bytes, strings) = Self.file(offset)
        let image = try LinkedImage(ByteView(bytes.span.bytes))
        let found = try Relocator(image, bias: 0).symbol(at: 2)
        #expect(found?.symbol.value == 2 && found?.symbol.name == offset)
        #expect(found?.nameOffset == (offset > 0 && offset < 12 ? strings + UInt64(offset) : 0))
    }

    @Test func `the table's symbols are read`() throws {
        let (bytes, _) = Self.file(7)
        let relocator = try Relocator(LinkedImage(ByteView(bytes.span.bytes)), bias: 0)
        let values = ([0, 1, 2, 3, .max] as [UInt32]).map { relocator.symbol(at: $0)?.symbol.value }
        #expect(values == [0, 1, 2, nil, nil])
    }
}
