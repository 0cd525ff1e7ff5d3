// The columns of docs/relocations.md that linked files fill.

import Bytes
import Diagnostics
import KernelImage
import TestSupport
import Testing

struct DocumentTests {
    static let numbers = 0...RelocationMeaning.lastNumber

    @Test func `names, fields and formulas are the engine's`() throws {
        let meanings = try Self.numbers.map { try #require(RelocationMeaning($0)) }
        #expect(try RelocationsDocument.differences(.name, meanings.map { "R_X86_64_\($0.name)" }) == [])
        #expect(try RelocationsDocument.differences(.field, meanings.map { "\($0.field)" }) == [])
        #expect(try RelocationsDocument.differences(.formula, meanings.map { "\($0.formula.text)" }) == [])
    }

    @Test func `linked files: applied, or the reason why not`() throws {
        let cells = try Self.numbers.map(Self.cell)
        #expect(try RelocationsDocument.differences(.linked, cells) == [])
    }

    /// What becomes of relocation `number` in a linked file: with every vector, or else with a defined symbol.
    static func cell(_ number: UInt32) throws -> String {
        guard let group = Vectors.all.first(where: { $0.number == number }) else {
            var linked = LinkedFile()
            linked.data = [UInt8](repeating: 0xee, count: 0x100)
            linked.symbols = [LinkedSymbol(name: "operand", value: 0x1234, size: 8, info: 0x11, shndx: 0xfff1)]
            linked.rela = [LinkedRelocation(offset: Vectors.place, type: number, symbol: 1, addend: 0)]
            return switch try #require(refusal(of: linked.bytes), "type \(number)").rule {
            case .relocationOnlyInObjects:
                RelocationMeaning(number)?.formula.needsLinker == true
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
}
