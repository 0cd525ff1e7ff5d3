// The kernel's page tables at the edges: the last page of the image, and the one below the stack.

import Boot
import HermitEntry
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct KernelPagesTests {
    /// A machine without RAM below 1 MiB; below 4 MiB it has only the RAM for the handoff, which ends at `end`.
    private func scenario(endOfHandoff end: UInt64, size: UInt64) -> Scenario {
        Scenario(
            regions: [
                MemoryRegion(range: AddressRange(end - size, end), kind: .available),
                MemoryRegion(range: AddressRange(0x40_0000, 0x400_0000), kind: .available),
            ], isPVH: true, firmware: [], modules: [AddressRange(0x60_0000, 0x60_1000)],
            loader: AddressRange(0x10_0000, 0x12_8000), isFixed: false, base: 0, zeroFill: 0, alignment: 0x1000,
            generation: .fourIdentity)
    }

    /// In the first 2 MiB, which are in pages of 4 KiB; above, that would need another table.
    @Test(
        arguments: [
            (0x1f_f000, true), (0x20_0000, true), (0x20_1000, false), (0x30_0000, false), (0x3f_f000, false),
        ] as [(UInt64, Bool)])
    func `the page below the stack is write-protected in the first 2 MiB`(
        _ end: UInt64, _ isGuarded: Bool
    ) throws {
        let size = try MemoryPlanTests.plan(scenario(endOfHandoff: 0x20_0000, size: 0x8_0000)).get().handoff.range.size
        let boot = try #require(BootedMachine(scenario(endOfHandoff: end, size: size), gigabytePages: false))
        let layout = boot.plan.handoff
        #expect(layout.range == AddressRange(end - size, end))
        let pages = try #require(boot.pages(skipping: []))
        func isWritable(_ address: UInt64) throws -> Bool {
            let page = try #require(pages.first { $0.virtual <= address && address - $0.virtual < $0.size })
            return page.isWritable
        }
        #expect(try isWritable(layout.stack.start - 1) == !isGuarded)
        #expect(try isWritable(layout.stack.start - 0x1000) == !isGuarded)
        #expect(try isWritable(layout.stack.start - 0x1001) && isWritable(layout.stack.start))
        #expect(try isWritable(layout.stack.end - 1))
    }

    /// Kernels that map memory themselves count the image's last 2 MiB page as the image's, and must find nothing mapped after it.
    @Test(
        arguments: [0x3f_f000, 0x3f_ffff, 0x40_0000, 0x40_0001, 0x40_1000, 0x60_0000] as [UInt64],
        [.zero, .two, .three, .fourRecursive] as [Generation])
    func `nothing is mapped after the last large page of the image`(_ end: UInt64, _ generation: Generation) throws {
        var scenario = Scenario(
            regions: [MemoryRegion(range: AddressRange(0, 0x400_0000), kind: .available)], isPVH: true, firmware: [],
            modules: [AddressRange(0x80_0000, 0x80_1000)], loader: AddressRange(0x10_0000, 0x12_8000), isFixed: true,
            base: 0x20_0000, zeroFill: 0, alignment: 0x1000, generation: generation)
        let size = try MemoryPlanTests.plan(scenario).get().image.size
        scenario.zeroFill = end - 0x20_0000 - size
        let boot = try #require(BootedMachine(scenario, gigabytePages: false))
        #expect(boot.plan.image == AddressRange(0x20_0000, end))
        let pages = try #require(boot.pages(skipping: [511]))
        #expect(pages.map { $0.virtual + $0.size }.max() == (end + 0x1f_ffff) & ~0x1f_ffff)
    }

    /// Kernels map their heap above the image, and panic if a page is mapped already: 0.6.9 did at kexec's place for the loader.
    @Test(
        arguments: [.zero, .two, .three, .fourRecursive] as [Generation],
        [0x30_0000, 0x40_0000, 0x100_0000, 0x1000_0000] as [UInt64])
    func `a loader above the image is not mapped`(_ generation: Generation, _ loader: UInt64) throws {
        var scenario = Scenario(
            regions: [MemoryRegion(range: AddressRange(0, 0x2000_0000), kind: .available)], isPVH: true, firmware: [],
            modules: [AddressRange(0x80_0000, 0x80_1000)], loader: AddressRange(at: loader, size: 0x2_8000),
            isFixed: false, base: 0, zeroFill: 0, alignment: 0x1000, generation: generation)
        let boot = try #require(BootedMachine(scenario, gigabytePages: false))
        let image = boot.plan.image
        #expect(image.end <= loader)
        let pages = try #require(boot.pages(skipping: [511]))
        #expect(pages.map { $0.virtual + $0.size }.max() == (image.end + 0x1f_ffff) & ~0x1f_ffff)
        // The last step runs in a mapped page, under the kernel's tables from its first instruction to its last.
        #expect(boot.state.movingPageTable == boot.state.pageTable && boot.state.staged.isEmpty)
        #expect(pages.contains { $0.virtual == boot.state.trampoline && $0.isExecutable })
        // A loader below the image is mapped, and the last step runs there.
        scenario.loader = AddressRange(0x10_0000, 0x12_8000)
        let usual = try #require(BootedMachine(scenario, gigabytePages: false))
        #expect(usual.state.movingPageTable == 0)
        #expect(try #require(usual.pages(skipping: [511])).contains { $0.virtual == 0x10_0000 && $0.isExecutable })
    }
}
