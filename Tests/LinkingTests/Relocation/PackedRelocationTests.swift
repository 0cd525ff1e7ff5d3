// Packed relocations (DT_RELR): the words that they relocate.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct PackedRelocationTests {
    /// The addresses in a table, decoded bit by bit as the gABI's text describes.
    static func expand(_ words: [UInt64]) -> [UInt64] {
        var addresses: [UInt64] = []
        var position: UInt64 = 0
        for word in words {
            if word % 2 == 0 {
                addresses.append(word)
                position = word + 8
            } else {
                for bit in 1...63 as ClosedRange<UInt64> where word / (1 << bit) % 2 == 1 {
                    addresses.append(position + (bit - 1) * 8)
                }
                position += 63 * 8
            }
        }
        return addresses
    }

    @Test func `packed relocations change exactly the words they stand for`() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            var writer = ELFWriter()
            let start = writer.append([UInt8](repeating: 0, count: 0x4000))
            var words: [UInt64] = []
            var position = start
            while true {
                position += UInt64.random(in: 0..<40, using: &random) * 8
                guard position + 4 * 64 * 8 < start + 0x4000 else { break }
                words.append(position)
                position += 8
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    words.append(random.next() & [random.next(), .max, 1 << 63].randomElement(using: &random)! | 1)
                    position += 63 * 8
                }
            }
            for address in stride(from: start, to: start + 0x4000, by: 8) {
                writer.put(littleEndian(address &* 3), at: address)
            }
            writer.setDynamic(writer.relrEntries(words))
            let file = writer.bytes
            let result = load(file, bias: 0x1234_5678_0000)
            #expect(result.fault == nil)
            var expected = file
            let addresses = Self.expand(words)
            for address in addresses {
                expected.put(file.number(UInt64.self, at: Int(address)) &+ 0x1234_5678_0000, at: Int(address))
            }
            #expect(result.bytes == expected)
            #expect(result.counts?[8] == UInt64(addresses.count))
        }
    }

    @Test func `packed relocations outside the image, or without an address, are reported`() {
        func file(_ words: [UInt64]) -> [UInt8] {
            var writer = ELFWriter()
            writer.setDynamic(writer.relrEntries(words))
            return writer.bytes
        }
        func fault(_ words: [UInt64]) -> Fault? { load(file(words)).fault }
        #expect(fault([3]) == Fault(.relativeRelocationMisplaced, .relocation(table: 36, index: 0)))
        #expect(fault([1]) == Fault(.relativeRelocationMisplaced, .relocation(table: 36, index: 0)))
        for (words, index, address) in [
            ([1 << 32], 0, 1 << 32), ([960, 0xffff_ffff_ffff_fffe], 1, 0xffff_ffff_ffff_fffe),
            ([960, 1 << 63 | 1], 1, nil),
        ] as [([UInt64], UInt64, UInt64?)] {
            #expect(
                fault(words)
                    == Fault(
                        .relocationOutsideImage, .relocation(table: 36, index: index), value: address ?? 968 + 62 * 8,
                        limit: UInt64(file(words).count)))
        }
    }

    /// A listing ends at a bitmap that has no address before it.
    @Test func `a list ends at a bitmap without an address`() throws {
        var file = LinkedFileWriter()
        file.relr = [3, 0x4000]
        let bytes = file.bytes
        let relocator = try Relocator(LinkedImage(ByteView(bytes.span.bytes)), bias: 0)
        var listed = relocator.listed
        #expect(
            TestSupport.fault { _ = try listed.next() }
                == Fault(.relativeRelocationMisplaced, .relocation(table: 36, index: 0)))
    }
}
