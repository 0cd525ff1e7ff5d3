// The permissions of pages, compared page by page with the segments by a model without a search.

import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProtectionTests {
    /// An image of segments that may share pages.
    struct Image {
        var segments: [Segment] = []
        var relro: Range<UInt64>?
        var isFixed = false
        var base: UInt64 = 0

        init(_ random: inout SeededGenerator) {
            isFixed = Bool.random(using: &random)
            base = isFixed ? UInt64.random(in: 0x40_0000...0x100_0000, using: &random) : 0
            var address = base
            for index in 0..<Int.random(in: 1...6, using: &random) {
                let gap = [0, 1, 64, 0x1000, 0x2345, 0x20_0000, 0x50_0010].randomElement(using: &random)! as UInt64
                address += index == 0 ? 0 : gap
                let size =
                    [1, 8, 0x1000, 0xfff, 0x3001, 0x1f_0000, 0x50_0000].randomElement(using: &random)!
                    + UInt64.random(in: 0...64, using: &random)
                // The first holds the ELF header and the entry point.
                let own = index == 0 ? size + 1024 : size
                segments.append(
                    Segment(
                        1, offset: 0, vaddr: address, filesz: index == 0 ? 961 : 0, memsz: own,
                        flags: UInt32.random(in: 4...7, using: &random) | (index == 0 ? 1 : 0)))
                address += own
            }
            if Bool.random(using: &random) {
                let start = UInt64.random(in: base...address, using: &random)
                relro = start..<start + UInt64.random(in: 0...0x4000, using: &random)
            }
        }

        /// The file, for a kernel of `generation`.
        func file(_ generation: Generation) -> [UInt8] {
            var writer = ELFWriter(type: isFixed ? 2 : 3, base: base)
            writer.append([0xf4])
            writer.entry = segments[0].vaddr + 960
            writer.hasLoadSegment = false
            if generation != .zero { writer.addNotes(hermitNote(UInt8(generation.entryVersion))) }
            writer.segments += segments
            if let relro {
                writer.segments.append(
                    Segment(0x6474_e552, offset: 0, vaddr: relro.lowerBound, filesz: 0, memsz: UInt64(relro.count)))
            }
            return writer.bytes
        }

        /// Whether the page at `page` is to be writable and executable.
        func access(_ page: UInt64) -> (isWritten: Bool, isExecuted: Bool) {
            var (written, executed) = (false, false)
            for segment in segments {
                let part = (segment.vaddr..<segment.vaddr + segment.memsz).clamped(to: page..<page + 0x1000)
                guard !part.isEmpty else { continue }
                let isFixed = relro.map { $0.lowerBound <= part.lowerBound && part.upperBound <= $0.upperBound }
                written = written || segment.flags & 2 != 0 && isFixed != true
                executed = executed || segment.flags & 1 != 0
            }
            return (written, executed)
        }
    }

    static let regions = [
        MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
        MemoryRegion(range: AddressRange(0x10_0000, 0x1000_0000), kind: .available),
    ]
    /// Without low RAM, and without any between the loader and 2 MiB: the handoff lies after the module.
    static let highRegions = [
        MemoryRegion(range: AddressRange(0x10_0000, 0x12_3000), kind: .available),
        MemoryRegion(range: AddressRange(0x20_0000, 0x1000_0000), kind: .available),
    ]
    static let loader = AddressRange(0x10_0000, 0x12_3000), codeEnd: UInt64 = 0x10_8123

    /// The kernel's pages at its start, and the range of the image.
    static func boot(
        _ image: Image, _ options: LoaderOptions, gigabytePages: Bool, hasNoExecute: Bool,
        regions: [MemoryRegion] = regions
    ) throws(Fault) -> (pages: [MappedPage], plan: MemoryPlan, isProtected: Bool) {
        let generation = options.generation ?? .fourIdentity
        let (module, words) = (AddressRange(0x20_0000, 0x20_2000), options.words)
        let contents = [(address: 0x5000 as UInt64, bytes: words), (module.start, image.file(generation))]
        let handoff = Handoff(
            loader: loader, codeEnd: codeEnd, hasGigabytePages: gigabytePages, hasNoExecute: hasNoExecute)
        let boot = try BootedMachine(contents, handoff) { () throws(Fault) in
            var platform = Platform(.pvh, information: 0x9500)
            for region in regions { try platform.memoryMap.add(region.range, region.kind) }
            try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
            platform.commandLine = AddressRange(at: 0x5000, size: UInt64(words.count))
            return platform
        }
        let state = boot.state
        #expect(state.protectsExecution == (state.protectsWriting && hasNoExecute))
        let pages = boot.pages(
            root: state.pageTable, in: boot.plan.handoff.pageTables,
            skipping: generation.usesRecursivePageTable ? [511] : [])
        return (pages ?? [], boot.plan, state.protectsWriting)
    }

    /// Whether `page`, which covers the 4 KiB at `address`, has the right access there.
    static func isAsItShould(
        _ page: MappedPage, at address: UInt64, _ image: Image, _ plan: MemoryPlan, hasNoExecute: Bool
    ) -> Bool {
        var expected = (isWritten: true, isExecuted: false)
        if address >= plan.image.start & ~0xfff, address < plan.image.end {
            expected = image.access(address &- plan.bias)
        } else if plan.isStaged, plan.handoff.trampoline.start == address {
            expected = (false, true)
        } else if address >= loader.start, address < codeEnd {
            expected = (false, true)
        } else if address == 0x8000 {
            expected = (true, true)
        } else if address == plan.handoff.stack.start - 0x1000, plan.handoff.range.end <= 0x20_0000 {
            // The guard page.
            expected = (false, false)
        }
        return page.virtual == page.physical && page.isWritable == expected.isWritten
            && page.isExecutable == (expected.isExecuted || !hasNoExecute)
    }

    @Test(arguments: MemoryPlanTests.generations)
    func `pages have exactly the access of the segments on them`(_ generation: Generation) throws {
        var random = SeededGenerator(seed: 500 + UInt64(generation.rawValue))
        var (booted, shared, high) = (0, 0, 0)
        let rounds = samples(16, soak: 400)
        for round in 0..<rounds {
            let image = Image(&random)
            let hasNoExecute = Bool.random(using: &random)
            var options = LoaderOptions()
            options.generation = generation
            options.protectsPages = true
            let boot: (pages: [MappedPage], plan: MemoryPlan, isProtected: Bool)
            do throws(Fault) {
                boot = try Self.boot(
                    image, options, gigabytePages: Bool.random(using: &random), hasNoExecute: hasNoExecute,
                    regions: round % 4 == 0 ? Self.highRegions : Self.regions)
            } catch {
                // A fixed image may cover memory that is in use; none needs more tables than were set aside.
                #expect(error.rule != .pageTableRoom)
                continue
            }
            booted += 1
            let handoff = boot.plan.handoff.range
            if handoff.start >= 0x20_0000, handoff.end < 0x40_0000 { high += 1 }
            #expect(boot.isProtected)
            var mapped = Set<UInt64>()
            // Page by page below 2 MiB, in the handoff and around the image; elsewhere both ends of each page, since all between is alike.
            let around = boot.plan.image.start & ~0xfff..<(boot.plan.image.end + 0x1fff) & ~0xfff
            shared += image.segments.count { one in
                image.segments.contains { $0 != one && $0.vaddr & ~0xfff == one.vaddr & ~0xfff }
            }
            for page in boot.pages where page.virtual < 0x1000_0000 {
                let end = page.virtual + page.size
                let isNear =
                    page.virtual < 0x20_0000 || page.virtual < around.upperBound && end > around.lowerBound
                    || AddressRange(page.virtual, end).overlaps(handoff)
                for address in stride(
                    from: page.virtual, to: end, by: isNear ? 0x1000 : max(0x1000, Int(page.size) - 0x1000))
                {
                    mapped.insert(address)
                    let isRight = Self.isAsItShould(
                        page, at: address, image, boot.plan, hasNoExecute: hasNoExecute)
                    if !isRight {
                        Issue.record("\(generation) \(image) \(boot.plan) \(page) 0x\(String(address, radix: 16))")
                        return
                    }
                }
            }
            let whole = stride(from: boot.plan.image.start & ~0xfff, to: boot.plan.image.end, by: 0x1000)
            #expect(whole.allSatisfy(mapped.contains))
        }
        #expect(booted > rounds / 2 && shared > 0 && high > 0)
    }

    @Test(arguments: MemoryPlanTests.generations)
    func `the generation decides, unless an option does`(_ generation: Generation) throws {
        var random = SeededGenerator(seed: 1)
        var image = Image(&random)
        (image.isFixed, image.base) = (false, 0)
        image.segments = [Segment(1, offset: 0, vaddr: 0, filesz: 961, flags: 5)]
        var options = LoaderOptions()
        options.generation = generation
        let byDefault = try Self.boot(image, options, gigabytePages: false, hasNoExecute: true)
        #expect(byDefault.isProtected == [.fourRecursive, .fourIdentity].contains(generation))
        options.protectsPages = true
        #expect(try Self.boot(image, options, gigabytePages: false, hasNoExecute: true).isProtected)
        options.protectsPages = false
        let without = try Self.boot(image, options, gigabytePages: false, hasNoExecute: true)
        #expect(!without.isProtected)
        #expect(without.pages.allSatisfy { $0.isWritable && $0.isExecutable })
    }

    @Test func `tables of small pages do not grow with RAM`() throws {
        var random = SeededGenerator(seed: 2)
        var image = Image(&random)
        (image.isFixed, image.base, image.relro) = (false, 0, nil)
        image.segments = (0..<3).map {
            Segment(
                1, offset: 0, vaddr: $0 * 0x30_1000, filesz: $0 == 0 ? 961 : 0,
                memsz: 0x20_1234, flags: 5 + UInt32($0) % 2)
        }
        var counts: [Int] = []
        for gigabytes in [1, 64] as [UInt64] {
            var regions = Self.regions
            regions.append(MemoryRegion(range: AddressRange(at: 1 << 32, size: gigabytes << 30), kind: .available))
            let boot = try Self.boot(
                image, LoaderOptions(), gigabytePages: false, hasNoExecute: true, regions: regions)
            counts.append(boot.pages.count { $0.size == 0x1000 })
        }
        // The first 2 MiB, and those with a border of segments.
        #expect(counts == [counts[0], counts[0]] && counts[0] <= 512 * 7)
    }
}

extension LoaderOptions {
    /// The generation and the protection as words of a command line.
    fileprivate var words: [UInt8] {
        var words: [String] = []
        if let generation {
            let names = ["0", "1", "2", "3", "4-recursive", "4-identity"]
            words.append("loader.generation=" + names[Int(generation.rawValue)])
        }
        if let protectsPages { words.append(protectsPages ? "loader.protect" : "loader.no-protect") }
        return Array(words.joined(separator: " ").utf8)
    }
}
