// What the loader says is what Sources/Sentences says.

import Diagnostics
import Foundation
import Sentences
import TestSupport
import Testing

@Suite struct SentenceTests {
    static let packedSource = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources/Diagnostics/PackedSentences.swift")

    @Test func `the packed sentences are those that are read and edited`() throws {
        let isCurrent = try String(contentsOf: Self.packedSource, encoding: .utf8) == Sentence.packedSource
        #expect(isCurrent, "Sources/Diagnostics/PackedSentences.swift is out of date: run make sentences")
    }

    @Test func `every row is unpacked as it was`() {
        let rows = Sentence.rows
        for (number, row) in rows.enumerated() { #expect(Sentence(row: number).description == row) }
        for number in rows.count..<rows.count + 3 { #expect(Sentence(row: number).description == "") }
    }

    @Test func `every rule says its own words`() {
        for rule in RuleTests.all {
            #expect(rule.sentence.description == rule.words.sentence)
            #expect(rule.advice.description == rule.words.advice)
            #expect(rule.kind == rule.words.kind)
        }
    }

    @Test func `nothing comes behind a sentence's end`() {
        var sentence = Rule.noModule.sentence
        let codes = Sentence.packed.span
        while sentence.next(codes) != 0 {}
        for _ in 0..<10 {
            let byte = sentence.next(codes)
            #expect(byte == 0)
        }
    }

    @Test func `packing halves the sentences`() {
        let rows = Sentence.rows
        let packed = Sentence.pack(rows)
        #expect(unpacked(packed) == rows)
        #expect(packed.count < rows.reduce(0) { $0 + $1.utf8.count } / 2)
    }

    @Test func `what has no pairs stays as it is`() {
        let packed = Sentence.pack(["~ !", ""])
        #expect(packed == [UInt8](repeating: 0, count: 2 * (256 - Int(Sentence.firstPair))) + [0x5f, 1, 2, 0, 0])
    }

    /// Each pair would begin with the one before it, and as many codes wait as there are pairs.
    @Test func `no more codes wait than there is room for`() {
        let rows = [String](repeating: "abcdefghijklmnopqrstuvwxyz", count: 10)
        #expect(unpacked(Sentence.pack(rows)) == rows)
    }

    /// The rows of `packed`; that pairs are of codes before their own, and few enough wait, is checked on the way.
    private func unpacked(_ packed: [UInt8]) -> [String] {
        let firstPair = Int(Sentence.firstPair)
        var rows: [String] = []
        var row: [UInt8] = []
        for start in packed[(2 * (256 - firstPair))...] {
            var waiting = [start]
            while let code = waiting.popLast() {
                let pair = 2 * (Int(code) - firstPair)
                if code == 0 {
                    rows.append(String(decoding: row, as: UTF8.self))
                    row = []
                } else if pair < 0 {
                    row.append(code + 0x1f)
                } else {
                    #expect(packed[pair] < code && packed[pair + 1] < code)
                    waiting += [packed[pair + 1], packed[pair]]
                }
                // One of them is the next.
                #expect(waiting.count <= Sentence.waitingLimit + 1)
            }
        }
        return rows
    }
}
