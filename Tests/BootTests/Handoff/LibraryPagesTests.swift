// The pages of an application and its libraries have the access of their segments, and there is room for their tables.

import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibraryPagesTests {
    /// One of the files: its segments, the first of which holds all bytes, and the range of PT_GNU_RELRO.
    struct File {
        var segments: [Segment] = []
        var relro: Range<UInt64>?

        /// Random segments.
        init(_ random: inout SeededGenerator, base: UInt64) {
            var address = base
            for index in 0..<Int.random(in: 1...8, using: &random) {
                let gap =
                    [0, 1, 0x1000, 0x2345, 0x1f_f000, 0x20_0000, 0x40_1000].randomElement(using: &random)! as UInt64
                let size = [1, 0xfff, 0x1000, 0x3001, 0x1f_0000, 0x30_0000].randomElement(using: &random)! as UInt64
                // The first holds the entry point.
                let flags = UInt32.random(in: 4...7, using: &random) | (index == 0 ? 1 : 0)
                add(at: address + (index == 0 ? 0 : gap), size, flags)
                address = segments.last!.vaddr + segments.last!.memsz
            }
            align([1, 0x1000, 0x20_0000, 0x40_0000].randomElement(using: &random)!)
            guard Bool.random(using: &random) else { return }
            let start = UInt64.random(in: base...address, using: &random)
            relro = start..<start + UInt64.random(in: 0...0x30_0000, using: &random)
        }

        /// As many borders of 2 MiB as there is room for segments, with a segment across each: no stretch has one access only.
        init(straddling random: inout SeededGenerator, base: UInt64) {
            add(at: base, 0x1000, 5)
            for _ in 0..<10 {
                let border = (segments.last!.vaddr + segments.last!.memsz + 0x3f_ffff) & ~0x1f_ffff
                let before = [0x1000, 0x800, 1].randomElement(using: &random)! as UInt64
                let after = [0x1000, 0x800, 1].randomElement(using: &random)! as UInt64
                add(at: border - before, before + after, UInt32.random(in: 5...7, using: &random))
            }
            // At any base, borders stay borders.
            align(0x20_0000)
        }

        private mutating func add(at address: UInt64, _ size: UInt64, _ flags: UInt32) {
            // The first segment holds ELFWriter's own bytes.
            let count: UInt64 = segments.isEmpty ? 1600 : 0
            segments.append(
                Segment(1, offset: 0, vaddr: address, filesz: count, memsz: max(size, count), flags: flags))
        }

        private mutating func align(_ alignment: UInt64) {
            for index in segments.indices { segments[index].align = alignment }
        }

        /// The file, which needs `libraries`.
        func bytes(_ generation: Generation?, libraries: [String] = []) -> [UInt8] {
            var writer = ELFWriter(base: segments[0].vaddr)
            writer.append([0xf4])
            writer.hasLoadSegment = false
            if let generation { writer.addNotes(hermitNote(UInt8(generation.entryVersion))) }
            var strings: [UInt8] = [0]
            var entries: [(UInt64, UInt64)] = []
            for library in libraries {
                entries.append((1, UInt64(strings.count)))
                strings += Array(library.utf8) + [0]
            }
            entries += [(5, writer.append(strings)), (10, UInt64(strings.count))]
            writer.setDynamic(entries)
            writer.append([UInt8](repeating: 0, count: 1600 - writer.bytes.count), align: 1)
            writer.segments += segments
            if let relro {
                writer.segments.append(
                    Segment(0x6474_e552, offset: 0, vaddr: relro.lowerBound, filesz: 0, memsz: UInt64(relro.count)))
            }
            return writer.bytes
        }
    }

    /// The access of each page of an image, by a model without stretches: bit 0 writing, bit 1 executing.
    struct Pages {
        let start: UInt64
        private(set) var access: [UInt8]

        init(_ range: AddressRange) {
            start = range.start & ~0xfff
            access = [UInt8](repeating: 0, count: Int((range.end - start + 0xfff) / 0x1000))
        }

        mutating func allow(_ bits: UInt8, _ range: Range<UInt64>) {
            guard !range.isEmpty else { return }
            for page in (range.lowerBound - start) / 0x1000...(range.upperBound - 1 - start) / 0x1000 {
                access[Int(page)] |= bits
            }
        }

        /// Adds the access of the segments of `file`, at `displacement` above its link addresses.
        mutating func allow(_ file: File, _ displacement: UInt64) {
            for segment in file.segments {
                let whole = segment.vaddr..<segment.vaddr + segment.memsz
                let fixed = file.relro.map { $0.clamped(to: whole) } ?? whole.lowerBound..<whole.lowerBound
                func moved(_ start: UInt64, _ end: UInt64) -> Range<UInt64> {
                    start &+ displacement..<end &+ displacement
                }
                if segment.flags & 1 != 0 { allow(2, moved(whole.lowerBound, whole.upperBound)) }
                guard segment.flags & 2 != 0 else { continue }
                if fixed.isEmpty {
                    allow(1, moved(whole.lowerBound, whole.upperBound))
                } else {
                    allow(1, moved(whole.lowerBound, fixed.lowerBound))
                    allow(1, moved(fixed.upperBound, whole.upperBound))
                }
            }
        }

        /// The indices of the 2 MiB stretches that cannot be one page: not all in the image, or with pages of different access.
        var divided: Set<UInt64> {
            var areas = Set<UInt64>()
            for area in start >> 21...(start + UInt64(access.count) * 0x1000 - 1) >> 21 {
                let first = area << 21
                guard first >= start, Int((first - start) / 0x1000) + 512 <= access.count else {
                    areas.insert(area)
                    continue
                }
                let index = Int((first - start) / 0x1000)
                let own = access[index..<index + 512]
                if own.contains(where: { $0 != own.first }) { areas.insert(area) }
            }
            return areas
        }
    }

    /// An application and its libraries at their start.
    struct Boot {
        var pages: [MappedPage]
        var expected: Pages
        var plan: MemoryPlan
        /// The largest number of program headers of a file.
        var headerCount: Int
    }

    /// The pages that the tables of `application` map, except for a recursive entry. The image is left out: it is large, and not examined.
    private static func pages(
        of application: borrowing Application, on platform: borrowing PlatformFacts, _ plan: MemoryPlan,
        gigabytePages: Bool
    ) throws(Fault) -> [MappedPage] {
        let handoff = Handoff(
            loader: ProtectionTests.loader, codeEnd: ProtectionTests.codeEnd, hasGigabytePages: gigabytePages,
            hasNoExecute: true)
        var block = [UInt8](repeating: 0xcc, count: Int(plan.handoff.range.size))
        var span = block.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: plan.handoff.range.start)
        let none: [UInt8] = [0]
        let memory = PhysicalMemory(ByteView(none.span.bytes), origin: 0x5000)
        let state = try handoff.write(application, on: platform, plan, memory: memory, to: &region)
        let skipped: Set<Int> = application.generation.usesRecursivePageTable ? [511] : []
        let pages = mappedPages(root: state.pageTable, skipping: skipped) { address in
            guard plan.handoff.pageTables.contains(AddressRange(at: address, size: 8)) else { return nil }
            return block.number(UInt64.self, at: Int(address - plan.handoff.range.start))
        }
        return pages ?? []
    }

    /// The boot of the first of `files`, which needs the others.
    static func boot(
        _ files: [File], _ generation: Generation, gigabytePages: Bool, machine: AddressRange
    ) throws(Fault) -> Boot {
        let names = files.indices.dropFirst().map { "l\($0)" }
        var bytes: [UInt8] = []
        var list: [NamedFile] = []
        for (index, file) in files.enumerated() {
            let name = Array("l\(index)".utf8)
            let own = file.bytes(index == 0 ? generation : nil, libraries: index == 0 ? names : [])
            list.append(
                NamedFile(
                    start: UInt64(bytes.count), size: UInt64(own.count), string: UInt64(bytes.count + own.count),
                    stringSize: UInt64(name.count)))
            bytes += own + name + [0]
            while bytes.count % 16 != 0 { bytes.append(0) }
        }
        var together = NamedFiles(ByteView(bytes.span.bytes))
        for file in list { together.append(file) }
        var options = LoaderOptions()
        options.generation = generation
        var plans = [LinkPlan()]
        let application = try Application(together, options, linkPlan: plans.mutableSpan)

        var platform = Platform(.multiboot, information: 0x9500)
        try platform.memoryMap.add(AddressRange(0, 0x9_fc00), .available)
        try platform.memoryMap.add(machine, .available)
        for (index, file) in list.enumerated() {
            let start = 0x20_0000 + UInt64(index) * 0x1_0000
            try platform.add(
                Module(range: AddressRange(at: start, size: file.size), commandLine: AddressRange(0, 0)))
        }
        let plan = try MemoryPlan(application, on: platform.facts, loader: ProtectionTests.loader, limit: 1 << 32)
        let pages = try pages(of: application, on: platform.facts, plan, gigabytePages: gigabytePages)

        var expected = Pages(plan.image)
        if files.count == 1 {
            expected.allow(files[0], plan.bias)
        } else {
            #expect(application.link.count == files.count)
            for index in files.indices {
                let linked = application.link[index]
                expected.allow(files[linked.file], linked.displacement &+ plan.bias)
            }
            let linkPlan = application.link.plan
            expected.allow(2, linkPlan.codeStart + plan.bias..<linkPlan.end + plan.bias)
        }
        return Boot(
            pages: pages, expected: expected, plan: plan,
            headerCount: files.map { $0.segments.count + 3 }.max()!)
    }

    /// Files of both kinds, as many as an application may have.
    static func files(_ random: inout SeededGenerator) -> [File] {
        let areStraddling = Bool.random(using: &random)
        return (0..<Int.random(in: 1...16, using: &random)).map { _ in
            let base = [0, 0x1000, 0x40_0000, 0x5f_f000].randomElement(using: &random)! as UInt64
            return areStraddling ? File(straddling: &random, base: base) : File(&random, base: base)
        }
    }

    /// Even one library has more borders than the application: counting the application's own would give too few.
    @Test(arguments: [Generation.fourRecursive, .fourIdentity], 1...3)
    func `a few libraries' segments find room for tables`(_ generation: Generation, _ libraries: Int) throws {
        var random = SeededGenerator(seed: 950)
        var files = [File(&random, base: 0)]
        // An application of one segment, whose header does not show the need.
        files[0].segments = Array(files[0].segments.prefix(1))
        files[0].relro = nil
        for _ in 0..<libraries { files.append(File(straddling: &random, base: 0x5f_f000)) }
        let boot = try Self.boot(files, generation, gigabytePages: false, machine: AddressRange(0x10_0000, 0x6000_0000))
        let divided = boot.expected.divided
        #expect(divided.count > 10 * libraries)
        for area in divided { #expect(boot.pages.contains { $0.virtual >> 21 == area && $0.size == 0x1000 }) }
    }

    @Test(arguments: [Generation.fourRecursive, .fourIdentity], 0..<samples(3, soak: 8))
    func `libraries' segments across borders of large pages find room for tables`(
        _ generation: Generation, _ seed: Int
    ) throws {
        var random = SeededGenerator(seed: 900 + UInt64(seed))
        var largest = 0
        for _ in 0..<6 {
            let files = Self.files(&random)
            let boot = try Self.boot(
                files, generation, gigabytePages: Bool.random(using: &random),
                machine: AddressRange(0x10_0000, UInt64.random(in: 0x6000_0000...0xc000_0000, using: &random) & ~0xfff))
            let image = boot.plan.image
            let (first, end) = (boot.expected.start, (image.end + 0xfff) & ~0xfff)
            let divided = boot.expected.divided
            largest = max(largest, divided.count - (2 * boot.headerCount + 4))
            var reached = first
            var small = Set<UInt64>()
            for page in boot.pages where page.virtual + page.size > first && page.virtual < end {
                #expect(page.virtual <= reached && page.virtual == page.physical)
                let part = max(page.virtual, first)..<min(page.virtual + page.size, end)
                reached = part.upperBound
                if page.size == 0x1000 { small.insert(page.virtual >> 21) }
                let bits: UInt8 = (page.isWritable ? 1 : 0) | (page.isExecutable ? 2 : 0)
                let own = boot.expected.access[
                    Int((part.lowerBound - first) >> 12)..<Int((part.upperBound - first) >> 12)]
                guard own.allSatisfy({ $0 == bits }) else {
                    Issue.record("\(generation) \(files) \(boot.plan) \(page)")
                    return
                }
            }
            #expect(reached == end)
            // No table is spent on a stretch that one page can map; the ends may share theirs with neighbours of the image.
            #expect(small.isSubset(of: divided))
            #expect(divided.subtracting(small).allSatisfy { $0 == first >> 21 || $0 == (end - 1) >> 21 })
        }
        // Borders of one file alone would not account for them.
        #expect(largest > 50)
    }
}
