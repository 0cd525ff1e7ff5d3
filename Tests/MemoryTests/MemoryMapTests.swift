// The memory map: order, merging, capacity, and availability.

import Memory
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MemoryMapTests {
    /// The regions of `map`, in its order.
    static func list(_ map: borrowing MemoryMap) -> [MemoryRegion] {
        let regions = map.regions
        return (0..<regions.count).map { regions[$0] }
    }

    static func region(_ start: UInt64, _ end: UInt64, _ kind: MemoryKind = .available) -> MemoryRegion {
        MemoryRegion(range: AddressRange(start, end), kind: kind)
    }

    @Test func `regions ascend, in whatever order they are added`() throws {
        let regions = [
            Self.region(0x5000, 0x6000), Self.region(0x1000, 0x2000), Self.region(0x3000, 0x4000, .reserved),
            Self.region(0, 0x800), Self.region(0x9000, 0xa000, .defective),
        ]
        var map = MemoryMap()
        for region in regions { try map.add(region.range, region.kind) }
        #expect(Self.list(map) == regions.sorted { $0.range.start < $1.range.start })
    }

    @Test func `neighbours of one kind become one`() throws {
        var map = MemoryMap()
        try map.add(AddressRange(0x1000, 0x2000), .available)
        try map.add(AddressRange(0x2000, 0x3000), .available)
        try map.add(AddressRange(0x3000, 0x4000), .reserved)
        try map.add(AddressRange(0x4000, 0x5000), .available)
        try map.add(AddressRange(0x5001, 0x6000), .available)
        #expect(
            Self.list(map) == [
                Self.region(0x1000, 0x3000), Self.region(0x3000, 0x4000, .reserved), Self.region(0x4000, 0x5000),
                Self.region(0x5001, 0x6000),
            ])
    }

    @Test func `regions of one kind become one, in whatever order they are added`() throws {
        let pieces = [AddressRange(0, 10), AddressRange(10, 20), AddressRange(20, 30), AddressRange(25, 40)]
        for order in [[0, 2, 1, 3], [2, 1, 0, 3], [3, 2, 1, 0], [3, 0, 2, 1], [1, 3, 0, 2]] {
            var map = MemoryMap()
            for index in order { try map.add(pieces[index], .available) }
            #expect(Self.list(map) == [Self.region(0, 40)], "\(order)")
        }
    }

    @Test func `empty regions do not count`() throws {
        var map = MemoryMap()
        try map.add(AddressRange(0x1000, 0x1000), .available)
        try map.add(AddressRange(0x2000, 0x1000), .available)
        let count = map.count
        #expect(count == 0)
        #expect(map.regions.topOfRAM == 0)
    }

    @Test func `there is room for 128 regions`() throws {
        var map = MemoryMap()
        for index in (0..<128).reversed() {
            try map.add(AddressRange(at: UInt64(index) * 0x2000, size: 0x1000), .available)
        }
        var found: Fault?
        do throws(Fault) { try map.add(AddressRange(0x10_0000, 0x10_0001), .reserved) } catch { found = error }
        #expect(found == Fault(.tooManyRegions, limit: 128))
        // A region that merges still fits.
        try map.add(AddressRange(at: 127 * 0x2000 + 0x1000, size: 0x1000), .available)
        #expect(Self.list(map).count == 128)
        #expect(map.regions.topOfRAM == 128 * 0x2000)
    }

    @Test func `unknown numbers are reserved`() {
        for (number, kind) in [
            (0, .reserved), (1, .available), (2, .reserved), (3, .acpiReclaimable), (4, .acpiNonVolatile),
            (5, .defective), (6, .reserved), (.max, .reserved),
        ] as [(UInt32, MemoryKind)] {
            #expect(MemoryKind(firmware: number) == kind)
        }
        #expect(
            [MemoryKind.available, .reserved, .acpiReclaimable, .acpiNonVolatile, .defective].map(\.isMapped)
                == [true, false, true, true, false])
    }

    @Test func `availability agrees with a model that examines every address`() throws {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<300 {
            let regions = Self.randomRegions(&random)
            var map = MemoryMap()
            for region in regions { try map.add(region.range, region.kind) }
            let free = Self.free(regions)
            for _ in 0..<20 {
                let start = UInt64.random(in: 0..<64, using: &random)
                let end = UInt64.random(in: start + 1...64, using: &random)
                let available = map.regions.isAvailable(AddressRange(start, end))
                #expect(available == (start..<end).allSatisfy { free[Int($0)] }, "\(regions) \(start)..<\(end)")
            }
            // A reader of the list, such as a kernel, gets the same result.
            let list = Self.list(map)
            for address in 0..<64 as Range<UInt64> {
                let kinds = list.filter { $0.range.contains(AddressRange(at: address, size: 1)) }.map(\.kind)
                #expect(free[Int(address)] == (kinds == [.available]), "\(regions) \(address)")
                let told = regions.filter { $0.range.contains(AddressRange(at: address, size: 1)) }.map(\.kind)
                #expect(Set(kinds) == Set(told.contains { $0 != .available } ? told.filter { $0 != .available } : told))
            }
            #expect(zip(list, list.dropFirst()).allSatisfy { $0.range.start <= $1.range.start })
            #expect(map.regions.topOfRAM == free.lastIndex(of: true).map { UInt64($0) + 1 } ?? 0)
        }
    }

    /// A few regions below address 64 that may overlap.
    static func randomRegions(_ random: inout SeededGenerator) -> [MemoryRegion] {
        (0..<Int.random(in: 1...6, using: &random)).map { _ in
            let start = UInt64.random(in: 0..<60, using: &random)
            return region(
                start, UInt64.random(in: start...64, using: &random),
                [.available, .available, .available, .reserved, .acpiReclaimable].randomElement(using: &random)!)
        }
    }

    /// For each address below 64 whether it is available and nothing else claims it.
    static func free(_ regions: [MemoryRegion]) -> [Bool] {
        (0..<64).map { address in
            let kinds = regions.filter { $0.range.start <= address && address < $0.range.end }.map(\.kind)
            return !kinds.isEmpty && kinds.allSatisfy { $0 == .available }
        }
    }

    /// Byte by byte: below the end lies a quarter of the memory available from the start on, some of which does not count.
    @Test func `a quarter of RAM ends where a count of all bytes ends`() throws {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<2000 {
            let regions = Self.randomRegions(&random)
            var map = MemoryMap()
            for region in regions { try map.add(region.range, region.kind) }
            let free = Self.free(regions)
            let start = UInt64.random(in: 0...64, using: &random)
            let reserve = ([0, 1, 5, 20, 60] as [UInt64]).randomElement(using: &random)!
            let all = (start..<64).filter { free[Int($0)] }
            let quarter = UInt64(all.count) > reserve ? (UInt64(all.count) - reserve) / 4 : 0
            let end = map.regions.endOfFirstQuarter(from: start, reserve: reserve)
            // At a hole, the end may be on either side.
            #expect(all.count { $0 < end } == Int(quarter), "\(regions) \(start) \(reserve)")
            #expect(end >= start)
        }
    }
}
