// The pieces of unpacking, each by itself: bits, codes, checksums.

@testable import HermitImage
import Bytes
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct InflateTests {
    // MARK: Bits

    /// Bits of any number, one after the other, from every start and up to the last one, against a list of single bits.
    @Test func `bits are taken lowest first`() throws {
        var random = SeededGenerator(seed: 41)
        for size in 0...20 {
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            let bits = bytes.flatMap { byte in (0..<8).map { Int(byte >> $0 & 1) } }
            for _ in 0..<20 {
                let start = Int.random(in: 0...size, using: &random)
                var reader = BitReader(ByteView(bytes.span), at: UInt64(start))
                var position = start * 8
                while true {
                    if Int.random(in: 0..<4, using: &random) == 0 { reader.refill() }
                    // A byte of which bits have been taken is done with.
                    let place = reader.offset
                    #expect(place == UInt64(position + 7) / 8)
                    if Int.random(in: 0..<12, using: &random) == 0 {
                        position = (position + 7) / 8 * 8
                        reader.align()
                        let found = (reader.position, reader.count)
                        #expect(found == (UInt64(position / 8), 0))
                    }
                    let length = Int.random(in: 0...16, using: &random)
                    let left = bits.count - position
                    var value: Int?
                    let fault = fault { value = try reader.take(UInt64(length)) }
                    guard length <= left else {
                        #expect(fault == Fault(.gzipTruncated, value: UInt64(size)))
                        break
                    }
                    let expected = bits[position..<position + length].reversed().reduce(0) { $0 << 1 | $1 }
                    #expect(value == expected, "\(position) \(length)")
                    position += length
                }
            }
        }
    }

    // MARK: Checksums

    /// Bytes of any number from any place, in one piece or in two.
    @Test func `a checksum is that of the bytes between two places`() {
        let bytes = (0..<64).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        let view = ByteView(bytes.span)
        var tables = ChecksumTables()
        for start in 0...20 {
            for end in start...60 {
                let expected = ImageWriter.checksum(Array(bytes[start..<end]))
                let whole = tables.extend(0, view, from: UInt64(start), to: UInt64(end))
                let middle = (start + end) / 2
                let first = tables.extend(0, view, from: UInt64(start), to: UInt64(middle))
                let both = tables.extend(first, view, from: UInt64(middle), to: UInt64(end))
                #expect(whole == expected && both == expected, "\(start) \(end)")
            }
        }
    }

    // MARK: Codes

    /// The bases and the numbers of extra bits of RFC 1951, section 3.2.5.
    @Test func `symbols have the standard's meanings`() {
        let lengths = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
            227, 258,
        ]
        let lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
        let distances = [
            1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
            6145,
            8193, 12289, 16385, 24577,
        ]
        let distanceBits = [0, 0, 0, 0] + (1...13).flatMap { [$0, $0] }
        for symbol in 0..<320 {
            let entry = HuffmanAlphabet.literals.meaning(symbol)
            if symbol < 256 {
                #expect(entry.isLiteral && entry.value & 0xff == UInt32(symbol))
            } else if symbol == 256 {
                #expect(!entry.isLiteral && entry.isSpecial && !entry.isUnknown && !entry.isTable)
            } else if symbol < 286 {
                #expect(!entry.isLiteral && !entry.isSpecial && !entry.isTable)
                #expect(entry.value == UInt32(lengths[symbol - 257]) && entry.extra == UInt64(lengthBits[symbol - 257]))
            } else {
                #expect(!entry.isLiteral && entry.isSpecial && entry.isUnknown)
            }
            let distance = HuffmanAlphabet.distances.meaning(symbol)
            if symbol < 30 {
                #expect(distance.value == UInt32(distances[symbol]) && distance.extra == UInt64(distanceBits[symbol]))
                #expect(!distance.isLiteral && !distance.isSpecial)
            } else {
                #expect(distance.isSpecial && distance.isUnknown)
            }
        }
    }

    /// Random lengths of codes, most of them of complete ones: those are taken that leave no code over, and no two for one.
    @Test func `codes are taken where they are complete, and mean what the standard says`() {
        var random = SeededGenerator(seed: 43)
        var (taken, deep) = (0, 0)
        for round in 0..<150 {
            let alphabet: HuffmanAlphabet = [.lengths, .literals, .distances][round % 3]
            let count = alphabet == .lengths ? 19 : alphabet == .literals ? 286 : 30
            let limit = alphabet == .lengths ? 7 : 15
            // Leaves that are split until there are enough.
            var leaves = [0]
            let wanted = Int.random(in: 1...count, using: &random)
            let isDeep = Bool.random(using: &random)
            while leaves.count < wanted {
                let index =
                    isDeep
                    ? leaves.indices.max { leaves[$0] < leaves[$1] }! : leaves.indices.randomElement(using: &random)!
                guard leaves[index] < limit else {
                    guard let other = leaves.indices.filter({ leaves[$0] < limit }).randomElement(using: &random) else {
                        break
                    }
                    leaves.append(leaves[other] + 1)
                    leaves[other] += 1
                    continue
                }
                leaves.append(leaves[index] + 1)
                leaves[index] += 1
            }
            if leaves == [0] { leaves = [1] }
            var lengths = [UInt8](repeating: 0, count: count)
            for (place, leaf) in zip(Array(0..<count).shuffled(using: &random), leaves) { lengths[place] = UInt8(leaf) }
            // Now and then one is another.
            if Int.random(in: 0..<4, using: &random) == 0 {
                lengths[Int.random(in: 0..<count, using: &random)] = UInt8.random(in: 0...UInt8(limit), using: &random)
            }
            let used = lengths.filter { $0 > 0 }
            let sum = used.reduce(0) { $0 + 1 << (15 - Int($1)) }
            let isAlone = used == [1] && alphabet != .lengths || used.isEmpty && alphabet == .distances
            var table = [UInt32](repeating: 0, count: alphabet == .lengths ? 128 : alphabet == .literals ? 2048 : 512)
            var span = table.mutableSpan
            let isTaken = alphabet.fill(&span, lengths.span)
            #expect(isTaken == (sum == 1 << 15 || isAlone), "\(lengths)")
            guard isTaken else { continue }
            taken += 1
            if used.max() ?? 0 > alphabet.bits { deep += 1 }
            guard check(alphabet, table, lengths) else {
                Issue.record("\(lengths)")
                return
            }
        }
        #expect(taken > 70 && deep > 15, "\(taken) \(deep)")
    }

    /// Looks all numbers of 15 bits up, and compares with the codes as section 3.2.2 gives them out.
    private func check(_ alphabet: HuffmanAlphabet, _ table: [UInt32], _ lengths: [UInt8]) -> Bool {
        var symbols = [Int](repeating: -1, count: 1 << 16)
        var code = 0
        for length in 1...15 {
            for (symbol, own) in lengths.enumerated() where own == length {
                // With a bit more in front, codes of different lengths differ.
                symbols[1 << length | code] = symbol
                code += 1
            }
            code <<= 1
        }
        for number in 0..<1 << 15 {
            // The first bit of a code is the lowest of the number.
            var found: (symbol: Int, length: Int)?
            var prefix = 1
            for length in 1...15 {
                prefix = prefix << 1 | number >> (length - 1) & 1
                if symbols[prefix] >= 0 {
                    found = (symbols[prefix], length)
                    break
                }
            }
            var entry = HuffmanEntry(table[number & (1 << alphabet.bits - 1)])
            var dropped = entry.length
            if entry.isTable {
                let rest = number >> alphabet.bits & (1 << Int(entry.extra) - 1)
                entry = HuffmanEntry(table[Int(entry.value) + rest])
                dropped += entry.length
            }
            guard let found else {
                guard entry.isSpecial && entry.isUnknown else { return false }
                continue
            }
            let meaning = alphabet.meaning(found.symbol)
            guard entry.word & ~0x1f == meaning.word, dropped == UInt64(found.length) else { return false }
        }
        return true
    }
}
