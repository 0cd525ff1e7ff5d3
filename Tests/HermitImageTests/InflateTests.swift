// The parts of unpacking, tested separately: bits, codes, checksums.

@testable import HermitImage
import Bytes
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct InflateTests {
    // MARK: Bits

    /// Any numbers of bits in sequence, from every start up to the last one, against a list of single bits.
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
                    // A byte counts as read once bits have been taken from it.
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

    /// Any number of bytes from any place, in one piece or in two.
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

    // MARK: Blocks

    /// Deflated data, bit by bit.
    struct Bits {
        private(set) var bytes: [UInt8] = []
        private(set) var count = 0

        /// A number, its lowest bit first.
        mutating func put(_ number: Int, _ bits: Int) {
            for bit in 0..<bits {
                if count % 8 == 0 { bytes.append(0) }
                bytes[count / 8] |= UInt8(number >> bit & 1) << UInt8(count % 8)
                count += 1
            }
        }

        /// A code, its highest bit first.
        mutating func code(_ code: Int, _ bits: Int) { for bit in (0..<bits).reversed() { put(code >> bit, 1) } }

        /// The fixed code of a byte, the end of a block or a length (section 3.2.6).
        mutating func fixed(_ symbol: Int) {
            switch symbol {
            case ..<144: code(0x30 + symbol, 8)
            case ..<256: code(0x190 + symbol - 144, 9)
            case ..<280: code(symbol - 256, 7)
            default: code(0xc0 + symbol - 280, 8)
            }
        }

        /// The offset in a file, after a header of ten bytes, of the first byte without a written bit.
        var offset: UInt64 { 10 + UInt64(count + 7) / 8 }

        /// A file of one member with this data.
        func file(of data: [UInt8]) -> [UInt8] {
            Array(ImageWriter.gzip([])[..<10]) + bytes + littleEndian(ImageWriter.checksum(data))
                + littleEndian(UInt32(data.count))
        }

        /// The last block, with fixed codes.
        static var fixed: Bits {
            var bits = Bits()
            bits.put(1 | 1 << 1, 3)
            return bits
        }
    }

    /// All symbols of lengths, with the smallest and the largest value of their extra bits; 286 and 287 are invalid.
    @Test func `a block with fixed codes has the standard's lengths`() {
        for symbol in 257..<288 {
            let meaning = HuffmanAlphabet.literals.meaning(symbol)
            for extra in [0, 1 << meaning.extra - 1] {
                var bits = Bits.fixed
                bits.fixed(0x61)
                bits.fixed(symbol)
                guard symbol < 286 else {
                    let fault = Fault(.deflateSymbolUnknown, .offset(bits.offset))
                    #expect(Unpacked(bits.file(of: []), limit: 1000) == .fault(fault), "\(symbol)")
                    continue
                }
                bits.put(Int(extra), Int(meaning.extra))
                bits.code(0, 5)
                bits.fixed(256)
                let data = [UInt8](repeating: 0x61, count: 1 + Int(meaning.value) + Int(extra))
                #expect(Unpacked(bits.file(of: data), limit: 1000) == .bytes(data), "\(symbol) \(extra)")
            }
        }
    }

    /// All symbols of distances, some of which lead to bytes before the first; 30 and 31 are invalid.
    @Test(arguments: [0, 1, 3, 4, 5]) func `a block with fixed codes has the standard's distances`(_ known: Int) {
        for symbol in 0..<32 {
            let meaning = HuffmanAlphabet.distances.meaning(symbol)
            for extra in [0, 1 << meaning.extra - 1] {
                var bits = Bits.fixed
                let data = (0..<known).map { UInt8(0x61 + $0) }
                for byte in data { bits.fixed(Int(byte)) }
                bits.fixed(257)
                bits.code(symbol, 5)
                let distance = Int(meaning.value) + Int(extra)
                if symbol < 30 { bits.put(Int(extra), Int(meaning.extra)) }
                guard symbol < 30, distance <= known else {
                    let fault =
                        symbol < 30
                        ? Fault(.deflateDistance, .offset(bits.offset), value: UInt64(distance), limit: UInt64(known))
                        : Fault(.deflateSymbolUnknown, .offset(bits.offset))
                    // Later bytes are not read; where the last bit ends a byte, there need be none.
                    if bits.count % 8 == 0 {
                        let ended = Array(bits.file(of: []).dropLast(8))
                        #expect(Unpacked(ended, limit: 1000) == .fault(fault), "\(symbol) \(extra)")
                    }
                    bits.put(0, 64)
                    #expect(Unpacked(bits.file(of: []), limit: 1000) == .fault(fault), "\(symbol) \(extra)")
                    continue
                }
                bits.fixed(256)
                let all = (0..<3).reduce(into: data) { bytes, _ in bytes.append(bytes[bytes.count - distance]) }
                #expect(Unpacked(bits.file(of: all), limit: 1000) == .bytes(all), "\(symbol) \(extra)")
            }
        }
    }

    /// A block with dynamic codes: their numbers, the code lengths of the length alphabet, and the lengths in that alphabet.
    static func dynamic(
        literals: Int, distances: Int, lengths: [Int: Int],
        _ write: (inout Bits, [Int: (code: Int, length: Int)]) -> Void
    ) -> Bits {
        var bits = Bits()
        bits.put(1 | 2 << 1, 3)
        bits.put(literals - 257, 5)
        bits.put(distances - 1, 5)
        bits.put(15, 4)
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
            bits.put(lengths[symbol] ?? 0, 3)
        }
        var codes: [Int: (code: Int, length: Int)] = [:]
        var code = 0
        for length in 1...7 {
            for symbol in 0..<19 where lengths[symbol] == length {
                codes[symbol] = (code, length)
                code += 1
            }
            code <<= 1
        }
        write(&bits, codes)
        return bits
    }

    /// Lengths as steps: a symbol of the length alphabet, and its extra bits.
    private static func block(literals: Int, distances: Int, _ steps: [(symbol: Int, extra: Int)], data: [UInt8]? = nil)
        -> Unpacked
    {
        let bits = dynamic(
            literals: literals, distances: distances, lengths: [0: 3, 1: 3, 2: 3, 8: 3, 16: 3, 17: 3, 18: 2]
        ) { bits, codes in
            for (symbol, extra) in steps {
                guard let code = codes[symbol] else { return }
                bits.code(code.code, code.length)
                bits.put(extra, symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0)
            }
            // With one code of one bit for a byte, and one for the end.
            if let data {
                for _ in data { bits.put(0, 1) }
                bits.put(1, 1)
            } else {
                bits.put(0, 64)
            }
        }
        return Unpacked(bits.file(of: data ?? []), limit: 100)
    }

    /// 257 lengths of literals, of which the first and the last have one-bit codes, and then those of distances.
    @Test func `the number of code lengths is the block's`() {
        let two: [(Int, Int)] = [(1, 0), (18, 127), (18, 106), (1, 0)]
        let data = [UInt8](repeating: 0, count: 3)
        let fault = Unpacked.fault(Fault(.deflateCodeLengths, .offset(11)))
        // No code for a distance, one, and two; at most 30 of them.
        #expect(Self.block(literals: 257, distances: 1, two + [(0, 0)], data: data) == .bytes(data))
        #expect(Self.block(literals: 257, distances: 1, two + [(1, 0)], data: data) == .bytes(data))
        #expect(Self.block(literals: 257, distances: 1, two + [(2, 0)]) == fault, "one code of two bits")
        #expect(Self.block(literals: 257, distances: 2, two + [(1, 0), (1, 0)], data: data) == .bytes(data))
        #expect(Self.block(literals: 257, distances: 2, two + [(16, 0)]) == fault, "one length too many")
        #expect(Self.block(literals: 257, distances: 3, two + [(16, 0)]) == fault, "three codes of one bit")
        #expect(Self.block(literals: 257, distances: 3, two + [(17, 0)], data: data) == .bytes(data))
        #expect(Self.block(literals: 257, distances: 3, two + [(17, 1)]) == fault, "one zero too many")
        #expect(Self.block(literals: 257, distances: 30, two + [(18, 19)], data: data) == .bytes(data))
        #expect(Self.block(literals: 257, distances: 30, two + [(18, 20)]) == fault)
        #expect(Self.block(literals: 257, distances: 31, two + [(18, 20)]) == fault, "31 distances")
        #expect(Self.block(literals: 257, distances: 32, two + [(18, 21)]) == fault, "32 distances")
        #expect(Self.block(literals: 286, distances: 1, two + [(18, 19)], data: data) == .bytes(data))
        #expect(Self.block(literals: 287, distances: 1, two + [(18, 20)]) == fault, "287 literals")
        #expect(Self.block(literals: 288, distances: 1, two + [(18, 21)]) == fault, "288 literals")
        // There is no length to repeat yet, or the end has no code.
        #expect(Self.block(literals: 257, distances: 1, [(16, 0)]) == fault)
        #expect(Self.block(literals: 257, distances: 1, [(1, 0), (1, 0), (18, 127), (18, 107)]) == fault, "no end")
        // A single code of one bit, for the end.
        let end = Self.dynamic(literals: 257, distances: 1, lengths: [0: 2, 1: 2, 18: 1]) { bits, codes in
            for (symbol, extra) in [(18, 127), (18, 107), (1, 0), (0, 0)] {
                bits.code(codes[symbol]!.code, codes[symbol]!.length)
                bits.put(extra, symbol == 18 ? 7 : 0)
            }
            bits.put(0, 1)
        }
        #expect(Unpacked(end.file(of: []), limit: 10) == .bytes([]))
        // Incomplete or oversubscribed codes of the length alphabet: a single code is not enough there.
        for lengths in [[0: 1], [0: 2, 1: 2, 18: 2], [0: 1, 1: 1, 18: 1], [:]] as [[Int: Int]] {
            let bits = Self.dynamic(literals: 257, distances: 1, lengths: lengths) { bits, _ in bits.put(0, 64) }
            #expect(Unpacked(bits.file(of: []), limit: 10) == fault, "\(lengths)")
        }
    }

    // MARK: Codes

    /// The bases and the numbers of extra bits of RFC 1951, section 3.2.5.
    @Test func `symbols have the standard's bases and extra bits`() {
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

    /// Random code lengths, most of them of complete codes: incomplete and oversubscribed codes are refused.
    @Test func `complete codes are accepted, and decoded by the standard`() {
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
            // Sometimes one length is changed.
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

    /// Looks up all 15-bit numbers, and compares with the codes that section 3.2.2 assigns.
    private func check(_ alphabet: HuffmanAlphabet, _ table: [UInt32], _ lengths: [UInt8]) -> Bool {
        var symbols = [Int](repeating: -1, count: 1 << 16)
        var code = 0
        for length in 1...15 {
            for (symbol, own) in lengths.enumerated() where own == length {
                // With a leading bit, codes of different lengths differ.
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
