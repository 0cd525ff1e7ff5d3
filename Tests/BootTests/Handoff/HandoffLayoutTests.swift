// The room set aside for the handoff block suffices wherever things lie.

import Memory
import HermitEntry
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
        // Every structure is mapped, or none is handed on.
        let pages = try #require(handed.pages(skipping: [511]))
        for range in scenario.firmware {
            #expect(pages.contains { $0.virtual == range.start && $0.physical == range.start })
        }
    }
}
