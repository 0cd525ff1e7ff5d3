// The symbol that an address belongs to, compared with a model that looks at all symbols.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolLocatorTests {
    /// A linked file with a symbol table of type `type`: SHT_SYMTAB 2, SHT_DYNSYM 11.
    static func file(_ symbols: [LinkedSymbol], type: UInt32 = 2, link: UInt32 = 2) -> [UInt8] {
        var file = LinkedFileWriter().bytes
        var strings: [UInt8] = [0]
        var table = [UInt8](repeating: 0, count: 24)
        for symbol in symbols {
            table += littleEndian(symbol.name.isEmpty ? 0 : UInt32(strings.count)) + [symbol.info, symbol.other]
            table += littleEndian(symbol.shndx) + littleEndian(symbol.value) + littleEndian(symbol.size)
            if !symbol.name.isEmpty { strings += Array(symbol.name.utf8) + [0] }
        }
        var headers = [UInt8](repeating: 0, count: 64)
        for (type, bytes, link) in [(type, table, link), (3, strings, 0)] as [(UInt32, [UInt8], UInt32)] {
            var header = [UInt8](repeating: 0, count: 64)
            header.put(type, at: 4)
            header.put(UInt64(file.count), at: 24)
            header.put(UInt64(bytes.count), at: 32)
            header.put(link, at: 40)
            headers += header
            file += bytes
        }
        file.put(UInt64(file.count), at: 40)
        file.put(3 as UInt16, at: 60)
        return file + headers
    }

    /// The reported name and offset for `address`.
    static func located(_ file: [UInt8], _ address: UInt64) throws -> String? {
        let image = try LinkedImage(ByteView(file.span.bytes))
        guard let location = image.locate(address) else { return nil }
        return String(decoding: file[Int(location.nameOffset)...].prefix { $0 != 0 }, as: UTF8.self)
            + "+\(location.offset)"
    }

    /// The model's result: of the symbols with the highest address up to `address`, the first function, or else the last symbol.
    static func expected(_ symbols: [LinkedSymbol], _ address: UInt64) -> String? {
        let all = symbols.filter {
            [0, 1, 2, 10].contains($0.info & 0xf) && !$0.name.isEmpty && $0.value <= address && $0.shndx != 0
                && $0.shndx != 0xfff1
        }
        guard let start = all.map(\.value).max() else { return nil }
        let nearest = all.filter { $0.value == start }
        let best: LinkedSymbol = nearest.first { [2, 10].contains($0.info & 0xf) } ?? nearest.last!
        return "\(best.name)+\(address - start)"
    }

    @Test(arguments: [2, 11] as [UInt32]) func `the nearest symbol at or below an address is reported`(
        _ type: UInt32
    ) throws {
        var random = SeededGenerator(seed: 40)
        var found = 0
        for _ in 0..<300 {
            let symbols = (0..<Int.random(in: 0...8, using: &random)).map { index in
                LinkedSymbol(
                    name: Int.random(in: 0..<6, using: &random) == 0 ? "" : "s\(index)",
                    value: [0, 0x1000, 0x1001, 0x2000, .max].randomElement(using: &random)!,
                    info: UInt8.random(in: 0...2, using: &random) << 4
                        | [0, 1, 1, 2, 2, 3, 4, 6, 10].randomElement(using: &random)!,
                    shndx: [0, 1, 1, 1, 1, 2, 0xfff1].randomElement(using: &random)!)
            }
            let file = Self.file(symbols, type: type)
            for address in [0, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, .max] as [UInt64] {
                let expected = Self.expected(symbols, address)
                if expected != nil { found += 1 }
                #expect(try Self.located(file, address) == expected, "\(symbols) \(address)")
            }
        }
        #expect(found > 900)
    }

    @Test func `a table that leads nowhere names nothing`() throws {
        let symbols = [LinkedSymbol(name: "start", value: 0x1000, info: 0x12, shndx: 1)]
        for (link, name) in [(0, nil), (2, "start+0"), (3, nil), (.max, nil)] as [(UInt32, String?)] {
            #expect(try Self.located(Self.file(symbols, link: link), 0x1000) == name)
        }
        // A name begins inside the string table.
        let file = Self.file(symbols)
        let table = file.count - 64 * 3 - 7 - 24
        for (offset, isNamed) in [(1, true), (6, true), (7, false), (.max, false)] as [(UInt32, Bool)] {
            #expect(try (Self.located(file.putting(offset, at: table), 0x1000) != nil) == isNamed)
        }
    }
}
