// The kernel's device tree as read by libfdt, the library of most firmware and kernels.

import Memory
import Boot
import Clibfdt
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibfdtTests {
    @Test(arguments: [Generation.three, .fourRecursive, .fourIdentity])
    func `libfdt accepts every device tree`(_ generation: Generation) throws {
        var random = SeededGenerator(seed: 700 + UInt64(generation.rawValue))
        var checked = 0
        for _ in 0..<60 {
            let scenario = Scenario.random(generation, &random)
            guard let boot = BootedMachine(scenario, gigabytePages: true) else { continue }
            let bytes = boot.bytes(boot.plan.handoff.deviceTree)
            // An allocation's bytes are aligned to at least 8, as libfdt requires.
            bytes.withUnsafeBytes { tree in
                let start = tree.baseAddress
                #expect(fdt_check_full(start, bytes.count) == 0, "\(scenario)")
                #expect(fdt_path_offset(start, "/chosen") >= 0)
                #expect(fdt_address_cells(start, 0) == 2 && fdt_size_cells(start, 0) == 2)
                var length: Int32 = -1
                #expect(
                    fdt_getprop(start, fdt_path_offset(start, "/chosen"), "bootargs", &length) != nil && length >= 1)

                var reserved: [Range<UInt64>] = []
                for index in 0..<fdt_num_mem_rsv(start) {
                    var (address, size): (UInt64, UInt64) = (0, 0)
                    #expect(fdt_get_mem_rsv(start, index, &address, &size) == 0)
                    reserved.append(address..<address + size)
                }
                let handoff = boot.plan.handoff.range
                #expect(
                    joined(reserved).contains { $0.lowerBound <= handoff.start && handoff.end <= $0.upperBound },
                    "\(scenario)")
            }
            checked += 1
        }
        #expect(checked > 20)
    }
}
