// The room set aside for the handoff block suffices, wherever the machine's parts lie.

@testable import Boot
import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HandoffLayoutTests {
    @Test(arguments: [.zero, .one, .two, .three, .fourRecursive] as [Generation])
    func `firmware structures in many places each get their page table`(generation: Generation) throws {
        let megabyte: UInt64 = 0x10_0000
        let scenario = Scenario(
            regions: [
                MemoryRegion(range: AddressRange(0, 0x9_f000), kind: .available),
                MemoryRegion(range: AddressRange(megabyte, 1024 * megabyte), kind: .available),
            ], isPVH: false, firmware: (1...30).map { AddressRange(at: 4 * $0 * megabyte, size: 116) },
            modules: [AddressRange(2 * megabyte, 3 * megabyte)],
            loader: AddressRange(megabyte, megabyte + 0x2_0000), isFixed: true, base: 256 * megabyte,
            zeroFill: 3 * megabyte, alignment: 0x1000, generation: generation)
        let handed = try #require(BootedMachine(scenario, gigabytePages: true))
        // Either every structure is mapped, or none is handed on.
        let pages = try #require(handed.pages(skipping: [511]))
        for range in scenario.firmware {
            #expect(pages.contains { $0.virtual == range.start && $0.physical == range.start })
        }
    }

    /// Each takes 16 bytes of the tree, whose room is whole pages: with some command line every byte counts.
    @Test(arguments: [1, 20, 40, 56] as [UInt64])
    func `there is room for each reservation in the device tree`(_ count: UInt64) throws {
        let megabyte: UInt64 = 0x10_0000
        var scenario = Scenario(
            regions: [
                MemoryRegion(range: AddressRange(0, 0x9_f000), kind: .available),
                MemoryRegion(range: AddressRange(megabyte, 1024 * megabyte), kind: .available),
            ], isPVH: false, firmware: (1...count).map { AddressRange(at: 4 * $0 * megabyte, size: 116) },
            modules: [AddressRange(2 * megabyte, 3 * megabyte)],
            loader: AddressRange(megabyte, megabyte + 0x2_0000), isFixed: true, base: 256 * megabyte,
            zeroFill: 0, alignment: 0x1000, generation: .three)
        for length in stride(from: 0, to: 0x1000, by: 0x100) {
            scenario.commandLine = [UInt8](repeating: UInt8(ascii: "a"), count: length)
            // A fault is recorded.
            #expect(BootedMachine(scenario, gigabytePages: true) != nil, "\(length)")
        }
    }

    /// The layout for a plain application of `generation` on a machine changed by `change`, with modules whose strings have these
    /// sizes.
    private func layout(
        _ generation: Generation, strings: [UInt64] = [], _ change: (inout Platform) throws -> Void = { _ in }
    ) throws -> HandoffLayout {
        let file = HandoffTests.plain(generation, isPVH: true).file
        let application = try Application(ByteView(file.span.bytes))
        var platform = Platform(.multiboot, information: 0x9500)
        try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
        for (index, size) in strings.enumerated() {
            try platform.add(
                Module(
                    range: AddressRange(at: 0x40_0000 + UInt64(index) * 0x1000, size: 1),
                    commandLine: AddressRange(at: 0x2_0000, size: size)))
        }
        try change(&platform)
        return HandoffLayout(application, on: platform.facts)
    }

    /// The tables for an image's pages are at most as many as it has stretches of 2 MiB, and as its parts have ends.
    @Test(
        arguments: [
            (0, 2), (0x20_0000, 3), (0x60_0000, 5), (0x100_0000, 10), (0x120_0000, 11), (0x140_0000, 12),
            (0x4000_0000, 514),
        ] as [(UInt64, UInt64)])
    func `an image's pages need few tables`(_ zeros: UInt64, _ touched: UInt64) throws {
        var object = ObjectFile(symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        object.sections = [
            ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4)),
            ObjectSection(name: ".bss", type: 8, align: 1, zeros: zeros),
        ]
        let bytes = object.bytes
        #expect(try Application(ByteView(bytes.span.bytes)).pageTableCount == min(touched, 10))
        for segments in [0, 3] {
            var writer = ELFWriter()
            writer.append([0xf4])
            writer.addNotes(hermitNote(4))
            for index in 0..<segments {
                writer.segments.append(Segment(6, offset: UInt64(index), vaddr: 0, filesz: 0))
            }
            writer.zeroFill = zeros
            let file = writer.bytes
            // PT_LOAD and PT_NOTE, and the others.
            let parts = UInt64(2 + segments) * 2 + 4
            #expect(try Application(ByteView(file.span.bytes)).pageTableCount == min(touched, parts), "\(segments)")
        }
    }

    /// A firmware structure that ends in the first 2 MiB shares its tables with other pages; one that extends beyond may need a
    /// table of each level. Kernels with an identity mapping get it mapped with all RAM.
    @Test(arguments: MemoryPlanTests.generations)
    func `what ends beyond the first large page has tables of its own`(_ generation: Generation) throws {
        let none = try layout(generation).pageTables.size
        for (range, tables) in [
            (AddressRange(0x1f_f000, 0x20_0000), 0), (AddressRange(0x9500, 0x9600), 0),
            (AddressRange(0x1f_ffff, 0x20_0001), 4), (AddressRange(0x20_0000, 0x20_0001), 3),
            (AddressRange(0x3f_f000, 0x40_0000), 3), (AddressRange(0x3f_f000, 0x40_0001), 4),
        ] as [(AddressRange, UInt64)] {
            let firmware = try layout(generation) { try $0.reservations.add(range, .firmware) }
            let expected = generation == .fourIdentity ? 0 : tables
            #expect(firmware.pageTables.size == none + expected * 0x1000, "\(range)")
            let module = try layout(generation) { try $0.reservations.add(range, .module) }
            #expect(module.pageTables.size == none)
        }
    }

    /// An image needs tables of small pages at the beginning and end of its parts, for any size: at most two for each part.
    @Test(arguments: MemoryPlanTests.generations) func `tables do not grow with the image`(_ generation: Generation)
        throws
    {
        var sizes: [UInt64] = []
        for zeros in [64 << 20, 1 << 30, 2 << 30] as [UInt64] {
            var scenario = HandoffTests.plain(generation, isPVH: true)
            scenario.zeroFill = zeros
            let file = scenario.file
            var options = LoaderOptions()
            options.protectsPages = true
            let application = try Application(ByteView(file.span.bytes), options)
            var platform = Platform(.pvh, information: 0x9500)
            try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
            sizes.append(HandoffLayout(application, on: platform.facts).pageTables.size / 0x1000)
        }
        // A directory for each further GiB, and no more.
        #expect(sizes[2] - sizes[1] <= 2 && sizes[1] - sizes[0] <= 2, "\(sizes)")
    }

    /// RAM in an identity mapping needs tables, whatever its use; unmapped RAM needs none.
    @Test func `each region of RAM has its tables`() throws {
        let none = try layout(.fourIdentity).pageTables.size
        for (kind, isMapped) in [
            (.available, true), (.acpiReclaimable, true), (.acpiNonVolatile, true), (.reserved, false),
            (.defective, false),
        ] as [(MemoryKind, Bool)] {
            let found = try layout(.fourIdentity) {
                try $0.memoryMap.add(AddressRange(at: 1 << 40, size: 3 << 30), kind)
            }
            // A table of pointers to directories, and three directories.
            #expect(found.pageTables.size == none + (isMapped ? 4 : 0) * 0x1000)
        }
    }

    /// The strings of all modules lie beside the command line.
    @Test(arguments: [1, 2, 16])
    func `there is room for each module's string`(_ count: Int) throws {
        let handoff = Handoff(
            loader: AddressRange(0x10_0000, 0x12_8000), codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        let file = HandoffTests.plain(.three, isPVH: true).file
        for long in Set([0, count / 2, count - 1]) {
            for size in [0, 1, 0x1000, 0x2fff, 0x8000] as [UInt64] {
                let text = (0..<size).map { UInt8(ascii: "a") + UInt8($0 % 26) }
                let modules = (0..<count).map {
                    Module(
                        range: AddressRange(at: 0x40_0000 + UInt64($0) * 0x1_0000, size: UInt64(file.count)),
                        commandLine: AddressRange(
                            at: $0 == long && size > 0 ? 0x20_0000 : 0, size: $0 == long ? size : 0))
                }
                // A string at 0 is missing.
                let boot = try BootedMachine([(0x40_0000, file), (0x20_0000, text)], handoff) { () throws(Fault) in
                    var platform = Platform(.pvh, information: 0x9500)
                    try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
                    try platform.memoryMap.add(AddressRange(0x10_0000, 0x1000_0000), .available)
                    for module in modules { try platform.add(module) }
                    return platform
                }
                let information = boot.multibootInformation(.three)
                let list = UInt64(boot.number(UInt32.self, at: information + 24))
                #expect(boot.number(UInt32.self, at: information + 20) == UInt32(count))
                var end: UInt64 = 0
                for index in 0..<count {
                    let string = UInt64(boot.number(UInt32.self, at: list + UInt64(index) * 16 + 8))
                    let own = index == long ? text : []
                    #expect(boot.bytes(AddressRange(at: string, size: UInt64(own.count) + 1)) == own + [0])
                    #expect(index == 0 || string == end)
                    end = string + UInt64(own.count) + 1
                }
                let layout = boot.plan.handoff
                #expect(end <= layout.multiboot.end && layout.multiboot.end < end + 0x2000)
            }
        }
    }
}
