// Page tables, read back by an independent walker.

import Architecture
import Memory
import Bytes
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct PageTablesTests {
    static let base: UInt64 = 0x7_f000

    /// The result of `body` on `pages` pages of memory, which are not zero before: the memory, and the fault of `body`.
    static func build(
        pages: Int, _ body: (inout PageTables) -> Void
    ) -> (bytes: [UInt8], used: Int, fault: Fault?) {
        var bytes = [UInt8](repeating: 0xcd, count: pages * 0x1000)
        var used = 0
        var found: Fault?
        do {
            var span = bytes.mutableSpan
            var tables = PageTables(ByteRegion(span.mutableBytes, at: base))
            body(&tables)
            do throws(Fault) { try tables.checkRoom() } catch { found = error }
            used = Int(tables.size)
        }
        return (bytes, used, found)
    }

    static func pages(_ bytes: [UInt8], used: Int, skipping: Set<Int> = []) -> [MappedPage]? {
        mappedPages(root: base, skipping: skipping) { address in
            guard address >= base, address + 8 <= base + UInt64(used) else { return nil }
            return bytes.number(UInt64.self, at: Int(address - base))
        }
    }

    /// A range and the pages to map it with.
    struct Request {
        var range: AddressRange, size: PageSize

        /// The range in whole pages of that size.
        var rounded: AddressRange { range.roundedOutward(to: size.rawValue) }
    }

    static func randomRequest(_ random: inout SeededGenerator) -> Request {
        let size: PageSize = [.size4KiB, .size4KiB, .size2MiB, .size2MiB, .size1GiB].randomElement(using: &random)!
        let unit = size.rawValue
        let first = UInt64.random(in: 0..<(size == .size1GiB ? 600 : 1100), using: &random) * unit
        let count = UInt64.random(in: 1...(size == .size1GiB ? 5 : 600), using: &random) * unit
        let skew = UInt64.random(in: 0..<unit, using: &random)
        return Request(
            range: AddressRange(first + skew, first + skew + count - UInt64.random(in: 0..<unit, using: &random)),
            size: size)
    }

    @Test func `every requested page is mapped to itself, and nothing else is mapped`() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<40 {
            let requests = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.randomRequest(&random) }
            let result = Self.build(pages: 1600) { tables in
                for request in requests { tables.map(request.rounded, request.size) }
            }
            try #require(result.fault == nil)
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            #expect(mapped.allSatisfy { $0.virtual == $0.physical && $0.isWritable && $0.isExecutable })
            let found = ranges(of: mapped)
            #expect(found == Self.union(requests), "\(requests)")
            // Memory after the tables is unchanged.
            let after = result.bytes.count - result.used
            #expect(Array(result.bytes.suffix(after)) == [UInt8](repeating: 0xcd, count: after))
        }
    }

    /// The ranges of the requests, rounded outward and joined.
    static func union(_ requests: [Request]) -> [Range<UInt64>] {
        var joined: [Range<UInt64>] = []
        let rounded = requests.map { request in
            let mask = request.size.rawValue - 1
            return request.range.start & ~mask..<(request.range.end + mask) & ~mask
        }
        for range in rounded.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, last.upperBound >= range.lowerBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }

    @Test func `a request uses pages of its size, and at most the predicted number of tables`() throws {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<40 {
            let request = Self.randomRequest(&random)
            let result = Self.build(pages: 1600) { tables in
                tables.map(request.rounded, request.size)
            }
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            #expect(mapped.allSatisfy { $0.size == request.size.rawValue })
            #expect(UInt64(result.used) == 0x1000 * (1 + PageTables.tableCount(for: request.rounded, request.size)))
        }
    }

    /// Ranges, and the number of tables that pages of a size need for them.
    static let tableCounts: [(start: UInt64, end: UInt64, size: PageSize, count: UInt64)] = [
        (0, 0x4000_0000, .size2MiB, 2), (0, 0x4000_0000, .size4KiB, 514), (0, 0x80_0000_0000, .size1GiB, 1),
        (0, 0x80_0000_0001, .size1GiB, 2), (0x3fff_ffff, 0x4000_0001, .size2MiB, 3),
        (0x1f_f000, 0x20_0000, .size4KiB, 3), (0x1f_f000, 0x20_1000, .size4KiB, 4), (5, 5, .size4KiB, 0),
    ]

    /// A range that ends at a table's last address needs no table after it.
    @Test(arguments: tableCounts)
    func `tables are counted from the first address to the last`(
        _ row: (start: UInt64, end: UInt64, size: PageSize, count: UInt64)
    ) {
        #expect(PageTables.tableCount(for: AddressRange(row.start, row.end), row.size) == row.count)
    }

    @Test func `a walk finds addresses in pages of every size, and nothing between them`() throws {
        let result = Self.build(pages: 16) { tables in
            tables.map(AddressRange(0x1000, 0x3000), .size4KiB)
            tables.map(AddressRange(0x40_0000, 0x80_0000), .size2MiB)
            tables.map(AddressRange(1 << 30, 3 << 30), .size1GiB)
        }
        try #require(result.fault == nil)
        let walk = PageWalk(ByteView(result.bytes.span.bytes), origin: Self.base, root: Self.base)
        for address in [0x1000, 0x2fff, 0x40_0000, 0x7f_ffff, 0x4000_0000, 0x5234_5678, 0xbfff_ffff] as [UInt64] {
            let found = walk.physicalAddress(of: address)
            #expect(found == address)
        }
        for address in [0, 0xfff, 0x3000, 0x3f_ffff, 0x80_0000, 0x3fff_ffff, 0xc000_0000, 1 << 39] as [UInt64] {
            let found = walk.physicalAddress(of: address)
            #expect(found == nil)
        }
    }

    /// Addresses of the upper half have their sign bits set, which belong to no index.
    @Test func `a walk translates addresses of the upper half`() {
        var memory = [UInt8](repeating: 0, count: 0x4000)
        memory.put(0x1003 as UInt64, at: 511 * 8)
        memory.put(0x2003 as UInt64, at: 0x1000 + 510 * 8)
        memory.put(0x3003 as UInt64, at: 0x2000 + 3 * 8)
        memory.put(0x1234_5003 as UInt64, at: 0x3000 + 511 * 8)
        let walk = PageWalk(ByteView(memory.span.bytes), origin: 0, root: 0)
        let start = 0xffff_ff80_0000_0000 | 510 << 30 | 3 << 21 | 511 << 12 as UInt64
        for offset in [0, 1, 0xfff] as [UInt64] {
            let found = walk.physicalAddress(of: start + offset)
            #expect(found == 0x1234_5000 + offset)
        }
        let (before, after) = (walk.physicalAddress(of: start - 1), walk.physicalAddress(of: start + 0x1000))
        #expect(before == nil && after == nil)
    }

    @Test func `a lack of room is reported, and nothing is written past it`() {
        for pages in 1...3 {
            let result = Self.build(pages: pages) { tables in
                tables.map(AddressRange(0, 0x1000), .size4KiB)
            }
            #expect(result.fault == Fault(.pageTableRoom, value: UInt64(pages)))
        }
        let enough = Self.build(pages: 4) { tables in
            tables.map(AddressRange(0, 0x1000), .size4KiB)
        }
        #expect(enough.fault == nil)
    }

    /// Less than a page is no room for a table: it is cleared and reported.
    @Test(arguments: [0, 8, 0x800, 0xfff]) func `less than a page is no table`(_ size: Int) {
        var bytes = [UInt8](repeating: 0xcd, count: size + 16)
        var found: Fault?
        do {
            var span = bytes.mutableSpan
            var whole = span.mutableBytes
            var tables = PageTables(ByteRegion(whole._mutatingExtracting(0..<size), at: Self.base))
            tables.map(AddressRange(0, 0x1000), .size4KiB)
            do throws(Fault) { try tables.checkRoom() } catch { found = error }
        }
        #expect(found == Fault(.pageTableRoom, value: 0))
        #expect(bytes == [UInt8](repeating: 0, count: size) + [UInt8](repeating: 0xcd, count: 16))
    }

    /// Small pages, then large ones over and around them, then small ones again: the last access counts, even if the first small pages had
    /// a table of their own.
    @Test func `small pages that large ones replaced are mapped anew`() throws {
        let small = AddressRange(0x60_0000, 0x60_1000)
        for large in [AddressRange(0x20_0000, 0xa0_0000), AddressRange(0x60_0000, 0x80_0000), AddressRange(0, 1 << 30)]
        {
            let result = Self.build(pages: 16) { tables in
                tables.map(small, .size4KiB, .data)
                tables.map(large, .size2MiB, .data)
                tables.map(small, .size4KiB, .code)
            }
            try #require(result.fault == nil)
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            #expect(ranges(of: mapped) == [large.start..<large.end])
            let own = try #require(mapped.first { $0.virtual <= small.start && small.start - $0.virtual < $0.size })
            #expect(own.size == 0x1000 && own.isExecutable && !own.isWritable)
            #expect(mapped.allSatisfy { $0.virtual == small.start || $0.isWritable && !$0.isExecutable })
        }
    }

    @Test func `smaller pages do not replace a larger one`() throws {
        for gigabyte in 0..<4 as Range<UInt64> {
            let range = AddressRange(at: gigabyte << 30, size: 1 << 30)
            let result = Self.build(pages: 8) { tables in
                tables.map(range, .size1GiB)
                tables.map(range, .size2MiB)
                tables.map(AddressRange(range.start + 0x1000, range.end), .size4KiB)
            }
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            #expect(mapped.map(\.size) == [1 << 30])
        }
    }

    /// A page whose access changes as a whole stays one page, and needs no table.
    @Test(arguments: [PageSize.size2MiB, .size1GiB]) func `a large page that gets another access stays large`(
        _ size: PageSize
    ) throws {
        let range = AddressRange(at: 0x4000_0000, size: 2 * size.rawValue)
        let once = Self.build(pages: 8) { $0.map(range, size, .data) }
        for access in [PageAccess.all, .data, .code, .none] {
            let twice = Self.build(pages: 8) { tables in
                tables.map(range, size, .data)
                tables.map(AddressRange(at: range.start, size: size.rawValue), size, access)
            }
            #expect(twice.used == once.used)
            let mapped = try #require(Self.pages(twice.bytes, used: twice.used))
            #expect(mapped.map(\.size) == [size.rawValue, size.rawValue])
            #expect(mapped[0].isWritable == access.isWritable && mapped[0].isExecutable == access.isExecutable)
            #expect(mapped[1].isWritable && !mapped[1].isExecutable)
        }
    }

    @Test func `a range without bytes maps nothing`() throws {
        let result = Self.build(pages: 8) { tables in
            tables.map(AddressRange(1 << 47 + 0x1000, 1 << 47 + 0x1000), .size2MiB)
        }
        #expect(Self.pages(result.bytes, used: result.used) == [])
        // Nor if its pages, rounded outward, would be one.
        for address in [0, 1, 0x1800, 0x1fff, 0x40_0000, 0x40_0001, 1 << 47 - 1] as [UInt64] {
            for size in [PageSize.size4KiB, .size2MiB, .size1GiB] {
                let result = Self.build(pages: 8) { $0.map(AddressRange(address, address), size) }
                #expect(Self.pages(result.bytes, used: result.used) == [] && result.used == 0x1000)
            }
        }
    }

    @Test func `a recursive PML4 points to itself`() throws {
        let result = Self.build(pages: 8) { tables in
            tables.map(AddressRange(0x20_0000, 0x40_0000), .size2MiB)
            tables.makeRecursive()
        }
        #expect(result.bytes.number(UInt64.self, at: 511 * 8) == Self.base | 3)
        let mapped = try #require(Self.pages(result.bytes, used: result.used, skipping: [511]))
        #expect(ranges(of: mapped) == [0x20_0000..<0x40_0000])
    }

    @Test func `PDPT and first PD follow the PML4`() {
        let result = Self.build(pages: 8) { tables in
            tables.map(AddressRange(0, 0x1000), .size4KiB)
        }
        #expect(result.bytes.number(UInt64.self, at: 0) == Self.base + 0x1000 | 3)
        #expect(result.bytes.number(UInt64.self, at: 0x1000) == Self.base + 0x2000 | 3)
    }

    @Test func `pages are as large as possible`() throws {
        var random = SeededGenerator(seed: 6)
        for _ in 0..<40 {
            let size: PageSize = [.size4KiB, .size2MiB, .size1GiB].randomElement(using: &random)!
            let start = UInt64.random(in: 0..<1 << 20, using: &random) << 12
            let range = AddressRange(start, start + UInt64.random(in: 1...3 << 18, using: &random) << 12)
            guard size != .size4KiB || range.size < 1 << 30 else { continue }
            let result = Self.build(pages: 600) { tables in tables.map(range, size) }
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            var expected: [UInt64] = []
            var address = range.start
            while address < range.end {
                let fitting = [0x4000_0000, 0x20_0000, 0x1000].first {
                    $0 <= size.rawValue && address % $0 == 0 && $0 <= range.end - address
                }!
                expected.append(fitting)
                address += fitting
            }
            #expect(mapped.map(\.size) == expected)
        }
    }

    @Test func `the upper half of the address space stays empty`() throws {
        let result = Self.build(pages: 8) { tables in
            tables.map(AddressRange(1 << 47 - 0x40_0000, 1 << 47 + 0x40_0000), .size2MiB)
            tables.map(AddressRange(1 << 48, .max), .size1GiB)
        }
        #expect(result.fault == nil)
        let mapped = try #require(Self.pages(result.bytes, used: result.used))
        #expect(ranges(of: mapped) == [1 << 47 - 0x40_0000..<1 << 47])
    }

    /// Pages of every size, then ranges with another access, compared page by page with a model that keeps a list.
    @Test func `a range that is mapped again has its new access, and the rest keeps its own`() throws {
        var random = SeededGenerator(seed: 5)
        let accesses: [PageAccess] = [.all, .data, .code, PageAccess(isWritable: false, isExecutable: false)]
        var splits = 0
        for _ in 0..<40 {
            let size: PageSize = [.size4KiB, .size2MiB, .size1GiB].randomElement(using: &random)!
            let start = UInt64.random(in: 0..<3, using: &random) << 30
            let whole = AddressRange(at: start, size: size == .size1GiB ? 2 << 30 : 24 << 20)
            let parts = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                let first = whole.start + UInt64.random(in: 0..<24 << 20, using: &random)
                let aligned = Bool.random(using: &random) ? first & ~0x1f_ffff : first
                let length = [1, 0x1000, 0x5001, 0x20_0000, 0x60_0000].randomElement(using: &random)! as UInt64
                return (
                    range: AddressRange(aligned, min(aligned + length, whole.end)),
                    access: accesses.randomElement(using: &random)!
                )
            }
            let result = Self.build(pages: 64) { tables in
                tables.map(whole, size, .data)
                for part in parts { tables.map(part.range, .size2MiB, part.access) }
            }
            try #require(result.fault == nil)
            let mapped = try #require(Self.pages(result.bytes, used: result.used))
            #expect(ranges(of: mapped) == [whole.start..<whole.end])
            splits += mapped.contains { $0.size < size.rawValue } ? 1 : 0
            for page in mapped {
                // Every 4 KiB of the range; of larger pages those at both ends and around every border.
                var probes = Set([page.virtual, page.virtual + page.size - 0x1000])
                for part in parts {
                    for border in [part.range.start, part.range.end] {
                        let near = [border & ~0xfff, (border & ~0xfff) &- 0x1000, (border + 0xfff) & ~0xfff]
                        probes.formUnion(near.filter { $0 >= page.virtual && $0 - page.virtual < page.size })
                    }
                }
                for probe in probes {
                    let last = parts.last {
                        $0.range.roundedOutward(to: 0x1000).contains(AddressRange(at: probe, size: 1))
                    }
                    let expected = last?.access ?? .data
                    #expect(
                        page.virtual == page.physical && page.isWritable == expected.isWritable
                            && page.isExecutable == expected.isExecutable,
                        "\(parts) \(page) \(String(probe, radix: 16))")
                }
            }
        }
        #expect(splits > 20)
    }
}
