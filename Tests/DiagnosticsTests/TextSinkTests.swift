// Numbers and foreign text as bytes.

import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct TextSinkTests {
    static func text(_ body: (inout TextCollector) -> Void) -> String {
        var sink = TextCollector()
        body(&sink)
        return sink.text
    }

    @Test func `numbers are as Swift writes them`() {
        var random = SeededGenerator(seed: 8)
        let edges: [UInt64] = [
            0, 1, 9, 10, 15, 16, 99, 100, 255, 256, 1 << 63, .max, .max - 1, 10_000_000_000_000_000_000,
            99_999_999, 100_000_000, 100_000_001, 0xffff_ffff, 0x1_0000_0000, 9_999_999_999_999_999,
            10_000_000_000_000_000, 10_000_000_100_000_000, 0x9abc_def0_1234_5678,
        ]
        for value in edges + (0..<1000).map({ _ in random.next() >> UInt64.random(in: 0..<64, using: &random) }) {
            #expect(Self.text { $0.write(decimal: value) } == String(value))
            #expect(Self.text { $0.write(hex: value) } == "0x" + String(value, radix: 16))
        }
    }

    @Test func `foreign text cannot control a terminal, and its length is limited`() {
        let bytes = (0...255).map { UInt8($0) }
        let text = Self.text { $0.write(untrusted: bytes.span.bytes, limit: 300) }
        #expect(text.utf8.count == 256)
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
        #expect(text.contains(" !\"#$%&'()*+,-./0123456789"))
        let long = [UInt8](repeating: 0x61, count: 10)
        #expect(Self.text { $0.write(untrusted: long.span.bytes, limit: 9) } == "aaaaaaaaa...")
        #expect(Self.text { $0.write(untrusted: long.span.bytes, limit: 10) } == "aaaaaaaaaa")
    }

    @Test func `digits of a number`() {
        for value in 0...0x2ff as ClosedRange<UInt64> {
            let text = String(value, radix: 16)
            #expect(Digits.hexadecimalCount(value) == UInt64(text.utf8.count))
            #expect(Digits.hexadecimalDigit(value) == text.utf8.last)
            #expect(Digits.hexadecimalDigit(value | 0xffff_ffff_ffff_f000) == text.utf8.last)
        }
        for digits in 1...16 as ClosedRange<UInt64> {
            let last: UInt64 = .max >> (64 - 4 * digits)
            #expect(Digits.hexadecimalCount(last) == digits && Digits.hexadecimalCount(last / 2 + 1) == digits)
        }
        var random = SeededGenerator(seed: 9)
        for value in [0, 9, 10, 15, .max] + (0..<200).map({ _ in UInt32.random(in: 0 ... .max, using: &random) }) {
            let text = String(value, radix: 16)
            let bytes = Array((String(repeating: "0", count: 8 - text.count) + text).utf8)
            #expect(littleEndian(Digits.hexadecimal(value)) == bytes)
        }
    }
}
