// The sections in an object file's map: its own, common symbols, and the loader's additions.

import Bytes
import Diagnostics
import ELF
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ObjectSectionListingTests {
    /// Common symbols are listed at their addresses, but not thread-local ones.
    @Test func commonSymbolsAreListed() throws {
        let file = object([Relocation(1, at: 0, symbol: 2), Relocation(1, at: 8, symbol: 6)]) {
            $0.symbols += [
                ObjectSymbol(name: "first", value: 8, size: 12, section: 0xfff2),
                ObjectSymbol(name: "defined", value: 8, size: 4, section: 2),
                ObjectSymbol(name: "absolute", value: 0x1234, size: 4),
                ObjectSymbol(name: "variable", value: 8, size: 24, info: 0x16, section: 0xfff2),
                ObjectSymbol(name: "last", value: 64, size: 5, section: 0xff02),
                ObjectSymbol(name: "undefined", size: 7, info: 0x20, section: 0),
            ]
        }.bytes
        let loaded = try load(file, bias: 0)
        let view = ByteView(file.span.bytes)
        let image = try ObjectImage(view, try FileHeader(view))
        var symbols: [[UInt64]] = []
        try image.forEachCommonSymbol { symbols.append([$0, $1]) }
        #expect(symbols == [[loaded.word(0x1000), 12], [loaded.word(0x1008), 5]])
        #expect(loaded.word(0x1000) == 0x2000 && loaded.word(0x1008) == 0x2040)
        // The GOT's three words follow, then the space that relocation itself needs, up to the end.
        let additions = image.additions
        #expect(additions.table == (0x2050, 0x2068) && additions.scratch == (0x2068, image.size))
    }
}
