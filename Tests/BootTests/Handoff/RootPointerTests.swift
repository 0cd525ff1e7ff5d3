// ACPI's root pointer: the place of its copy, and its address in the device tree.

import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory
import TestSupport
import Testing

@testable import Boot

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RootPointerTests {
    @Test(arguments: [Generation.zero, .two, .fourRecursive])
    func `a copy has a free page of its own in the range that kernels search`(_ generation: Generation) throws {
        var random = SeededGenerator(seed: 700 + UInt64(generation.rawValue))
        var (placed, lost) = (0, 0)
        for index in 0..<200 {
            var scenario = Scenario.random(generation, &random)
            // Sometimes the word at 0x40e is in use.
            if index % 4 == 0 { scenario.firmware.append(AddressRange(0x400, 0x500)) }
            let file = scenario.file
            let application = try Application(ByteView(file.span.bytes))
            let platform = try scenario.platform()
            // Without a copy nothing changes.
            guard
                let plain = try? MemoryPlan(
                    application, on: platform.facts, loader: scenario.loader, limit: scenario.limit)
            else { continue }
            #expect(plain.rootPointer.isEmpty && !plain.losesRootPointer)
            let plan = try MemoryPlan(
                application, on: platform.facts, loader: scenario.loader, limit: scenario.limit, copiesRootPointer: true
            )
            #expect(plan.image == plain.image && plan.handoff == plain.handoff)
            #expect(plan.losesRootPointer == plan.rootPointer.isEmpty)
            let others =
                scenario.taken
                + [plan.image, plan.handoff.range, plan.movedModules, plan.staged, plan.movingTables].map(\.asRange)
            var free = scenario.availableRAM
            for range in others { free = subtract(range, from: free) }
            let windows: [Range<UInt64>] = [0x1_0000..<0xa_0000, 0xe_0000..<0x10_0000]
            guard !plan.losesRootPointer else {
                lost += 1
                // Low memory may have room, but not for the word that leads there.
                let isWordFree = free.contains { $0.contains(0x40e) && $0.contains(0x40f) }
                for window in isWordFree ? windows : [windows[1]] {
                    for range in free.map({ $0.clamped(to: window) }) where !range.isEmpty {
                        let page = (range.lowerBound + 0xfff) & ~0xfff
                        #expect(page + 0x1000 > range.upperBound, "\(scenario)")
                    }
                }
                continue
            }
            placed += 1
            let page = plan.rootPointer.asRange
            #expect(page.count == 0x1000 && page.lowerBound % 0x1000 == 0)
            #expect(windows.contains { $0.contains(page.lowerBound) && page.upperBound <= $0.upperBound })
            #expect(
                free.contains { $0.lowerBound <= page.lowerBound && page.upperBound <= $0.upperBound }, "\(scenario)")
        }
        #expect(placed > 40 && lost > 10, "\(placed) placed, \(lost) lost")
    }

    /// The address in the device tree, and the bytes there if the handoff block has them.
    private func told(
        _ generation: Generation, _ pointer: [UInt8], in kind: MemoryKind
    ) throws -> (address: UInt64?, bytes: [UInt8]?) {
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(hermitNote(4) + abiTag(0, generation == .fourIdentity ? 13 : 10, 0))
        let application = try Application(ByteView(writer.bytes.span.bytes))
        var platform = Platform(.multiboot2, information: 0x5000)
        try platform.memoryMap.add(AddressRange(0, 0x5000), .available)
        try platform.memoryMap.add(AddressRange(0x5000, 0x6000), kind)
        try platform.memoryMap.add(AddressRange(0x6000, 0x400_0000), .available)
        platform.rsdp = 0x5010
        let memory = [UInt8](repeating: 0, count: 16) + pointer + [UInt8](repeating: 0xee, count: 64)
        let loader = AddressRange(0x10_0000, 0x12_0000)
        let plan = try MemoryPlan(application, on: platform.facts, loader: loader, limit: 1 << 32)
        let handoff = Handoff(loader: loader, codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        let range = plan.handoff.range
        var block = [UInt8](repeating: 0xcc, count: Int(range.size))
        var span = block.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: range.start)
        _ = try handoff.write(
            application, on: platform.facts, plan,
            memory: PhysicalMemory(ByteView(memory.span.bytes), origin: 0x5000), to: &region)
        let start = Int(plan.handoff.deviceTree.start - range.start)
        let tree = try #require(DeviceTree(Array(block[start..<start + Int(plan.handoff.deviceTree.size)])))
        let node = tree.root.children.first { $0.name.hasPrefix("hermit,rsdp@") }
        guard let address = node?.numbers("reg")?.first else { return (nil, nil) }
        #expect(node?.name == "hermit,rsdp@" + String(address, radix: 16))
        guard range.contains(AddressRange(at: address, size: 36)) else { return (address, nil) }
        let offset = Int(address - range.start)
        return (address, Array(block[offset..<offset + 36]))
    }

    private static func pointer(version: UInt8) -> [UInt8] {
        Array("RSD PTR ".utf8) + [1] + Array("BOCHS ".utf8) + [version] + (1...20).map { UInt8($0) }
    }

    @Test func `a root pointer in available memory is copied beside BootInfo`() throws {
        let later = try told(.fourIdentity, Self.pointer(version: 2), in: .available)
        #expect(later.address.map { $0 % 16 } == 0)
        #expect(later.bytes == Self.pointer(version: 2))
        // The first version of the structure has 20 bytes.
        let first = try told(.fourIdentity, Self.pointer(version: 0), in: .available)
        #expect(first.bytes == Self.pointer(version: 0).prefix(20) + [UInt8](repeating: 0, count: 16))
    }

    @Test func `a root pointer that stays is reported unchanged`() throws {
        for kind in [MemoryKind.reserved, .acpiReclaimable, .acpiNonVolatile] {
            #expect(try told(.fourIdentity, Self.pointer(version: 2), in: kind).address == 0x5010)
        }
        // Without the signature there is nothing to copy.
        let none = try told(.fourIdentity, [UInt8](repeating: 7, count: 36), in: .available)
        #expect(none.address == 0x5010 && none.bytes == nil)
    }

    /// They would map its page, which is mapped already.
    @Test func `kernels that search for it get no address`() throws {
        #expect(try told(.fourRecursive, Self.pointer(version: 2), in: .available).address == nil)
    }

    /// No copy if kernels find the original: in the first KiB of the EBDA, or from 0xe0000 on.
    @Test(
        arguments: [
            (0, 0, false), (0xd_ffff, 0, true), (0xe_0000, 0, false), (0xf_ffff, 0, false), (0x10_0000, 0, true),
            (0x9_fbff, 0x9fc0, true), (0x9_fc00, 0x9fc0, false), (0x9_ffff, 0x9fc0, false), (0xa_0000, 0x9fc0, true),
            (0, 0x9fc0, false), (0x3ff, 0, false), (0x400, 0, true), (0x1_0000_0000, 0x9fc0, true),
        ] as [(UInt64, UInt16, Bool)])
    func `a kernel that would find it gets no copy`(_ pointer: UInt64, _ segment: UInt16, _ isCopied: Bool) throws {
        var memory = [UInt8](repeating: 0, count: 0x500)
        memory.put(segment, at: 0x40e)
        for generation in [Generation.zero, .three, .fourRecursive, .fourIdentity] {
            var writer = ELFWriter()
            writer.append([0xf4])
            writer.addNotes(
                generation == .zero
                    ? []
                    : hermitNote(UInt8(generation.entryVersion)) + abiTag(0, generation == .fourIdentity ? 13 : 10, 0))
            let file = writer.bytes
            let application = try Application(ByteView(file.span.bytes))
            var platform = Platform(.multiboot2, information: 0x5000)
            platform.rsdp = pointer
            let found = RootPointer.isToBeCopied(
                application, on: platform.facts, PhysicalMemory(ByteView(memory.span.bytes), origin: 0))
            #expect(found == (isCopied && application.generation.usesRecursivePageTable), "\(generation)")
            // If the word that leads to the EBDA cannot be read, there is no EBDA.
            let high = RootPointer.isToBeCopied(
                application, on: platform.facts, PhysicalMemory(ByteView(memory.span.bytes), origin: 0x10_0000))
            let isInROM = 0xe_0000..<0x10_0000 ~= pointer
            #expect(high == (pointer != 0 && !isInROM && application.generation.usesRecursivePageTable))
        }
    }
}
