// Damaged tables: relocation ends with a result or a fault, whatever the file contains.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct MutationTests {
    /// A small generator with a seed, so that a failure can be repeated.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            // SplitMix64.
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    /// A file with every type of linked files, in all four tables.
    static func file(hasGNUHash: Bool) -> LinkedFileWriter {
        var file = LinkedFileWriter()
        file.hasGNUHash = hasGNUHash
        file.data = [UInt8](repeating: 0x40, count: 0x800)
        file.tls = Vectors.tls
        file.symbols = [
            LinkedSymbol(name: "absolute", value: 0x40, size: 8),
            LinkedSymbol(name: "here", value: 0x4010, size: 8, shndx: 1),
            LinkedSymbol(name: "variable", value: 8, info: 0x16, shndx: 1),
            LinkedSymbol(name: "nowhere", value: 0, info: 0x20, shndx: 0),
            LinkedSymbol(name: "chosen", value: 0x4020, info: 0x1a, shndx: 1),
        ]
        var place: UInt64 = 0x4000
        for group in Vectors.all {
            let isNarrow = [2, 10, 11, 12, 13, 14, 15].contains(group.number)
            let symbols: [UInt32] =
                group.symbol == nil ? [0] : group.symbol == .threadLocal ? [3] : isNarrow ? [1] : [1, 2, 4, 5]
            for symbol in symbols {
                var relocation = LinkedRelocation(offset: place, type: group.number, symbol: symbol, addend: 0x4010)
                switch group.number {
                case 2, 13, 15: relocation.addend = file.dataAddress &+ 0x60_0000 &- 0x40 &+ (place - 0x4000)
                case 12, 14: relocation.addend = 1
                default: break
                }
                file.rela.append(relocation)
                // Except for types whose addend in place would have to be an address.
                if group.size == 8, symbol != 5, group.number != 37 {
                    file.rel.append(LinkedRelocation(offset: place + 8, type: group.number, symbol: symbol))
                }
                place += 32
            }
        }
        file.plt = [LinkedRelocation(offset: 0x47e0, type: 7, symbol: 2)]
        file.relr = [0x4700, 0xff01, 0x47f0]
        return file
    }

    @Test(arguments: [false, true]) func damagedBytes(hasGNUHash: Bool) {
        let intact = MutationTests.file(hasGNUHash: hasGNUHash).bytes
        #expect(sentence(refusal(of: intact) { $0 }, intact) == "no fault")
        // Headers, then the tables from 0x1000 on.
        let tables = 0x1000..<0x1000 + 2400
        var refused: [UInt8: Int] = [:]
        var accepted = 0
        for seed in 0..<6000 as Range<UInt64> {
            var generator = Generator(state: seed)
            var bytes = intact
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let index =
                    seed % 8 == 0
                    ? Int.random(in: 0..<0x120, using: &generator) : Int.random(in: tables, using: &generator)
                let value: UInt8 =
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: 0
                    case 1: 0xff
                    case 2: bytes[index] ^ 1 << UInt8.random(in: 0..<8, using: &generator)
                    default: .random(in: 0...255, using: &generator)
                    }
                bytes[index] = value
            }
            if seed % 5 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            // Filling an image of gigabytes would take too long.
            guard let size = try? LinkedImage(ByteView(bytes.span.bytes)).size, size < 1 << 20 else { continue }
            if let fault = refusal(of: bytes, resolve: { $0 }) {
                refused[fault.rule.rawValue, default: 0] += 1
                #expect(!sentence(fault, bytes).isEmpty)
            } else {
                accepted += 1
            }
        }
        // The damage reaches the engine: many rules are broken, and some damage does no harm.
        #expect(refused.count > 10)
        #expect(accepted > 100)
    }
}
