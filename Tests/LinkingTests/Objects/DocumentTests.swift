// The column of docs/relocations.md that object files fill.

import Architecture
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DocumentTests {
    @Test func `object files: applied, or the reason why not`() throws {
        let cells = try (0...RelocationType.lastNumber).map(Self.cell)
        #expect(try RelocationsDocument.differences(.object, cells) == [])
    }

    /// The result of relocation `number` in an object file: of every vector, or else with a defined symbol.
    static func cell(_ number: UInt32) throws -> String {
        guard let group = Vectors.all.first(where: { $0.numbers.contains(number) }) else {
            let fault = try #require(refusal(of: Vectors.file(number, Vector(S: 1, ""))), "type \(number)")
            return fault.rule == .relocationOnlyInLinkedFiles
                ? "cannot occur: only linkers make it" : "refused: \(fault.rule)"
        }
        var agreeing = 0
        for vector in group.vectors {
            let file = Vectors.file(number, vector, isThreadLocal: group.isThreadLocal)
            switch vector.result {
            case .bytes(let expected):
                let result = try load(file)
                let size = group.size == 0 ? 8 : group.size
                if result.counts[number] == 1, result.hex(Vectors.place, size) == expected { agreeing += 1 }
            case .overflow: if refusal(of: file)?.rule == .relocationOverflow { agreeing += 1 }
            }
        }
        return agreeing == group.vectors.count
            ? "applied (\(agreeing) \(agreeing == 1 ? "vector" : "vectors"))"
            : "wrong in \(group.vectors.count - agreeing)"
    }
}
