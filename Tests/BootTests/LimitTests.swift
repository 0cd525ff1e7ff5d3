// The limits of a boot: the largest value that can be planned, and one more.

import Memory
@testable import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LimitTests {
    /// A machine with `top` bytes of RAM from 0 on, and a fixed image at `base`.
    private func scenario(top: UInt64, base: UInt64, zeroFill: UInt64, isFixed: Bool = true) -> Scenario {
        Scenario(
            regions: [MemoryRegion(range: AddressRange(0, top), kind: .available)], isPVH: false, firmware: [],
            modules: [AddressRange(0x20_0000, 0x20_1000)], loader: AddressRange(0x10_0000, 0x12_8000), isFixed: isFixed,
            base: base, zeroFill: zeroFill, alignment: 0x1000, generation: .fourIdentity)
    }

    @Test func `an image may end at 4 GiB, and no higher`() throws {
        let top: UInt64 = 1 << 32 + 1 << 30
        let end: UInt64 = 1 << 32
        let size = try MemoryPlanTests.plan(scenario(top: top, base: 0xf000_0000, zeroFill: 0)).get().image.size
        let fitting = end - 0xf000_0000 - size
        #expect(
            try MemoryPlanTests.plan(scenario(top: top, base: 0xf000_0000, zeroFill: fitting)).get().image.end == end)
        #expect(
            MemoryPlanTests.plan(scenario(top: top, base: 0xf000_0000, zeroFill: fitting + 1))
                == .failure(Fault(.imageAboveReach, value: 0xf000_0000, limit: end + 1)))
    }

    @Test func `a machine without RAM is reported`() {
        var none = scenario(top: 1 << 30, base: 0, zeroFill: 0, isFixed: false)
        none.regions = [MemoryRegion(range: AddressRange(0, 1 << 30), kind: .reserved)]
        #expect(MemoryPlanTests.plan(none) == .failure(Fault(.memoryTooSmall)))
    }

    /// A single byte is still RAM.
    @Test func `a machine with one byte of RAM is too small for the image`() throws {
        var one = scenario(top: 1 << 30, base: 0, zeroFill: 0, isFixed: false)
        let size = try MemoryPlanTests.plan(one).get().image.size
        one.regions = [MemoryRegion(range: AddressRange(0, 1), kind: .available)]
        #expect(MemoryPlanTests.plan(one) == .failure(Fault(.imageTooLarge, value: size, limit: 1)))
    }

    @Test func `a position-independent image may take all free memory, and no more`() throws {
        // After the module, which ends at 0x20_1000, the image begins at 4 MiB.
        let top: UInt64 = 0x100_0000
        let size = try MemoryPlanTests.plan(scenario(top: top, base: 0, zeroFill: 0, isFixed: false)).get().image.size
        let fitting = top - 0x40_0000 - size
        let plan = try MemoryPlanTests.plan(scenario(top: top, base: 0, zeroFill: fitting, isFixed: false)).get()
        #expect(plan.image == AddressRange(0x40_0000, top))
        let refused = MemoryPlanTests.plan(scenario(top: top, base: 0, zeroFill: fitting + 1, isFixed: false))
        #expect(refused == .failure(Fault(.noRoomForImage, value: top - 0x40_0000 + 1, limit: 0x20_0000)))
    }

    /// An image larger than all memory is refused at once, below the loader's reach and at it.
    @Test(arguments: [0x100_0000, 1 << 32 + 1 << 30] as [UInt64])
    func `an image is at most as large as memory`(_ top: UInt64) throws {
        let room = min(top, 1 << 32)
        let size = try MemoryPlanTests.plan(scenario(top: top, base: 0, zeroFill: 0, isFixed: false)).get().image.size
        for (excess, fault) in [
            (0, Fault(.noRoomForImage, value: room, limit: 0x20_0000)),
            (1, Fault(.imageTooLarge, value: room + 1, limit: room)),
        ] as [(UInt64, Fault)] {
            let scenario = scenario(top: top, base: 0, zeroFill: room - size + excess, isFixed: false)
            #expect(MemoryPlanTests.plan(scenario) == .failure(fault))
        }
    }

    /// An image at the user's address must lie in RAM completely.
    @Test func `an image at a base may end where memory ends`() throws {
        let (top, base) = (0x100_0000 as UInt64, 0x80_0000 as UInt64)
        let size = try MemoryPlanTests.plan(scenario(top: top, base: 0, zeroFill: 0, isFixed: false)).get().image.size
        for (excess, isFit) in [(0, true), (1, false)] as [(UInt64, Bool)] {
            let scenario = scenario(top: top, base: 0, zeroFill: top - base - size + excess, isFixed: false)
            let plan = MemoryPlanTests.plan(scenario, .address(base))
            if isFit {
                #expect(try plan.get().image == AddressRange(base, top))
            } else {
                #expect(plan == .failure(Fault(.baseOutsideMemory, value: base, limit: top + 1)))
            }
        }
    }

    /// An image at the last base must end at the end of the address space.
    @Test func `an image at the last base ends with the addresses`() {
        let base: UInt64 = 0xffff_ffff_ffe0_0000
        let scenario = scenario(top: 0x100_0000, base: 0, zeroFill: 0x20_0000, isFixed: false)
        let fault = Fault(.baseOutsideMemory, value: base, limit: .max)
        #expect(MemoryPlanTests.plan(scenario, .address(base)) == .failure(fault))
    }

    /// The handoff of a kernel that uses all memory above it, without free memory below.
    @Test func `a handoff without room says how large it is`() throws {
        var low = scenario(top: 0x100_0000, base: 0x1_0000, zeroFill: 0)
        low.generation = .three
        let file = low.file
        let application = try Application(ByteView(file.span.bytes))
        let size = HandoffLayout(application, on: try low.platform().facts).range.size
        #expect(MemoryPlanTests.plan(low) == .failure(Fault(.noRoomForHandoff, value: size)))
    }

    /// A fixed image that leaves no room: the module that it covers has no other place, and neither has its copy if it covers the loader.
    @Test func `modules in the way need room elsewhere`() throws {
        let top: UInt64 = 0x100_0000
        func filling(_ base: UInt64, _ modules: [AddressRange], top: UInt64) throws -> Scenario {
            var all = scenario(top: 0x1000_0000, base: base, zeroFill: 0)
            all.modules = modules
            let size = try MemoryPlanTests.plan(all).get().image.size
            all.zeroFill = 0x100_0000 - base - size
            all.regions = [MemoryRegion(range: AddressRange(0, top), kind: .available)]
            return all
        }
        let covered = [AddressRange(0x20_0000, 0x20_1001)]
        #expect(try MemoryPlanTests.plan(filling(0x12_8000, covered, top: top + 0x2000)).get().movesModules)
        #expect(
            try MemoryPlanTests.plan(filling(0x12_8000, covered, top: top + 0x1fff))
                == .failure(Fault(.noRoomForModule, value: 0x2000)))
        let below = [AddressRange(0x5_0000, 0x5_1000)]
        let plan = try MemoryPlanTests.plan(filling(0x10_0000, below, top: 0x300_0000)).get()
        let size = plan.staged.size + plan.movingTables.size
        #expect(plan.isStaged && plan.staged.size == 0xf0_0000)
        #expect(try MemoryPlanTests.plan(filling(0x10_0000, below, top: top + size)).get().isStaged)
        #expect(
            try MemoryPlanTests.plan(filling(0x10_0000, below, top: top + size - 1))
                == .failure(Fault(.noRoomForImage, value: size, limit: 0x1000)))
    }

    /// The largest number of modules, each with a command line, all firmware structures, and the plan with the most reservations.
    @Test(arguments: [BootProtocol.multiboot, .pvh]) func `reservations do not run out`(_ start: BootProtocol) throws {
        var memory = [UInt8](repeating: 0, count: 0x4_0000)
        func put(_ words: [UInt32], at address: Int) {
            for (index, word) in words.enumerated() { memory.put(word, at: address + index * 4) }
        }
        for index in 0..<16 {
            let (module, text) = (UInt32(0x3_0000 + index * 0x400), UInt32(0x2_2000 + index * 16))
            memory.put(UInt32(0x6161_6161), at: Int(text))
            if start == .multiboot {
                put([module, module + 0x100, text, 0], at: 0x2_1000 + index * 16)
            } else {
                put([module, 0, 0x100, 0, text, 0, 0, 0], at: 0x2_1000 + index * 32)
            }
        }
        put([0x6161_6161], at: 0x2_0000)
        if start == .multiboot {
            put([0b100_1101, 639, 0xfc00, 0, 0x2_0000, 16, 0x2_1000, 0, 0, 0, 0, 24, 0x9000], at: 0x9500)
            put([20, 0, 0, 0x1000_0000, 0, 1], at: 0x9000)
        } else {
            put([0x336e_c578, 1, 0, 16, 0x2_1000, 0, 0x2_0000, 0, 0xf_5a20, 0, 0x9000, 0, 1, 0], at: 0x9500)
            put([0, 0, 0x1000_0000, 0, 1, 0], at: 0x9000)
        }
        let physical = PhysicalMemory(ByteView(memory.span.bytes), origin: 0)
        var platform = Platform(start, information: 0x9500)
        try platform.read(physical)
        #expect(platform.moduleCount == 16)
        let count = platform.reservations.count
        #expect(count >= 32 && count + 7 <= Reservations.capacity)
        // Over the loader and the first module: both are moved.
        var writer = ELFWriter(type: 2, base: 0x3_0000)
        writer.append([0xf4])
        writer.zeroFill = 0x10_0000
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 0))
        let file = writer.bytes
        let application = try Application(ByteView(file.span.bytes))
        let plan = try MemoryPlan(
            application, on: platform.facts, loader: AddressRange(0x10_0000, 0x12_8000), limit: 1 << 32)
        #expect(plan.isStaged && plan.movesModules)
    }
}
