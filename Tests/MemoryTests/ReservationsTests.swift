// The search for room, against a model that tries every address.

import Memory
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ReservationsTests {
    @Test func `there is room for 64 reservations`() throws {
        var reservations = Reservations()
        for index in 0..<64 { try reservations.add(AddressRange(at: UInt64(index), size: 1), .loader) }
        try reservations.add(AddressRange(9, 9), .loader)
        var found: Fault?
        do throws(Fault) { try reservations.add(AddressRange(at: 1, size: 1), .loader) } catch { found = error }
        #expect(found == Fault(.tooManyReservations, limit: 64))
    }

    /// Only the given reservation changes, from its first address to its last.
    @Test func `only a reservation's own purpose changes`() throws {
        let ranges = [
            AddressRange(0x1000, 0x2000), AddressRange(0x1000, 0x3000), AddressRange(0, 0x2000),
            AddressRange(0x1001, 0x2000),
            AddressRange(0x1000, 0x2000),
        ]
        var reservations = Reservations()
        for range in ranges { try reservations.add(range, .module) }
        reservations.change(AddressRange(0x1000, 0x2000), to: .transient)
        reservations.change(AddressRange(0x1000, 0x1fff), to: .image)
        let purposes = (0..<reservations.count).map { reservations.all[$0].purpose }
        #expect(purposes == [.transient, .module, .module, .module, .transient])
        var copy = Reservations()
        copy.copy(reservations.all)
        #expect((0..<copy.count).map { copy.all[$0] } == (0..<reservations.count).map { reservations.all[$0] })
    }

    @Test func `a reservation keeps its purpose`() throws {
        var reservations = Reservations()
        let all: [Purpose] = [.loader, .module, .firmware, .transient, .image, .handoff]
        for (index, purpose) in all.enumerated() {
            try reservations.add(AddressRange(at: UInt64(index) * 2, size: 1), purpose)
        }
        #expect((0..<reservations.count).map { reservations.all[$0].purpose } == all)
    }

    @Test func `room is the lowest place that a search of every address finds`() throws {
        var random = SeededGenerator(seed: 2)
        var hits = 0
        for _ in 0..<3000 {
            let regions = MemoryMapTests.randomRegions(&random)
            var map = MemoryMap()
            for region in regions { try map.add(region.range, region.kind) }
            var reservations = Reservations()
            var free = MemoryMapTests.free(regions)
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let start = UInt64.random(in: 0..<64, using: &random)
                let range = AddressRange(at: start, size: UInt64.random(in: 0...8, using: &random))
                try reservations.add(range, .module)
                for address in range.start..<min(range.end, 64) { free[Int(address)] = false }
            }
            let window = AddressRange(
                UInt64.random(in: 0..<40, using: &random), UInt64.random(in: 20...64, using: &random))
            let size = UInt64.random(in: 1...20, using: &random)
            let alignment: UInt64 = [1, 2, 4, 8, 16].randomElement(using: &random)!

            // Room lies inside one region of the map.
            let listed = MemoryMapTests.list(map).filter { $0.kind == .available }.map(\.range)
            let expected = (0..<64 as Range<UInt64>).first { start in
                start % alignment == 0 && start >= window.start && start + size <= window.end
                    && listed.contains { $0.contains(AddressRange(at: start, size: size)) }
                    && (start..<start + size).allSatisfy {
                        free[Int($0)]
                    }
            }
            let found = reservations.room(
                for: size, alignment: alignment, in: map.regions, window: window)
            if found != nil { hits += 1 }
            #expect(found == expected, "\(regions) size \(size) alignment \(alignment) window \(window)")
        }
        // Some searches must succeed, and some must fail.
        #expect(hits > 300 && hits < 2700)
    }

    @Test func `places are those that a search of every address finds`() throws {
        var random = SeededGenerator(seed: 3)
        var most = 0
        for _ in 0..<3000 {
            let regions = MemoryMapTests.randomRegions(&random)
            var map = MemoryMap()
            for region in regions { try map.add(region.range, region.kind) }
            var reservations = Reservations()
            var free = MemoryMapTests.free(regions)
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let start = UInt64.random(in: 0..<64, using: &random)
                let range = AddressRange(at: start, size: UInt64.random(in: 0...8, using: &random))
                try reservations.add(range, .module)
                for address in range.start..<min(range.end, 64) { free[Int(address)] = false }
            }
            let window = AddressRange(
                UInt64.random(in: 0..<40, using: &random), UInt64.random(in: 20...64, using: &random))
            let size = UInt64.random(in: 1...12, using: &random)
            let alignment: UInt64 = [1, 1, 2, 4, 8].randomElement(using: &random)!
            let residue = UInt64.random(in: 0..<alignment, using: &random)
            let listed = MemoryMapTests.list(map).filter { $0.kind == .available }.map(\.range)
            let expected = (0..<64 as Range<UInt64>).filter { start in
                start % alignment == residue && start >= window.start && start + size <= window.end
                    && listed.contains { $0.contains(AddressRange(at: start, size: size)) }
                    && (start..<start + size).allSatisfy { free[Int($0)] }
            }
            most = max(most, expected.count)
            for (index, address) in expected.enumerated() {
                let found = reservations.place(
                    UInt64(index), size, alignment, residue: residue, in: map.regions, window)
                #expect(found.address == address, "\(regions) \(size) \(alignment) \(window)")
            }
            for index in [UInt64(expected.count), .max] {
                let found = reservations.place(
                    index, size, alignment, residue: residue, in: map.regions, window)
                #expect(found.address == nil && found.count == UInt64(expected.count))
            }
        }
        #expect(most > 20)
    }

    @Test func `places at the end of the address space are counted once`() throws {
        var map = MemoryMap()
        try map.add(AddressRange(.max - 0xffff, .max), .available)
        let whole = AddressRange(0, .max)
        #expect(Reservations().place(.max, 0x1000, 0x1000, in: map.regions, whole).count == 15)
        #expect(Reservations().place(14, 0x1000, 0x1000, in: map.regions, whole).address == UInt64.max - 0x1fff)
        #expect(Reservations().place(.max, 1, 1, in: map.regions, whole).count == 0xffff)
        #expect(Reservations().place(.max, 0x1_0000, 1, in: map.regions, whole).count == 0)
    }

    /// In pages, the result is the longest run of free pages, the first of several.
    @Test func `the largest room is the longest run of free pages`() throws {
        var random = SeededGenerator(seed: 4)
        var most: UInt64 = 0
        // Ranges that begin and end in the middle of pages, too.
        func address(_ pages: ClosedRange<UInt64>) -> UInt64 {
            UInt64.random(in: pages, using: &random) * 0x1000
                + ([0, 0, 0, 1, 0x800, 0xfff] as [UInt64]).randomElement(using: &random)!
        }
        for _ in 0..<2000 {
            var map = MemoryMap()
            var start: UInt64 = 0
            while start < 60 * 0x1000 {
                let end = start + address(1...30)
                let kind: MemoryKind = Int.random(in: 0..<4, using: &random) == 0 ? .reserved : .available
                try map.add(AddressRange(start, end), kind)
                start = end + ([0, 1, 0x1000] as [UInt64]).randomElement(using: &random)!
            }
            var reservations = Reservations()
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let start = address(0...60)
                try reservations.add(AddressRange(start, start + address(0...6)), .module)
            }
            let window = AddressRange(address(0...20), address(20...64))
            var expected = AddressRange(0, 0)
            for region in MemoryMapTests.list(map) where region.kind == .available {
                var run = AddressRange(0, 0)
                for number in 0..<100 as Range<UInt64> {
                    let page = AddressRange(at: number * 0x1000, size: 0x1000)
                    let isFree =
                        region.range.contains(page) && window.contains(page)
                        && (0..<reservations.count).allSatisfy { !reservations.all[$0].range.overlaps(page) }
                    run = isFree ? AddressRange(run.isEmpty ? page.start : run.start, page.end) : AddressRange(0, 0)
                    if run.size > expected.size { expected = run }
                }
            }
            most = max(most, expected.size)
            #expect(reservations.largestRoom(in: map.regions, window: window) == expected, "\(window)")
        }
        #expect(most > 0x1_0000)
    }
}
