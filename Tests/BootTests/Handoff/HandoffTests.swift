// The handoff: page tables, BootInfo, device tree, Multiboot information, read back byte by byte.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import Foundation
import HermitEntry
import TestSupport
import Testing

extension BootedMachine {
    /// Boots `scenario`; nil if it cannot be placed.
    init?(_ scenario: Scenario, gigabytePages: Bool) {
        let text = scenario.commandLine
        let handoff = Handoff(
            loader: scenario.loader, codeEnd: scenario.loader.start + 0x8123, hasGigabytePages: gigabytePages,
            hasNoExecute: true)
        let file = scenario.file
        precondition(UInt64(file.count) <= scenario.modules[0].size)
        do throws(Fault) {
            try self.init([(0x5000, text), (scenario.modules[0].start, file)], handoff) { () throws(Fault) in
                var platform = try scenario.platform()
                platform.commandLine =
                    text.isEmpty ? AddressRange(0, 0) : AddressRange(at: 0x5000, size: UInt64(text.count))
                return platform
            }
        } catch {
            if error.rule.kind != .placement { Issue.record("\(error) \(scenario)") }
            return nil
        }
    }

    /// The address of the Multiboot information in BootInfo.
    func multibootInformation(_ generation: Generation) -> UInt64 {
        let offset: UInt64 = generation.rawValue < Generation.two.rawValue ? 0x58 : generation == .two ? 96 : 104
        return number(UInt64.self, at: state.bootInfo + offset)
    }

    /// The pages that the kernel's tables map.
    func pages(skipping skipped: Set<Int>) -> [MappedPage]? {
        pages(root: state.pageTable, in: plan.handoff.pageTables, skipping: skipped)
    }
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HandoffTests {
    static let recursive: [Generation] = [.zero, .one, .two, .three, .fourRecursive]

    static func outward(_ range: AddressRange, _ unit: UInt64) -> Range<UInt64> {
        range.start & ~(unit - 1)..<(range.end + unit - 1) & ~(unit - 1)
    }

    /// Each part of the handoff is written in its own room only; if that is missing, the fault says so.
    @Test func `a block without room for a part is reported`() throws {
        func refusal(
            _ generation: Generation, from first: (HandoffLayout) -> UInt64 = { $0.range.start },
            to last: (HandoffLayout) -> UInt64 = { $0.range.end }, string: UInt64 = 0
        ) throws -> (fault: Fault?, layout: HandoffLayout) {
            let scenario = Scenario(
                regions: [MemoryRegion(range: AddressRange(0, 0x400_0000), kind: .available)], isPVH: true,
                firmware: [], modules: [AddressRange(0x80_0000, 0x80_1000)],
                loader: AddressRange(0x10_0000, 0x12_8000), isFixed: false, base: 0, zeroFill: 0, alignment: 0x1000,
                generation: generation)
            let file = scenario.file
            let application = try Application(ByteView(file.span.bytes))
            let planned = try scenario.platform()
            let plan = try MemoryPlan(application, on: planned.facts, loader: scenario.loader, limit: scenario.limit)
            // A module with a string that the plan does not include.
            var platform = try scenario.platform()
            if string > 0 {
                let text = AddressRange(at: 0, size: string)
                try platform.add(Module(range: AddressRange(0x90_0000, 0x90_1000), commandLine: text))
            }
            let handoff = Handoff(
                loader: scenario.loader, codeEnd: 0x10_8000, hasGigabytePages: true, hasNoExecute: true)
            let memory = [UInt8](repeating: 0x61, count: 0x4000)
            let (start, end) = (first(plan.handoff), last(plan.handoff))
            var bytes = [UInt8](repeating: 0, count: Int(end - start))
            var found: Fault?
            do throws(Fault) {
                var span = bytes.mutableSpan
                var block = ByteRegion(span.mutableBytes, at: start)
                _ = try handoff.write(
                    application, on: platform.facts, plan,
                    memory: PhysicalMemory(ByteView(memory.span.bytes), origin: 0), to: &block)
            } catch { found = error }
            return (found, plan.handoff)
        }
        for generation in [Generation.two, .fourIdentity] {
            #expect(try refusal(generation).fault == nil)
            let tables = try refusal(generation, from: { $0.pageTables.start + 0x1000 })
            #expect(tables.fault == Fault(.pageTableRoom, value: tables.layout.pageTables.size / 0x1000))
        }
        let tree = try refusal(.fourIdentity, to: { $0.deviceTree.end - 1 })
        #expect(tree.fault == Fault(.deviceTreeRoom, value: tree.layout.deviceTree.size))
        let list = try refusal(.two, to: { $0.multiboot.end - 1 })
        #expect(list.fault == Fault(.noRoomForHandoff, value: list.layout.multiboot.size))
        let long = try refusal(.two, string: list.layout.multiboot.size)
        #expect(long.fault == Fault(.noRoomForHandoff, value: long.layout.multiboot.size))
    }

    @Test(arguments: recursive)
    func `recursive tables map the image, the loader, the handoff and the firmware's structures, no more`(
        _ generation: Generation
    ) throws {
        var random = SeededGenerator(seed: 200 + UInt64(generation.rawValue))
        var booted = 0
        for _ in 0..<60 {
            let scenario = Scenario.random(generation, &random)
            guard let boot = BootedMachine(scenario, gigabytePages: true) else { continue }
            booted += 1
            let root = boot.state.pageTable
            #expect(root == boot.plan.handoff.pageTables.start)
            #expect(boot.number(UInt64.self, at: root + 511 * 8) == root | 3)
            // PML4, PDPT and PD follow one another, and the first 2 MiB are in 4 KiB pages.
            #expect(boot.number(UInt64.self, at: root) == root + 0x1000 | 3)
            #expect(boot.number(UInt64.self, at: root + 0x1000) == root + 0x2000 | 3)
            let first = boot.number(UInt64.self, at: root + 0x2000)
            #expect(first & 0x81 == 1, "\(scenario)")

            let pages = try #require(boot.pages(skipping: [511]), "\(scenario)")
            #expect(pages.allSatisfy { $0.virtual == $0.physical && $0.size <= 0x20_0000 })
            let image = boot.plan.image
            var expected = [
                image.start & ~0xfff..<(image.end + 0x1f_ffff) & ~0x1f_ffff, Self.outward(scenario.loader, 0x1000),
                boot.plan.handoff.range.asRange,
            ]
            // The firmware's structures count only if the kernel can get them: all of them lie below the image, with no listed
            // module under it, and they list the application, not an archive.
            if !scenario.isPVH, !scenario.isImage, scenario.firmware.allSatisfy({ $0.end <= image.start }),
                !scenario.modules.contains(where: { $0.overlaps(image) })
            {
                expected += scenario.firmware.map { Self.outward($0, 0x1000) }
            }
            let stack = boot.plan.handoff.stack.start
            #expect(
                ranges(of: pages) == subtract(stack - 0x1000..<stack, from: joined(expected)),
                "\(scenario) \(boot.plan)")
        }
        #expect(booted > 20, "\(booted) of 60")
    }

    @Test(arguments: [false, true])
    func `identity tables map all RAM and no hole of the address space`(_ gigabytePages: Bool) throws {
        var random = SeededGenerator(seed: 300)
        var booted = 0
        for _ in 0..<60 {
            let scenario = Scenario.random(.fourIdentity, &random)
            guard let boot = BootedMachine(scenario, gigabytePages: gigabytePages) else { continue }
            booted += 1
            let root = boot.state.pageTable
            #expect(boot.number(UInt64.self, at: root + 511 * 8) == 0)
            let pages = try #require(boot.pages(skipping: []), "\(scenario)")
            #expect(pages.allSatisfy { $0.virtual == $0.physical })
            #expect(gigabytePages || pages.allSatisfy { $0.size <= 0x20_0000 })
            // The first 2 MiB: 512 pages of 4 KiB.
            #expect(pages.prefix(512).allSatisfy { $0.size == 0x1000 } && pages[511].virtual == 0x1f_f000)
            let ram = scenario.regions.filter { [.available, .acpiReclaimable, .acpiNonVolatile].contains($0.kind) }
            let expected = joined([0..<0x20_0000] + ram.map { Self.outward($0.range, 0x20_0000) })
            #expect(ranges(of: pages) == expected, "\(scenario)")
        }
        #expect(booted > 20, "\(booted) of 60")
    }

    @Test func `moving tables map all memory that the loader can reach`() throws {
        var random = SeededGenerator(seed: 400)
        var moved = 0
        for _ in 0..<100 {
            let scenario = Scenario.random(.fourRecursive, &random)
            guard let boot = BootedMachine(scenario, gigabytePages: false), boot.plan.isStaged else { continue }
            moved += 1
            #expect(boot.state.movingPageTable == boot.plan.movingTables.start)
            #expect(boot.state.staged == boot.plan.staged)
            let pages = try #require(
                boot.pages(root: boot.state.movingPageTable, in: boot.plan.movingTables))
            #expect(ranges(of: pages) == [0..<scenario.limit])
            #expect(pages.allSatisfy { $0.virtual == $0.physical })
        }
        #expect(moved > 5)
    }

    /// A plain machine with 64 MiB.
    static func plain(_ generation: Generation, isPVH: Bool, commandLine: String = "loader -- a b") -> Scenario {
        Scenario(
            regions: [
                MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                MemoryRegion(range: AddressRange(0x10_0000, 0x400_0123), kind: .available),
                MemoryRegion(range: AddressRange(0x410_0000, 0x420_0000), kind: .reserved),
            ], isPVH: isPVH, firmware: [AddressRange(at: 0x9500, size: 116)],
            modules: [AddressRange(0x20_0000, 0x20_1234)], loader: AddressRange(0x10_0000, 0x12_3000), isFixed: false,
            base: 0, zeroFill: 0x1000, alignment: 0x1000, generation: generation, commandLine: Array(commandLine.utf8))
    }

    /// entry.S reads the state at these offsets.
    @Test func `the entry state's words lie in order`() throws {
        let offsets: [Int?] = [
            MemoryLayout<EntryState>.offset(of: \.instructionPointer),
            MemoryLayout<EntryState>.offset(of: \.stackPointer),
            MemoryLayout<EntryState>.offset(of: \.bootInfo), MemoryLayout<EntryState>.offset(of: \.pageTable),
            MemoryLayout<EntryState>.offset(of: \.descriptorTable), MemoryLayout<EntryState>.offset(of: \.trampoline),
            MemoryLayout<EntryState>.offset(of: \.staged.start), MemoryLayout<EntryState>.offset(of: \.staged.end),
            MemoryLayout<EntryState>.offset(of: \.movingPageTable), MemoryLayout<EntryState>.offset(of: \.imageStart),
        ]
        #expect(offsets == [0, 8, 16, 24, 32, 40, 48, 56, 64, 72])
        let assembly = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Sources/CMachine/entry.S")
        let source = try String(contentsOf: assembly, encoding: .utf8)
        #expect(source.matches(of: #/\.equ STATE_\w+, (\d+)/#).map { Int($0.1) } == offsets)
        // No offset stands there without a name.
        #expect(source.matches(of: #/(\w*)\(%rbx\)/#).allSatisfy { $0.1.hasPrefix("STATE_") })
    }

    @Test(arguments: MemoryPlanTests.generations, [false, true])
    func `the entry state is the contract's`(_ generation: Generation, _ isPVH: Bool) throws {
        let boot = try #require(BootedMachine(Self.plain(generation, isPVH: isPVH), gigabytePages: false))
        let (state, layout) = (boot.state, boot.plan.handoff)
        #expect(state.instructionPointer == boot.plan.bias + 960)
        #expect(state.bootInfo == layout.information.start)
        #expect(state.imageStart == boot.plan.image.start)
        #expect(state.staged.isEmpty)
        // The image is the file, and zeros.
        let file = Self.plain(generation, isPVH: isPVH).file
        #expect(boot.bytes(boot.plan.image) == file + [UInt8](repeating: 0, count: 0x1000))
        let low = generation == .zero || generation == .one
        #expect(state.stackPointer == (low ? layout.stack.end - 16 : layout.stack.start))
        // Null, 64-bit code with L set and D clear, writable data; all present, ring 0.
        #expect(boot.number(UInt64.self, at: state.descriptorTable) == 0)
        let code = boot.number(UInt64.self, at: state.descriptorTable + 8)
        #expect(code >> 40 & 0xfe == 0x9a && code >> 52 & 0xf == 0xa)
        let data = boot.number(UInt64.self, at: state.descriptorTable + 16)
        #expect(data >> 40 & 0xfe == 0x92)

        // The command line begins the Multiboot part and ends with a NUL.
        let text = boot.bytes(layout.multiboot).prefix(14)
        #expect(Array(text) == Array("loader -- a b\0".utf8))
        if low {
            #expect(boot.number(UInt64.self, at: state.bootInfo + 0x38) == layout.stack.start)
            #expect(boot.number(UInt64.self, at: state.bootInfo + 0x60) == layout.multiboot.start)
            #expect(boot.number(UInt64.self, at: state.bootInfo + 0x68) == 13)
        }
        if generation.hasDeviceTreePlatform {
            #expect(boot.number(UInt32.self, at: state.bootInfo + 80) == (isPVH ? 3 : 0))
        }
        let information = boot.multibootInformation(generation)
        if !isPVH {
            #expect(information == 0x9500)
        } else if generation == .fourRecursive || generation == .fourIdentity {
            #expect(information == 0)
        } else {
            checkSynthesised(boot, information)
        }
        if generation.rawValue >= Generation.three.rawValue {
            #expect(boot.number(UInt64.self, at: state.bootInfo + 24) == layout.deviceTree.start)
            checkTree(boot, isPVH)
        }
    }

    /// Kernels take their own `_end` for the end of the image: the loader's additions after it are reserved, at any link address.
    @Test(arguments: [false, true]) func `the loader's additions to the image are reserved`(_ isFixed: Bool) throws {
        var file = LinkedFileWriter()
        (file.isExecutable, file.base) = (isFixed, isFixed ? 0x100_0000 : 0)
        file.tls = LinkedTLS(vaddr: file.dataAddress, filesz: 0, memsz: 8, align: 8)
        // A descriptor needs code, for which the last page of the image has no room.
        file.rela = [LinkedRelocation(offset: file.dataAddress, type: 36)]
        file.data = [UInt8](repeating: 0, count: 0xff8)
        let bytes = file.bytes
        let handoff = Handoff(
            loader: AddressRange(0x10_0000, 0x12_0000), codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        let boot = try BootedMachine([(0x40_0000, bytes)], handoff) { () throws(Fault) in
            var platform = Platform(.pvh, information: 0x9500)
            try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x400_0000), .available)
            let module = AddressRange(at: 0x40_0000, size: UInt64(bytes.count))
            try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
            return platform
        }
        let image = boot.plan.image
        #expect(image.size == 0x5020)
        let tree = try #require(DeviceTree(boot.bytes(boot.plan.handoff.deviceTree)))
        #expect(tree.reservations.contains(image.start + 0x5000..<image.start + 0x6000))
    }

    /// A line of any length, then the information at the next multiple of 16, without overlap.
    @Test(arguments: [Generation.two, .three]) func `a command line of any length lies beside the information`(
        _ generation: Generation
    ) throws {
        for size in [1, 2, 14, 15, 16, 17, 31, 32, 33, 100, 4095, 4096, 5000] {
            let line = "loader -- " + String(repeating: "x", count: size)
            let boot = try #require(
                BootedMachine(Self.plain(generation, isPVH: true, commandLine: line), gigabytePages: false))
            let start = boot.plan.handoff.multiboot.start
            #expect(boot.bytes(AddressRange(at: start, size: UInt64(line.utf8.count) + 1)) == Array(line.utf8) + [0])
            let information = boot.multibootInformation(generation)
            #expect(information % 16 == 0 && information > start + UInt64(line.utf8.count))
            #expect(information <= start + UInt64(line.utf8.count) + 16)
            checkSynthesised(boot, information)
        }
    }

    /// Kernels that respect reservations leave the information above them alone; others would overwrite it. It is reserved if it is
    /// handed on.
    @Test(arguments: MemoryPlanTests.generations)
    func `information above the image is handed on to kernels that respect reservations`(_ generation: Generation)
        throws
    {
        var scenario = Self.plain(generation, isPVH: false)
        scenario.firmware = [AddressRange(at: 0x200_0000, size: 116)]
        // A module above the image does not matter.
        scenario.modules.append(AddressRange(0x300_0000, 0x300_1000))
        let boot = try #require(BootedMachine(scenario, gigabytePages: false))
        #expect(boot.plan.image.end < 0x200_0000)
        let isHandedOn = boot.multibootInformation(generation) == 0x200_0000
        #expect(isHandedOn == (generation == .fourIdentity))
        if [.three, .fourRecursive, .fourIdentity].contains(generation) {
            let tree = try #require(DeviceTree(boot.bytes(boot.plan.handoff.deviceTree)))
            #expect(tree.reservations.contains { $0.contains(0x200_0000) } == isHandedOn)
        }
        scenario.firmware = [AddressRange(at: 0x9500, size: 116)]
        let below = try #require(BootedMachine(scenario, gigabytePages: false))
        #expect(below.multibootInformation(generation) == 0x9500)
    }

    /// Kernels get the address of SEV-SNP's blob in the node that upstream's loader writes; without a blob there is no node.
    @Test(arguments: [0, 0x1234_5000] as [UInt64]) func `a confidential blob has a node`(_ blob: UInt64) throws {
        let scenario = Self.plain(.fourIdentity, isPVH: true)
        let handoff = Handoff(
            loader: scenario.loader, codeEnd: scenario.loader.start + 0x8000, hasGigabytePages: false,
            hasNoExecute: true)
        let boot = try BootedMachine([(scenario.modules[0].start, scenario.file)], handoff) { () throws(Fault) in
            var platform = try scenario.platform()
            platform.confidentialBlob = blob
            return platform
        }
        let tree = try #require(DeviceTree(boot.bytes(boot.plan.handoff.deviceTree)))
        let node = tree.root.children.first { $0.name.hasPrefix("hermit,efi_sev_snp_cc_blob@") }
        #expect(node?.name == (blob == 0 ? nil : "hermit,efi_sev_snp_cc_blob@12345000"))
        #expect(blob == 0 || node?.numbers("reg") == [blob, 1])
    }

    /// kexec leaves the memory map at 0, which kernels take for a null pointer.
    @Test(arguments: MemoryPlanTests.generations)
    func `information at 0 is not handed on`(_ generation: Generation) throws {
        var scenario = Self.plain(generation, isPVH: false)
        scenario.firmware.append(AddressRange(at: 0, size: 72))
        let boot = try #require(BootedMachine(scenario, gigabytePages: false))
        checkSynthesised(boot, boot.multibootInformation(generation))
    }

    /// A module under the image is moved, whether it is needed or not; then the firmware's list has its old address.
    @Test(arguments: MemoryPlanTests.generations)
    func `modules are listed where they are`(_ generation: Generation) throws {
        for base in [0x18_0000, 0x20_1000, 0x2f_f000] as [UInt64] {
            var scenario = Self.plain(generation, isPVH: false)
            scenario.isFixed = true
            scenario.base = base
            scenario.zeroFill = 0x8_0000
            scenario.modules += [AddressRange(0x20_2000, 0x20_2000), AddressRange(0x30_0000, 0x30_0321)]
            let boot = try #require(BootedMachine(scenario, gigabytePages: false))
            let image = boot.plan.image
            let information = boot.multibootInformation(generation)
            #expect(boot.plan.handoff.multiboot.contains(AddressRange(at: information, size: 116)))
            #expect(boot.number(UInt32.self, at: information + 20) == 3)
            let list = UInt64(boot.number(UInt32.self, at: information + 24))
            for (index, module) in scenario.modules.enumerated() {
                let start = UInt64(boot.number(UInt32.self, at: list + UInt64(index) * 16))
                let end = UInt64(boot.number(UInt32.self, at: list + UInt64(index) * 16 + 4))
                #expect(end - start == module.size)
                #expect(!AddressRange(start, end).overlaps(image))
                #expect((start == module.start) == !module.overlaps(image))
                let string = UInt64(boot.number(UInt32.self, at: list + UInt64(index) * 16 + 8))
                #expect(boot.number(UInt8.self, at: string) == 0)
            }
        }
    }

    /// Kernels take each reservation out of their list of free memory, which has few entries before there is a heap.
    @Test(arguments: [false, true]) func `adjacent ranges are one reservation`(_ isPVH: Bool) throws {
        var scenario = Scenario(
            regions: [MemoryRegion(range: AddressRange(0, 0x4000_0000), kind: .available)], isPVH: isPVH,
            firmware: [AddressRange(at: 0x9500, size: 116), AddressRange(0x12_3044, 0x12_3060)],
            modules: [
                AddressRange(0x12_4000, 0x12_5001), AddressRange(0x12_6000, 0x12_6000),
                AddressRange(0x12_6000, 0x12_7fff),
            ],
            loader: AddressRange(0x10_0000, 0x12_3000), isFixed: false, base: 0, zeroFill: 0, alignment: 0x1000,
            generation: .fourIdentity)
        // One range inside another, and one that begins before it.
        scenario.modules += [AddressRange(0x12_5000, 0x12_5001), AddressRange(0x30_0000, 0x30_1000)]
        let boot = try #require(BootedMachine(scenario, gigabytePages: true))
        let tree = try #require(DeviceTree(boot.bytes(boot.plan.handoff.deviceTree)))
        let far: Range<UInt64> = 0x30_0000..<0x30_1000
        // The kernel reads none of PVH's structures.
        #expect(
            tree.reservations
                == (isPVH ? [0..<0x12_3000, 0x12_4000..<0x12_8000, far] : [0..<0x12_8000, far]))
    }

    /// The Multiboot information that PVH does not have.
    func checkSynthesised(_ boot: BootedMachine, _ address: UInt64) {
        func word(_ offset: UInt64) -> UInt64 { UInt64(boot.number(UInt32.self, at: address + offset)) }
        #expect(boot.plan.handoff.multiboot.contains(AddressRange(at: address, size: 116)))
        #expect(word(0) == 1 << 2 | 1 << 3 | 1 << 6)
        #expect(word(16) == boot.plan.handoff.multiboot.start)
        #expect(word(20) == 1)
        #expect(boot.number(UInt64.self, at: word(24)) == 0x20_1234 << 32 | 0x20_0000)
        #expect(word(44) == 3 * 24)
        let map = word(48)
        for (index, entry) in [(0, 0x9_fc00, 1), (0x10_0000, 0x3f0_0123, 1), (0x410_0000, 0x10_0000, 2)].enumerated() {
            let start = map + UInt64(index) * 24
            #expect(boot.number(UInt32.self, at: start) == 20)
            #expect(boot.number(UInt64.self, at: start + 4) == UInt64(entry.0))
            #expect(boot.number(UInt64.self, at: start + 12) == UInt64(entry.1))
            #expect(boot.number(UInt32.self, at: start + 20) == UInt32(entry.2))
        }
    }

    func checkTree(_ boot: BootedMachine, _ isPVH: Bool) {
        guard let tree = DeviceTree(boot.bytes(boot.plan.handoff.deviceTree)) else {
            Issue.record("not a device tree")
            return
        }
        #expect(tree.root.text("compatible") == (isPVH ? "hermit,pvh" : "hermit,multiboot"))
        #expect(tree.root["#address-cells"] == [0, 0, 0, 2])
        #expect(tree.root["#size-cells"] == [0, 0, 0, 2])
        #expect(tree.root.children.map(\.name) == ["memory@0", "memory@100000", "chosen"])
        // RAM in whole pages.
        #expect(tree.root.children.first?.numbers("reg") == [0, 0x9_f000])
        #expect(tree.root.children[1].numbers("reg") == [0x10_0000, 0x3f0_0000])
        #expect(tree.root.children[1].text("device_type") == "memory")
        #expect(tree.root.children.last?.text("bootargs") == "loader -- a b")
        // Loader, module and handoff are reserved, in whole pages.
        let reserved = joined(tree.reservations)
        for range in [0x10_0000..<0x12_3000, 0x20_0000..<0x20_2000, boot.plan.handoff.range.asRange] {
            #expect(reserved.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound })
        }
        #expect(tree.reservations.allSatisfy { $0.lowerBound % 0x1000 == 0 && $0.upperBound % 0x1000 == 0 })
    }
}
