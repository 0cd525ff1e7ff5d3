// Checked writing: nothing outside the region changes.

import Bytes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ByteRegionTests {
    /// Runs `body` on a region of 32 bytes at address 0x1000 with 16 other bytes on each side, all 0xcc before; returns
    /// the region's bytes, and whether the others are unchanged.
    static func region(_ body: (inout ByteRegion) -> Void) -> (inside: [UInt8], outsideIsIntact: Bool) {
        var bytes = [UInt8](repeating: 0xcc, count: 64)
        do {
            var span = bytes.mutableSpan
            var whole = span.mutableBytes
            var region = ByteRegion(whole._mutatingExtracting(16..<48), at: 0x1000)
            body(&region)
        }
        let outside = bytes[..<16] + bytes[48...]
        return (Array(bytes[16..<48]), outside.allSatisfy { $0 == 0xcc })
    }

    static let untouched = [UInt8](repeating: 0xcc, count: 32)
    static let edges: [UInt64] = [
        0, 0xfff, 0x1000, 0x1001, 0x1017, 0x1018, 0x1019, 0x101f, 0x1020, 0x1021, 0x2000, .max - 7, .max,
    ]

    @Test(arguments: edges) func `storing and loading stop at both ends`(_ address: UInt64) {
        let fits = address >= 0x1000 && address <= 0x1018
        var stored = false
        var loaded: UInt64?
        var added = false
        let result = Self.region { region in
            stored = region.store(0x1122_3344_5566_7788 as UInt64, at: address)
            added = region.add(1, at: address)
            loaded = region.load(UInt64.self, at: address)
        }
        #expect(stored == fits)
        #expect(added == fits)
        #expect(loaded == (fits ? 0x1122_3344_5566_7789 : nil))
        #expect(result.outsideIsIntact)
        var expected = Self.untouched
        if fits { expected.put(0x1122_3344_5566_7789 as UInt64, at: Int(address - 0x1000)) }
        #expect(result.inside == expected)
    }

    @Test(arguments: edges, [0, 1, 8, 31, 32, 33, .max] as [UInt64])
    func `clearing stops at both ends`(_ address: UInt64, _ size: UInt64) {
        let fits = address >= 0x1000 && address <= 0x1020 && size <= 0x1020 - min(address, 0x1020)
        var cleared = false
        let result = Self.region { cleared = $0.clear(address, size: size) }
        #expect(cleared == fits)
        #expect(result.outsideIsIntact)
        var expected = Self.untouched
        if fits { for offset in 0..<Int(size) { expected[Int(address - 0x1000) + offset] = 0 } }
        #expect(result.inside == expected)
    }

    @Test(arguments: edges, [0, 1, 8, 31, 32, 33] as [Int])
    func `copying stops at both ends`(_ address: UInt64, _ size: Int) {
        let fits = address >= 0x1000 && address <= 0x1020 && UInt64(size) <= 0x1020 - min(address, 0x1020)
        let source = (0..<size).map { UInt8($0 + 1) }
        var copied = false
        let result = Self.region { copied = $0.copy(ByteView(source.span.bytes), to: address) }
        #expect(copied == fits)
        #expect(result.outsideIsIntact)
        var expected = Self.untouched
        if fits { expected.replaceSubrange(Int(address - 0x1000)..<Int(address - 0x1000) + size, with: source) }
        #expect(result.inside == expected)
    }

    @Test func `a part has its own ends`() {
        var stored: [Bool] = []
        let result = Self.region { region in
            guard var part = region.part(0x1008, size: 8) else {
                Issue.record("there is no such part")
                return
            }
            stored = [
                part.store(1 as UInt8, at: 0x1007), part.store(1 as UInt8, at: 0x1008),
                part.store(1 as UInt8, at: 0x100f), part.store(1 as UInt8, at: 0x1010),
            ]
        }
        #expect(stored == [false, true, true, false])
        var expected = Self.untouched
        expected[8] = 1
        expected[15] = 1
        #expect(result.inside == expected)
        var none = true
        _ = Self.region { none = $0.part(0x1008, size: 25) == nil && $0.part(0xfff, size: 1) == nil }
        #expect(none)
    }

    @Test(arguments: 0...20 as ClosedRange<UInt64>)
    func `filling writes exactly the requested words`(_ count: UInt64) {
        var bytes = [UInt8](repeating: 0xee, count: 168)
        var filled: [UInt64?] = []
        do {
            var span = bytes.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0x1000)
            filled = [
                region.fill(at: 0x1008, first: 7, step: 3, count: count),
                region.fill(at: 0x1000, first: 1, step: 1, count: 22),
                region.fill(at: 0xff8, first: 1, step: 1, count: 1),
                region.fill(at: 0x1000, first: 1, step: 1, count: 1 << 61),
            ]
        }
        let written = (0..<count).flatMap { littleEndian(7 + 3 * $0) }
        let untouched = [UInt8](repeating: 0xee, count: 160 - written.count)
        #expect(filled == [count, nil, nil, nil])
        #expect(bytes == [UInt8](repeating: 0xee, count: 8) + written + untouched)
    }

    /// Records that `storeSums` accepts, then one that it does not.
    @Test(arguments: 0...40, [0, 0x1000] as [UInt64])
    func `sums are stored up to the first record of another kind`(_ good: Int, _ start: UInt64) {
        for vouched in [0, good, 50, .max] {
            for bad in [[0x1001, 9, 1], [0xff8, 8, 1], [0x1151, 8, 1], [.max, 8, 1], [0x2000, 8, 1]] as [[UInt64]] {
                var records: [UInt64] = []
                for index in 0..<good {
                    records += [start + 1 + UInt64(index) * 8, 8, UInt64(index) * 0x0101_0101_0101]
                }
                records += [bad[0] &- 0x1000 &+ start] + bad[1...]
                for index in 0..<9 { records += [start + 1, 8, UInt64(index)] }
                let result = Self.sums(of: records, start, vouched: vouched)
                #expect(result.reached == good)
                var expected = [UInt8](repeating: 0xcc, count: 0x158 + 32)
                for index in 0..<good { expected.put(UInt64(index) * 0x0101_0101_0101 + 7, at: 17 + index * 8) }
                #expect(result.bytes == expected)
            }
        }
    }

    /// Only records in the view are read, for any promised number, even if more of the same kind follow it.
    @Test(arguments: [31, 32, 33, 40]) func `no record is read past the view's end`(_ count: Int) {
        let records = (0..<80).flatMap {
            littleEndian(UInt64($0 % 40) * 8) + littleEndian(8 as UInt64) + littleEndian(UInt64($0))
        }
        for vouched in [0, count, 64, 80, 1000] {
            var bytes = [UInt8](repeating: 0xcc, count: 40 * 8)
            var span = bytes.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0)
            let view = ByteView(records.span.bytes.extracting(0..<count * 24))
            let reached = region.storeSums(of: view, from: 0, tagged: 8, plus: 7, vouched: vouched)
            #expect(reached == count)
            for index in 0..<40 {
                let word = bytes.number(UInt64.self, at: index * 8)
                #expect(word == (index < count ? UInt64(index) + 7 : 0xcccc_cccc_cccc_cccc))
            }
        }
    }

    /// Among promised tags, in groups of 32, a wrong one is found by its lowest byte, unless that
    /// is 0; an address always.
    @Test(arguments: 0..<32) func `vouched tags do not allow a write outside`(_ index: Int) {
        var records = (0..<32 as Range<UInt64>).flatMap { [$0 * 8, 8, $0] as [UInt64] }
        for tag in [1, 5, 9, 24, 37, 0x88, 0xff] as [UInt64] {
            records[index * 3 + 1] = tag
            #expect(Self.sums(of: records, 0, vouched: 32).reached == index)
        }
        for tag in [0, 0x108, 1 << 32 | 8] as [UInt64] {
            records[index * 3 + 1] = tag
            #expect(Self.sums(of: records, 0, vouched: 32).reached == 32)
            #expect(Self.sums(of: records, 0, vouched: 31).reached == index)
        }
        records[index * 3 + 1] = 8
        for address in [0x151, 0x158, 0x1ff, 0x10000, 1 << 40, 1 << 56, 1 << 63, .max] as [UInt64] {
            records[index * 3] = address
            let result = Self.sums(of: records, 0, vouched: 32)
            #expect(result.reached == index)
            #expect(result.bytes.prefix(16) == result.bytes.suffix(16) && result.bytes[0] == 0xcc)
        }
    }

    /// Runs of ones of every length, against the sum word by word; nothing beyond the highest bit changes.
    @Test func addsWhereverABitIsSet() {
        var patterns: [UInt64] = [0, .max, .max >> 1, .max >> 2, 6]
        patterns += [0x5555_5555_5555_5555, 0xf0f0_0000_0ff0_0003, 0x8000_0000_0000_0001]
        for index in 0..<64 as Range<UInt64> {
            let bit: UInt64 = 1 << index
            patterns += [bit, bit &- 1, ~bit]
        }
        for bits in patterns {
            var bytes = (0..<66 as Range<UInt64>).flatMap { littleEndian($0 &* 0x0101_0101_0101_0101) }
            var count: UInt64?
            do {
                var span = bytes.mutableSpan
                var region = ByteRegion(span.mutableBytes, at: 0x1000)
                count = region.add(0x1234_5678_9abc_def0, at: 0x1008, wherever: bits)
            }
            #expect(count == UInt64(bits.nonzeroBitCount))
            var expected: [UInt8] = []
            for index in 0..<66 as Range<UInt64> {
                let isSet = index >= 1 && index <= 64 && bits >> (index - 1) & 1 == 1
                let added: UInt64 = isSet ? 0x1234_5678_9abc_def0 : 0
                expected += littleEndian(index &* 0x0101_0101_0101_0101 &+ added)
            }
            #expect(bytes == expected, "\(String(bits, radix: 16))")
        }
    }

    /// If the highest bit's word is not completely inside, nothing is added.
    @Test func addsNothingBeyondTheEnd() {
        var bytes = [UInt8](repeating: 0xcc, count: 31)
        do {
            var span = bytes.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0)
            #expect(region.add(1, at: 0, wherever: 0b1000) == nil)
            #expect(region.add(1, at: 1, wherever: 0b1001) == nil)
            #expect(region.add(1, at: 32, wherever: 1) == nil)
        }
        #expect(bytes.allSatisfy { $0 == 0xcc })
    }

    /// The result of `storeSums` for 344 bytes at `start`, with 16 bytes on each side.
    private static func sums(
        of records: [UInt64], _ start: UInt64, vouched: Int
    ) -> (reached: Int, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0xcc, count: 0x158 + 32)
        let guarded = GuardedBytes()
        let table = guarded.view(of: records.flatMap { littleEndian($0) })
        var reached = -1
        do {
            var span = bytes.mutableSpan
            var whole = span.mutableBytes
            var region = ByteRegion(whole._mutatingExtracting(16..<16 + 0x158), at: start)
            reached = region.storeSums(of: table, from: 0, tagged: 8, plus: 7, vouched: vouched)
        }
        return (reached, bytes)
    }

    /// LZ77's copies, byte by byte: at every place of a small region, from every distance, of every length, inside only.
    @Test func `earlier bytes are repeated inside the region`() {
        let size = 40
        let before = (0..<size + 32).map { UInt8($0) }
        var repeated = 0
        for offset in -1...size + 1 {
            for distance in [-1, 0, 1, 2, 3, 7, 8, 9, 16, offset, offset + 1] {
                for count in [
                    -1, 0, 1, 7, 8, 9, size - offset - 9, size - offset - 8, size - offset - 7, size - offset - 1,
                ]
                    + [size - offset, size - offset + 1, .max, .min]
                {
                    var bytes = before
                    var span = bytes.mutableSpan
                    var whole = span.mutableBytes
                    var region = ByteRegion(whole._mutatingExtracting(16..<16 + size), at: 0)
                    let isDone = region.repeatEarlier(at: offset, distance: distance, count: count)
                    let fits =
                        offset >= 0 && distance > 0 && distance <= offset && count > 0 && count <= size - offset
                    #expect(isDone == fits, "\(offset) \(distance) \(count)")
                    var expected = before
                    if fits {
                        repeated += 1
                        for index in 16 + offset..<16 + offset + count { expected[index] = expected[index - distance] }
                        // Up to seven bytes after the copy may change, but none after the region.
                        let free = 16 + offset + count..<min(16 + offset + count + 7, 16 + size)
                        expected.replaceSubrange(free, with: bytes[free])
                    }
                    guard bytes == expected else {
                        Issue.record("\(offset) \(distance) \(count)")
                        return
                    }
                }
            }
        }
        #expect(repeated > 1000)
    }

    /// If a range is not inside, nothing is copied; the ranges may overlap either way.
    @Test(arguments: edges, [0, 1, 8, 31, 32, 33, .max] as [UInt64])
    func `copying inside the region stops at both ends`(_ address: UInt64, _ size: UInt64) {
        let before = (0..<32).map { UInt8($0 + 1) }
        func fits(_ address: UInt64) -> Bool {
            address >= 0x1000 && address <= 0x1020 && size <= 0x1020 - min(address, 0x1020)
        }
        for source in [0xfff, 0x1000, 0x1004, 0x1010, 0x101f, 0x1020, 0x1021] as [UInt64] {
            var isCopied = false
            let result = Self.region { region in
                region.copy(ByteView(before.span.bytes), to: 0x1000)
                isCopied = region.copy(from: source, to: address, size: size)
            }
            #expect(isCopied == (fits(source) && fits(address)) && result.outsideIsIntact)
            var expected = before
            if isCopied {
                let bytes = before[Int(source - 0x1000)..<Int(source - 0x1000 + size)]
                expected.replaceSubrange(Int(address - 0x1000)..<Int(address - 0x1000 + size), with: bytes)
            }
            #expect(result.inside == expected)
        }
    }

    /// A region without bytes holds nothing, and only empty operations succeed on it.
    @Test func `an empty region holds nothing`() {
        let none: [UInt8] = []
        var region = ByteRegion(MutableRawSpan(), at: 0x1000)
        let done = [
            region.clear(0x1000, size: 0), region.copy(ByteView(none.span.bytes), to: 0x1000),
            region.copy(from: 0x1000, to: 0x1000, size: 0), region.fill(at: 0x1000, first: 0, step: 0, count: 0) == 0,
        ]
        #expect(done == [true, true, true, true])
        let failed = [
            region.clear(0x1000, size: 1), region.store(0 as UInt8, at: 0x1000), region.store(0, atOffset: 0),
            region.copy(from: 0x1000, to: 0x1000, size: 1), region.fill(at: 0x1000, first: 0, step: 0, count: 1) == 1,
            region.repeatEarlier(at: 0, distance: 1, count: 1), region.add(1, at: 0x1000),
        ]
        #expect(failed == [Bool](repeating: false, count: 7))
        #expect(region.word(at: 0x1000) == 0)
    }

    /// A region may be smaller than a word, and there may be no records, or only a part of one; none is taken from before the first.
    @Test func `sums need a whole record and a whole word`() {
        let records = (0..<4).flatMap { _ in [0, 8, 5] as [UInt64] }.flatMap { littleEndian($0) }
        for (size, first, count, reached) in [
            (7, 0, 96, 0), (8, 0, 96, 4), (0, 0, 96, 0), (8, 0, 0, 0), (8, 0, 23, 0), (8, 0, 24, 1), (8, 0, 47, 1),
            (8, 3, 96, 4), (8, 4, 96, 4), (8, 5, 96, 5), (8, -1, 96, -1), (8, 2, 60, 2), (8, 1, 60, 2),
        ] {
            for vouched in [-1, 0, 1, 40] {
                var bytes = [UInt8](repeating: 0xcc, count: 24)
                var found = 0
                do {
                    var span = bytes.mutableSpan
                    var whole = span.mutableBytes
                    var region = ByteRegion(whole._mutatingExtracting(8..<8 + size), at: 0)
                    let view = ByteView(records.span.bytes.extracting(0..<count))
                    found = region.storeSums(of: view, from: first, tagged: 8, plus: 2, vouched: vouched)
                }
                #expect(found == reached, "\(size) \(first) \(count)")
                let sum = reached > max(first, 0) ? littleEndian(7 as UInt64) : [UInt8](repeating: 0xcc, count: 8)
                let around = [UInt8](repeating: 0xcc, count: 8)
                #expect(bytes == around + sum + around)
            }
        }
    }
}
