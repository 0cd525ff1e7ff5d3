// Images at a random place or at the user's: the same promises hold, and all places are equally likely.

import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct BaseChoiceTests {
    private let plans = MemoryPlanTests()

    /// The places that the image of `scenario` may take at random, found by trying every multiple of its alignment; `lowest`
    /// is the plan without a choice.
    private func places(_ scenario: Scenario, _ lowest: MemoryPlan) -> [UInt64] {
        let size = lowest.image.size
        let alignment = max(scenario.alignment, 0x20_0000)
        var free = scenario.availableRAM
        let kept = free
        for range in scenario.taken + [lowest.handoff.range.asRange] { free = subtract(range, from: free) }
        // A place lies in one region of the firmware's map after merging.
        let regions = joined(scenario.regions.filter { $0.kind == .available }.map(\.range.asRange))

        // Half of RAM remains for the kernel, which loses two bytes for each byte below the image.
        let above = kept.map { $0.clamped(to: lowest.image.start..<(.max)) }
        let total = above.reduce(0) { $0 + UInt64($1.count) }
        var quarter = total > (16 << 20) ? (total - (16 << 20)) / 4 : 0
        var end = lowest.image.start
        for range in above {
            guard quarter > UInt64(range.count) else {
                end = range.lowerBound + quarter
                break
            }
            quarter -= UInt64(range.count)
        }
        if scenario.generation.entryVersion < 4 { end = min(end, 1 << 30) }
        end = max(min(end, scenario.limit), lowest.image.end)
        return stride(from: lowest.image.start, to: end, by: Int(alignment)).filter { start in
            let range = start..<start + size
            return range.upperBound <= end
                && free.contains { $0.lowerBound <= start && range.upperBound <= $0.upperBound }
                && regions.contains { $0.lowerBound <= start && range.upperBound <= $0.upperBound }
        }
    }

    @Test(arguments: MemoryPlanTests.generations)
    func `a random place keeps every promise, and each possible one can be reached`(_ generation: Generation) throws {
        var random = SeededGenerator(seed: 300 + UInt64(generation.rawValue))
        var planned = 0
        var several = 0
        let rounds = samples(200, soak: 600)
        for _ in 0..<rounds {
            var scenario = Scenario.random(generation, &random)
            scenario.isFixed = false
            scenario.regions.removeAll { $0.kind != .available && $0.range.size == 0 }
            guard case .success(let lowest) = MemoryPlanTests.plan(scenario) else { continue }
            #expect(lowest.places == 0)
            let places = places(scenario, lowest)
            planned += 1
            if places.count > 1 { several += 1 }
            // Both ends and the middle of each place's share of all numbers, for some of the places.
            let count = UInt64(places.count)
            var numbers: [(value: UInt64, place: UInt64)] = [(0, places[0]), (.max, places[places.count - 1])]
            for _ in 0..<4 {
                let index = UInt64.random(in: 0..<count, using: &random)
                // The numbers whose product with the count has this high word.
                let value = index == 0 ? 0 : count.dividingFullWidth((index, 0)).quotient
                numbers.append((min(value, .max - 1) + 1, places[Int(index)]))
            }
            for (value, place) in numbers {
                switch MemoryPlanTests.plan(scenario, .random(RandomNumber(value, from: .given))) {
                case .success(let plan):
                    #expect(plan.places == count, "\(scenario)")
                    #expect(plan.image.start == place, "\(scenario)")
                    plans.check(plan, scenario)
                case .failure(let fault): Issue.record("\(fault) \(scenario)")
                }
            }
        }
        #expect(planned > rounds / 2 && several > planned / 2)
    }

    /// Numbers at equal distances: all places get equally many, give or take one, including the first and
    /// the last.
    @Test(arguments: MemoryPlanTests.generations) func `all places are equally likely`(
        _ generation: Generation
    ) throws {
        var random = SeededGenerator(seed: 7)
        var scenario = Scenario.random(generation, &random)
        scenario.isFixed = false
        scenario.zeroFill = 0
        scenario.alignment = 0x1000
        scenario.regions = [
            MemoryRegion(range: AddressRange(0, 0xa_0000), kind: .available),
            MemoryRegion(range: AddressRange(0x10_0000, 0x3000_0000), kind: .available),
        ]
        scenario.modules = [AddressRange(at: 0x20_0000, size: 0x1234)]
        let places = places(scenario, try MemoryPlanTests.plan(scenario).get())
        #expect(places.count > 50)
        var hits: [UInt64: Int] = [:]
        let draws = places.count * 8
        for draw in 0..<draws {
            let value = UInt64(draw) * (.max / UInt64(draws)) + .random(in: 0..<1 << 40, using: &random)
            let plan = try MemoryPlanTests.plan(scenario, .random(RandomNumber(value, from: .given))).get()
            hits[plan.image.start, default: 0] += 1
        }
        #expect(hits.keys.sorted() == places)
        #expect(hits.values.allSatisfy { (7...9).contains($0) }, "\(hits)")
    }

    @Test func `an image lies at the user's address, or the fault gives the reason`() throws {
        var random = SeededGenerator(seed: 11)
        var planned = 0
        var moved = 0
        var refused: [Rule: Int] = [:]
        for round in 0..<3000 {
            var scenario = Scenario.random(MemoryPlanTests.generations[round % 6], &random)
            scenario.isFixed = false
            let base = [
                UInt64.random(in: 0...2100, using: &random) << 21, UInt64.random(in: 0..<8, using: &random) << 21,
                UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0..<64, using: &random),
            ].randomElement(using: &random)!
            let alignment = max(scenario.alignment, 0x20_0000)
            switch MemoryPlanTests.plan(scenario, .address(base)) {
            case .success(let plan):
                planned += 1
                if plan.isStaged || plan.movesModules { moved += 1 }
                plans.check(plan, scenario, base: base)
            case .failure(let fault):
                refused[fault.rule, default: 0] += 1
                let image = AddressRange(at: base, size: 961 + scenario.zeroFill)
                switch fault.rule {
                case .baseMisaligned:
                    // The next possible address, or at the end of the address space the last one.
                    #expect(fault.value == base && base % alignment != 0 && fault.limit % alignment == 0)
                    #expect(fault.limit &- base < alignment || base &- fault.limit < alignment && base > 1 << 63)
                case .baseOutsideMemory:
                    #expect(fault.value == base)
                    #expect(
                        base == 0 || fault.limit > scenario.limit
                            || !scenario.availableRAM.contains {
                                $0.lowerBound <= base && fault.limit <= $0.upperBound
                            }, "\(scenario)")
                case .baseTooHigh:
                    #expect(scenario.generation.entryVersion < 4 && image.end > 1 << 30 && fault.value > 1 << 30)
                case .noRoomForHandoff, .noRoomForImage, .noRoomForModule: break
                default: Issue.record("\(fault) \(scenario)")
                }
            }
        }
        #expect(planned > 500 && moved > 30, "\(planned) \(moved) \(refused)")
        #expect(refused.keys.count >= 3, "\(refused)")
    }

    @Test func `a file that is linked at a fixed address goes nowhere else`() throws {
        var random = SeededGenerator(seed: 13)
        var scenario = Scenario.random(.fourIdentity, &random)
        scenario.isFixed = true
        scenario.base = 0x80_0000
        scenario.zeroFill = 0
        scenario.regions = [MemoryRegion(range: AddressRange(0, 0x3000_0000), kind: .available)]
        let asLinked = try MemoryPlanTests.plan(scenario).get()
        #expect(try MemoryPlanTests.plan(scenario, .address(0x80_0000)).get() == asLinked)
        #expect(
            MemoryPlanTests.plan(scenario, .address(0xa0_0000))
                == .failure(Fault(.baseOfFixedImage, value: 0xa0_0000, limit: 0x80_0000)))
        #expect(
            MemoryPlanTests.plan(scenario, .random(RandomNumber(1, from: .rdrand)))
                == .failure(Fault(.randomPlaceOfFixedImage, value: 0x80_0000)))
    }

    @Test func `a base wins over a random place, and only a random place takes a number`() {
        var options = LoaderOptions()
        #expect(BaseChoice(options) { fatalError("not asked for") } == .lowest)
        options.placesAtRandom = true
        let number = RandomNumber(5, from: .timeStampCounter)
        #expect(BaseChoice(options) { number } == .random(number))
        options.base = 0x20_0000
        #expect(BaseChoice(options) { fatalError("not asked for") } == .address(0x20_0000))
    }

    @Test func `the choice is reported in one line, unless the loader is quiet`() throws {
        var random = SeededGenerator(seed: 19)
        var scenario = Scenario.random(.fourIdentity, &random)
        (scenario.isFixed, scenario.zeroFill, scenario.alignment) = (false, 0, 0x1000)
        scenario.loader = AddressRange(0x10_0000, 0x12_8000)
        scenario.modules = [AddressRange(0x13_0000, 0x13_1000)]
        scenario.firmware = []
        func line(_ choice: BaseChoice, _ options: LoaderOptions = LoaderOptions(), top: UInt64) throws -> String {
            scenario.regions = [MemoryRegion(range: AddressRange(0, top), kind: .available)]
            let plan = try MemoryPlanTests.plan(scenario, choice).get()
            var sink = TextCollector()
            Report.chosen(choice, plan, options, to: &sink)
            return sink.text
        }
        let random0 = { BaseChoice.random(RandomNumber(0, from: $0)) }
        // A quarter of 1 GiB, less 2 MiB and the kernel's needs: 251.5 MiB.
        #expect(
            try line(random0(.rdrand), top: 1 << 30)
                == "[LOADER] loader.kaslr: image at 0x200000, one of 126 places, by RDRAND\n")
        #expect(
            try line(random0(.timeStampCounter), top: 0x100_0000)
                == "[LOADER] loader.kaslr: image at 0x200000, one of 1 place, by the time stamp counter\n")
        #expect(
            try line(random0(.intervalTimer), top: 1 << 30)
                == "[LOADER] loader.kaslr: image at 0x200000, one of 126 places, by the interval timer\n")
        #expect(try line(random0(.given), top: 1 << 30).hasSuffix(", by a given number\n"))
        var options = LoaderOptions()
        options.base = 0x80_0000
        #expect(try line(.address(0x80_0000), options, top: 1 << 30) == "[LOADER] loader.base: image at 0x800000\n")
        options.placesAtRandom = true
        #expect(
            try line(.address(0x80_0000), options, top: 1 << 30)
                == "[LOADER] loader.base: image at 0x800000; loader.kaslr has no effect beside it\n")
        #expect(try line(.lowest, top: 1 << 30) == "")
        options.verbosity = .quiet
        #expect(try line(.address(0x80_0000), options, top: 1 << 30) == "")
    }

    /// Code of the small model holds addresses in signed 32-bit fields.
    @Test func `an object file stays below 2 GiB, however much RAM there is`() throws {
        let object = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 2)),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
        ).bytes
        let linked = ELFWriter()
        var noted = linked
        noted.addNotes(hermitNote(4) + abiTag(0, 13, 2))
        for (file, highest) in [(object, 0x7fe0_0000), (noted.bytes, 0xffe0_0000)] as [([UInt8], UInt64)] {
            let application = try Application(ByteView(file.span.bytes))
            var platform = Platform(.multiboot, information: 0x9500)
            try platform.memoryMap.add(AddressRange(0, 0x9_fc00), .available)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x5_0000_0000), .available)
            let plan = try MemoryPlan(
                application, on: platform.facts, loader: AddressRange(0x10_0000, 0x12_8000), limit: 1 << 32,
                .random(RandomNumber(.max, from: .given)))
            #expect(plan.image.start == highest)
        }
    }

    /// The image of a kernel up to 0.6.0 may end at 1 GiB, and no higher.
    @Test(arguments: MemoryPlanTests.generations) func `an image may end at the limit`(
        _ generation: Generation
    ) throws {
        var random = SeededGenerator(seed: 23)
        var scenario = Scenario.random(generation, &random)
        (scenario.isFixed, scenario.zeroFill, scenario.alignment) = (false, 0, 0x1000)
        scenario.loader = AddressRange(0x10_0000, 0x12_8000)
        scenario.modules = [AddressRange(0x13_0000, 0x13_1000)]
        scenario.firmware = []
        scenario.regions = [
            MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
            MemoryRegion(range: AddressRange(0x10_0000, 0xc000_0000), kind: .available),
        ]
        let size = try MemoryPlanTests.plan(scenario, .address(0x2000_0000)).get().image.size
        for (more, end) in [(0, 0x4000_0000), (1, 0x4000_0001)] as [(UInt64, UInt64)] {
            scenario.zeroFill = 0x20_0000 - size + more
            switch MemoryPlanTests.plan(scenario, .address(0x3fe0_0000)) {
            case .success(let plan):
                #expect(plan.image.end == end && (more == 0 || generation.entryVersion == 4))
            case .failure(let fault):
                #expect(fault == Fault(.baseTooHigh, value: end, limit: 0x4000_0000))
                #expect(more == 1 && generation.entryVersion < 4)
            }
        }
    }

    /// Without low RAM the handoff lies above 1 MiB, and the image above it, even if there is a hole below.
    @Test(arguments: MemoryPlanTests.generations) func `an image lies above the handoff also without low RAM`(
        _ generation: Generation
    ) throws {
        var random = SeededGenerator(seed: 29)
        var scenario = Scenario.random(generation, &random)
        (scenario.isFixed, scenario.zeroFill, scenario.alignment) = (false, 0, 0x1000)
        scenario.loader = AddressRange(0x10_0000, 0x12_8000)
        scenario.modules = [AddressRange(0x13_0000, 0x13_1000)]
        scenario.firmware = []
        scenario.regions = [
            MemoryRegion(range: AddressRange(0x10_0000, 0x14_0000), kind: .available),
            // Room for the image, but not for the handoff.
            MemoryRegion(range: AddressRange(0x20_0000, 0x20_2000), kind: .available),
            MemoryRegion(range: AddressRange(0x41_0000, 0x1000_0000), kind: .available),
        ]
        let plan = try MemoryPlanTests.plan(scenario).get()
        #expect(plan.handoff.range.start == 0x41_0000)
        #expect(plan.image.start == 0x60_0000)
    }
}
