// Plans for thousands of machines: no ranges overlap, and all lie in RAM.

import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MemoryPlanTests {
    static let generations: [Generation] = [.zero, .one, .two, .three, .fourRecursive, .fourIdentity]

    /// The plan for `scenario`, or the fault.
    static func plan(_ scenario: Scenario, _ choice: BaseChoice = .lowest) -> Result<MemoryPlan, Fault> {
        let file = scenario.file
        do throws(Fault) {
            let application = try Application(ByteView(file.span.bytes))
            let platform = try scenario.platform()
            return .success(
                try MemoryPlan(application, on: platform.facts, loader: scenario.loader, limit: scenario.limit, choice))
        } catch { return .failure(error) }
    }

    @Test(arguments: generations) func `no ranges overlap, and all lie in RAM`(_ generation: Generation) {
        var random = SeededGenerator(seed: 100 + UInt64(generation.rawValue))
        var planned = 0
        var refused: [Rule: Int] = [:]
        for _ in 0..<1000 {
            let scenario = Scenario.random(generation, &random)
            switch Self.plan(scenario) {
            case .success(let plan):
                planned += 1
                check(plan, scenario)
            case .failure(let fault):
                refused[fault.rule, default: 0] += 1
                checkRefusal(fault, scenario)
            }
        }
        #expect(planned > 500, "\(refused)")
        #expect(planned < 1000)
    }

    /// Every promise of a plan; the image of a position-independent file lies at `base` if that is not nil.
    func check(_ plan: MemoryPlan, _ scenario: Scenario, base: UInt64? = nil) {
        let size = 961 + scenario.zeroFill
        #expect(plan.image.size >= size, "\(scenario)")
        if scenario.isFixed {
            #expect(plan.image.start == scenario.base)
            #expect(plan.bias == 0)
        } else if let base {
            #expect(plan.image.start == base && plan.bias == base)
        } else {
            #expect(plan.image.start % max(0x20_0000, scenario.alignment) == 0)
            #expect(plan.bias == plan.image.start)
            #expect(!plan.isStaged && plan.movedModules.isEmpty)
        }

        // Each written range has its own place in RAM, below the limit.
        var written: [Range<UInt64>] = []
        plan.forEachPart { part, range in written.append(range.asRange) }
        let ram = scenario.availableRAM
        for range in written + [plan.image.asRange] {
            #expect(
                ram.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }, "\(scenario)")
            #expect(range.upperBound <= scenario.limit)
        }
        for (index, range) in written.enumerated() {
            #expect(!range.overlaps(plan.image.asRange), "\(scenario) \(plan)")
            for other in written[..<index] { #expect(!range.overlaps(other), "\(scenario) \(plan)") }
            for other in scenario.taken { #expect(!range.overlaps(other), "\(scenario) \(plan)") }
        }

        // The image may lie over ranges that are no longer needed once they have been moved.
        let image = plan.image.asRange
        #expect(plan.isStaged == image.overlaps(scenario.loader.asRange), "\(scenario)")
        let isArchiveMoved = checkArchive(plan, scenario)
        let moved = scenario.modules.dropFirst(isArchiveMoved ? 1 : 0).filter { image.overlaps($0.asRange) }
            .map { $0.roundedOutward(to: 0x1000).size }
        #expect(plan.movedModules.size == moved.reduce(0, +), "\(scenario)")
        #expect(plan.movingTables.isEmpty == !plan.isStaged)
        if !scenario.isFixed, base == nil {
            for other in scenario.taken { #expect(!image.overlaps(other), "\(scenario)") }
        }
        #expect(plan.staged.size == (plan.isStaged ? plan.image.size : 0))

        checkHandoff(plan, scenario, isFixed: scenario.isFixed || base != nil)
    }

    /// An archive is moved below the image for kernels that take all memory above for their own, if there is room. Returns whether it was
    /// moved by itself, not with the other modules.
    func checkArchive(_ plan: MemoryPlan, _ scenario: Scenario) -> Bool {
        var place: AddressRange?
        plan.forEachPart { part, range in if part == .archive { place = range } }
        guard scenario.isImage, [.three, .fourRecursive].contains(scenario.generation) else {
            #expect(place == nil, "\(scenario) \(plan)")
            return false
        }
        let size = scenario.modules[0].roundedOutward(to: 0x1000).size
        if let place {
            // A random place may lie above the archive's first one, too.
            #expect(scenario.modules[0].end > plan.image.start || plan.places > 1, "\(scenario) \(plan)")
            #expect(place.end <= plan.image.start && place.size == size, "\(scenario) \(plan)")
        } else if scenario.modules[0].end > plan.image.start {
            var free = scenario.availableRAM
            var others = [plan.image]
            plan.forEachPart { others.append($1) }
            for range in scenario.taken + others.map(\.asRange) { free = subtract(range, from: free) }
            for range in free {
                let part = range.clamped(to: 0x10_0000..<max(0x10_0000, plan.image.start))
                let start = (part.lowerBound + 0xfff) & ~0xfff
                #expect(part.isEmpty || start + size > part.upperBound, "\(scenario) \(plan)")
            }
        }
        return place != nil
    }

    /// The handoff lies below the image if there is room for it.
    func checkHandoff(_ plan: MemoryPlan, _ scenario: Scenario, isFixed: Bool) {
        let layout = plan.handoff
        let parts = [
            layout.pageTables, layout.information, layout.trampoline, layout.deviceTree, layout.multiboot,
        ]
        #expect(layout.pageTables.start == layout.range.start && layout.stack.end == layout.range.end)
        #expect(layout.stack.size == 0x8000)
        for (part, next) in zip(parts, parts.dropFirst()) { #expect(part.end == next.start) }
        for part in parts { #expect(part.start % 0x1000 == 0 && part.size % 0x1000 == 0 && !part.isEmpty) }
        for place in [layout.bootInfo, layout.descriptorTable] {
            #expect(layout.information.contains(AddressRange(at: place, size: 24)))
        }
        #expect(layout.stack.start - layout.multiboot.end == 0x1000)

        guard layout.range.end > plan.image.start else { return }
        #expect(isFixed)
        var free = scenario.availableRAM
        var others = [plan.image]
        plan.forEachPart { others.append($1) }
        for range in scenario.taken + others.map(\.asRange) { free = subtract(range, from: free) }
        for window in [
            0x1_0000..<min(0xa_0000, max(0x1_0000, plan.image.start)),
            0x10_0000..<max(0x10_0000, plan.image.start),
        ] {
            for range in free {
                let part = range.clamped(to: window)
                let start = (part.lowerBound + 0xfff) & ~0xfff
                #expect(part.isEmpty || start + layout.range.size > part.upperBound, "\(scenario) \(plan)")
            }
        }
    }

    /// Other processors start at 0x8000, and no kernel uses the loader's data below: a module that is moved away from a low image
    /// goes above the image and above that page, and so does an image that is built elsewhere.
    @Test(arguments: [0x2000, 0x7000, 0x8000, 0x8001, 0x9000, 0x9001, 0xa000] as [UInt64], [false, true])
    func `modules that a low image displaces lie above the page where other processors start`(
        _ end: UInt64, _ isStaged: Bool
    ) throws {
        let module = AddressRange(0x1800, 0x1900)
        var scenario = Scenario(
            regions: [MemoryRegion(range: AddressRange(0, 0x9_f000), kind: .available)], isPVH: true, firmware: [],
            modules: [isStaged ? AddressRange(0x3_0000, 0x3_1000) : module],
            loader: isStaged ? module : AddressRange(0x10_0000, 0x12_8000), isFixed: true, base: 0x1000, zeroFill: 0,
            alignment: 0x1000, generation: .fourIdentity)
        scenario.regions.append(MemoryRegion(range: AddressRange(0x10_0000, 0x100_0000), kind: .available))
        let size = try Self.plan(scenario).get().image.size
        scenario.zeroFill = end - 0x1000 - size
        let plan = try Self.plan(scenario).get()
        #expect(plan.image == AddressRange(0x1000, end))
        let start = isStaged ? plan.buildAddress : plan.movedModules.start
        #expect(start == max((end + 0xfff) & ~0xfff, 0x9000))
    }

    /// The archive, another module and the handoff have no room but the range between the loader and a fixed image: each gets its own
    /// part of it.
    @Test(arguments: [Generation.three, .fourRecursive], [false, true])
    func `what must lie below an image lies side by side there`(_ generation: Generation, _ hasLowMemory: Bool) throws {
        let archive = AddressRange(0x48_0100, 0x4a_0080)
        let scenario = Scenario(
            regions: [
                MemoryRegion(range: AddressRange(0, hasLowMemory ? 0x9_f000 : 0x1_0000), kind: .available),
                MemoryRegion(range: AddressRange(0x10_0000, 0x4a_1000), kind: .available),
            ], isPVH: true, firmware: [], modules: [archive, AddressRange(0x41_0000, 0x41_1000)],
            loader: AddressRange(0x10_0000, 0x12_8000), isFixed: true, base: 0x40_0000, zeroFill: 0x7_f000,
            alignment: 0x1000, generation: generation, isImage: true)
        let plan = try Self.plan(scenario).get()
        check(plan, scenario)
        var place: AddressRange?
        plan.forEachPart { part, range in if part == .archive { place = range } }
        #expect(place == AddressRange(0x12_8000, 0x14_9000))
        #expect(plan.movedModules == AddressRange(0x14_9000, 0x14_a000))
        #expect((plan.handoff.range.start < 0x10_0000) == hasLowMemory)
    }

    /// A refused scenario has no possible plan: only obvious causes are checked.
    func checkRefusal(_ fault: Fault, _ scenario: Scenario) {
        let ram = scenario.availableRAM
        switch fault.rule {
        case .imageOutsideMemory:
            let image = fault.value..<max(fault.value, fault.limit)
            #expect(
                !ram.contains { $0.lowerBound <= image.lowerBound && image.upperBound <= $0.upperBound }
                    || image.lowerBound < 0x1000 || image.upperBound > scenario.limit, "\(scenario)")
        case .imageOverFirmware, .imageOverTables, .imageOverNonVolatile, .imageOverDefective:
            let range = fault.value..<fault.limit
            #expect(scenario.isFixed && !ram.contains { $0.overlaps(range) }, "\(scenario)")
            #expect(range.lowerBound < scenario.base + 0x1000 + scenario.zeroFill, "\(scenario)")
            #expect(range.upperBound > scenario.base, "\(scenario)")
        case .noRoomForImage, .noRoomForHandoff, .noRoomForModule:
            var free = ram
            for range in scenario.taken { free = subtract(range, from: free) }
            // Kernels that use all memory above them must get everything below.
            let isBelow = fault.rule == .noRoomForHandoff && scenario.isFixed && scenario.generation != .fourIdentity
            // A larger free range would hold an image of any alignment.
            let end = isBelow ? scenario.base : scenario.limit
            let room = free.map { $0.clamped(to: 0..<end) }.map { $0.count }.max() ?? 0
            #expect(UInt64(room) < fault.value + 0x1000_0000, "\(fault) \(scenario)")
        case .imageTooLarge: #expect(fault.value > ram.map(\.upperBound).max() ?? 0)
        default: Issue.record("\(fault) \(scenario)")
        }
    }

    /// If a fixed image touches a used range anywhere, the fault names the range; if it ends past RAM, the fault says so.
    @Test(arguments: [
        (MemoryKind.reserved, Rule.imageOverFirmware), (.acpiReclaimable, .imageOverTables),
        (.acpiNonVolatile, .imageOverNonVolatile), (.defective, .imageOverDefective),
    ]) func `an obstacle has a name`(_ kind: MemoryKind, _ rule: Rule) throws {
        let (hole, top) = (AddressRange(0x80_0000, 0x80_2000), 0x100_0000 as UInt64)
        for (start, end, isOver) in [
            (0x7f_0000, 0x80_0000, nil), (0x7f_0000, 0x80_0001, true), (0x7f_0000, 0x90_0000, true),
            (0x80_1000, 0x90_0000, true), (0x80_1fff, 0x90_0000, true), (0x80_2000, 0x90_0000, nil),
            (0x80_0000, top, true), (0x80_0000, top + 1, false), (0x90_0000, top, nil), (0x90_0000, top + 1, false),
            (0x90_0000, top + 0x1000, false),
        ] as [(UInt64, UInt64, Bool?)] {
            var scenario = Scenario(
                regions: [
                    MemoryRegion(range: AddressRange(0, 0x9_f000), kind: .available),
                    MemoryRegion(range: AddressRange(0x10_0000, hole.start), kind: .available),
                    MemoryRegion(range: hole, kind: kind),
                    MemoryRegion(range: AddressRange(hole.end, top), kind: .available),
                ], isPVH: true, firmware: [], modules: [AddressRange(0x20_0000, 0x20_1000)],
                loader: AddressRange(0x10_0000, 0x12_8000), isFixed: true, base: start, zeroFill: 0, alignment: 1,
                generation: .fourIdentity)
            // The file's own bytes, and zeros up to the end.
            let file = scenario.file
            let own = try Application(ByteView(file.span.bytes)).size
            scenario.zeroFill = end - start - own
            let found = fault { _ = try Self.plan(scenario).get() }
            let expected =
                isOver == nil
                ? nil
                : isOver == true
                    ? Fault(rule, value: hole.start, limit: hole.end)
                    : Fault(.imageOutsideMemory, value: start, limit: end)
            #expect(found == expected, "0x\(String(start, radix: 16)) 0x\(String(end, radix: 16))")
        }
    }
}
