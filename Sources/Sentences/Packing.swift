// Packing by byte pairs (P. Gage, "A New Algorithm for Data Compression", 1994): the two codes that stand side by side most often
// become one of their own, again and again.

package import Diagnostics

extension Sentence {
    /// All rows, in the order of their numbers.
    package static var rows: [String] {
        (0...UInt8.max).compactMap { Place.Kind(rawValue: $0)?.words }
            + (0...UInt8.max).compactMap { Rule(rawValue: $0)?.words }.flatMap { words in
                [words.sentence, String(words.kind.rawValue & 0xf) + words.advice]
            }
    }

    /// `rows`, of printable ASCII, packed: what the pairs stand for, and the rows' codes.
    package static func pack(_ rows: [String]) -> [UInt8] {
        var codes: [UInt8] = []
        for row in rows {
            precondition(row.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "not printable ASCII: \(row)")
            codes += row.utf8.map { $0 - distance } + [0]
        }
        var pairs: [UInt8] = []
        var waiting = [Int](repeating: 0, count: 256)
        for code in firstPair...UInt8.max {
            let (first, second) = mostFrequentPair(codes, waiting)
            pairs += [first, second]
            guard first != 0 else { continue }
            waiting[Int(code)] = max(waiting[Int(first)] + 1, waiting[Int(second)])
            codes = replacing(first, second, with: code, in: codes)
        }
        return pairs + codes
    }

    /// The pair that `codes` hold most often, zeros where none is worth its two bytes. `waiting` is how many codes have to wait while
    /// each is unpacked.
    private static func mostFrequentPair(_ codes: [UInt8], _ waiting: [Int]) -> (UInt8, UInt8) {
        var counts = [Int](repeating: 0, count: 1 << 16)
        var best: (pair: (UInt8, UInt8), count: Int) = ((0, 0), 2)
        for (first, second) in zip(codes, codes.dropFirst()) where first != 0 && second != 0 {
            let pair = Int(first) << 8 | Int(second)
            counts[pair] += 1
            guard counts[pair] > best.count, waiting[Int(first)] < waitingLimit, waiting[Int(second)] <= waitingLimit
            else { continue }
            best = ((first, second), counts[pair])
        }
        return best.pair
    }

    private static func replacing(_ first: UInt8, _ second: UInt8, with code: UInt8, in codes: [UInt8]) -> [UInt8] {
        var replaced: [UInt8] = []
        var index = 0
        while index < codes.count {
            let isPair = codes[index] == first && index + 1 < codes.count && codes[index + 1] == second
            replaced.append(isPair ? code : codes[index])
            index += isPair ? 2 : 1
        }
        return replaced
    }

    /// The source of Sources/Diagnostics/PackedSentences.swift.
    package static var packedSource: String {
        let bytes = pack(rows).map { "0x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) + "," }
        let lines = stride(from: 0, to: bytes.count, by: 18).map { start in
            "        " + bytes[start..<min(start + 18, bytes.count)].joined(separator: " ") + "\n"
        }
        return """
            // Sources/Sentences, packed. `make sentences` writes this file.
            // swift-format-ignore-file

            extension Sentence {
                /// Two codes for each pair, then the rows, each with a 0 behind it.
                package static let packed: InlineArray<_, UInt8> = [
            \(lines.joined())    ]
            }

            """
    }
}
