// The columns of docs/relocations.md that linked files fill.

import Architecture
import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DocumentTests {
    static let numbers = 0...RelocationType.lastNumber

    @Test func `names, fields and formulas are the engine's`() throws {
        let meanings = try Self.numbers.map { try #require(RelocationType($0)) }
        #expect(try RelocationsDocument.differences(.name, meanings.map { "R_X86_64_\($0.name)" }) == [])
        #expect(try RelocationsDocument.differences(.field, meanings.map { "\($0.field)" }) == [])
        #expect(try RelocationsDocument.differences(.formula, meanings.map { "\($0.formula.text)" }) == [])
    }

    @Test func `linked files: applied, or the reason why not`() throws {
        let cells = try Self.numbers.map(Self.cell)
        #expect(try RelocationsDocument.differences(.linked, cells) == [])
    }

    /// The result of relocation `number` in a linked file: of every vector, or else with a defined symbol.
    static func cell(_ number: UInt32) throws -> String {
        guard let group = Vectors.all.first(where: { $0.number == number }) else {
            var linked = LinkedFileWriter()
            linked.data = [UInt8](repeating: 0xee, count: 0x100)
            linked.symbols = [LinkedSymbol(name: "operand", value: 0x1234, size: 8, info: 0x11, shndx: 0xfff1)]
            linked.rela = [LinkedRelocation(offset: Vectors.place, type: number, symbol: 1, addend: 0)]
            return switch try #require(refusal(of: linked.bytes), "type \(number)").rule {
            case .relocationOnlyInObjects:
                RelocationType(number)?.formula.needsLinker == true
                    ? "cannot occur: the GOT or PLT it needs is the linker's" : "cannot occur: linkers resolve it"
            case .copyWithoutSource: "cannot occur in a file that boots alone: it copies from another"
            case let rule: "refused: \(rule)"
            }
        }
        var agreeing = 0
        for vector in group.vectors {
            let bytes = file(group, vector)
            switch vector.result {
            case .bytes(let expected):
                let result = try relocate(bytes, bias: Vectors.bias, resolve: VectorTests.returned)
                if result.counts[number] == 1,
                    result.hex(Vectors.place, max(group.size, number == 0 ? 8 : 0)) == expected
                {
                    agreeing += 1
                }
            case .overflow: if refusal(of: bytes)?.rule == .relocationOverflow { agreeing += 1 }
            }
        }
        return agreeing == group.vectors.count
            ? "applied (\(agreeing) \(agreeing == 1 ? "vector" : "vectors"))"
            : "wrong in \(group.vectors.count - agreeing)"
    }

    @Test func `several files: applied, or the reason why not`() throws {
        let cells = try Self.numbers.map(Self.cellOfSeveral)
        #expect(try RelocationsDocument.differences(.several, cells) == [])
    }

    /// The result of relocation `number` in an application whose symbol a library defines.
    static func cellOfSeveral(_ number: UInt32) throws -> String {
        if number == 5 { return try cellOfCopy() }
        guard let group = Vectors.all.first(where: { $0.number == number }) else {
            var application = LibraryTests.application(["operand"], type: number)
            application.tls = nil
            let refusal = LibraryTests.refusal(
                application, LibraryTests.library([("operand", 1)]), LibraryTests.library([]))
            guard refusal?.rule == .relocationOnlyInObjects else { return "not refused" }
            return try cell(number)
        }
        var agreeing = 0
        for vector in group.vectors {
            var application = LinkedFileWriter()
            application.needed = "one.so"
            application.data = [UInt8](repeating: 0xee, count: 0x100)
            application.rela = [
                LinkedRelocation(
                    offset: Vectors.place, type: number, symbol: group.symbol == nil ? 0 : 1, addend: vector.A)
            ]
            var library = LinkedFileWriter()
            if let kind = group.symbol {
                application.symbols = [LinkedSymbol(name: "operand", value: 0, info: 0x10, shndx: 0)]
                library.symbols = [
                    LinkedSymbol(
                        name: "operand", value: vector.S, size: vector.Z, info: kind == .threadLocal ? 0x16 : 0x11,
                        shndx: kind == .threadLocal ? 3 : 0xfff1)
                ]
                if kind == .threadLocal { library.tls = Vectors.tls }
            }
            let together = LibraryTests.together(application, [library])
            switch vector.result {
            case .bytes(let expected):
                let result = try together.load(bias: Vectors.bias, resolve: VectorTests.returned)
                let size = max(group.size, number == 0 ? 8 : 0)
                if result.counts[number] == 1, result.hex(Vectors.place, size) == expected { agreeing += 1 }
            case .overflow: if together.refusal()?.rule == .relocationOverflow { agreeing += 1 }
            }
        }
        return applied(agreeing, of: group.vectors.count)
    }

    /// Copies of 1, 7 and 16 bytes, at places that are not aligned.
    static func cellOfCopy() throws -> String {
        var agreeing = 0
        for size in [1, 7, 16] as [UInt64] {
            var application = LinkedFileWriter()
            application.needed = "one.so"
            application.data = [UInt8](repeating: 0xee, count: 0x100)
            application.symbols = [LinkedSymbol(name: "operand", value: 0x4041, size: size, shndx: 1)]
            application.rela = [LinkedRelocation(offset: 0x4041, type: 5, symbol: 1)]
            var library = LinkedFileWriter()
            library.symbols = [LinkedSymbol(name: "operand", value: 0x4003, size: size, shndx: 1)]
            library.data = Array(0..<0xff)
            let result = try LibraryTests.together(application, [library]).load(bias: Vectors.bias)
            let expected = hexadecimal([0xee] + (3..<3 + UInt8(size)) + [0xee])
            if result.counts[5] == 1, result.hex(0x4040, Int(size) + 2) == expected { agreeing += 1 }
        }
        return applied(agreeing, of: 3)
    }

    private static func applied(_ agreeing: Int, of count: Int) -> String {
        agreeing == count
            ? "applied (\(agreeing) \(agreeing == 1 ? "vector" : "vectors"))" : "wrong in \(count - agreeing)"
    }
}
