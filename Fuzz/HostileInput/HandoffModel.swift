// The promises of the handoff block, checked by reading it as the kernel does.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import HermitEntry
import TestSupport

/// Reads a handoff block back.
enum HandoffModel {
    /// The broken promises of `block`, written for `plan` on `platform`.
    static func violations(
        _ block: [UInt8], _ plan: MemoryPlan, _ platform: borrowing PlatformFacts, _ generation: Generation
    ) -> [String] {
        var violations: [String] = []
        let isIdentity = !generation.usesRecursivePageTable
        let layout = plan.handoff
        let start = layout.range.start
        let walk = PageWalk(ByteView(block.span.bytes), origin: start, root: layout.pageTables.start)
        let mapped = [
            ("image", plan.image.start), ("end of the image", plan.image.end &- 1),
            ("BootInfo", layout.bootInfo), ("device tree", layout.deviceTree.start), ("stack", layout.stack.start),
            ("top of the stack", layout.stack.end &- 8), ("trampoline", layout.trampoline.start),
        ]
        for (name, address) in mapped where walk.physicalAddress(of: address) != address {
            violations.append("\(name): not mapped to itself")
        }
        if !isIdentity, walk.physicalAddress(of: layout.stack.start &- 1) != nil {
            violations.append("the page below the stack is mapped")
        }
        if isIdentity {
            // The upper half of the address space belongs to the kernel.
            for slot in 256..<512 {
                let entry = block.number(UInt64.self, at: Int(layout.pageTables.start - start) + 8 * slot)
                if entry != 0 {
                    violations.append("PML4[\(slot)] is in use")
                    break
                }
            }
        }
        guard generation.hasDeviceTree else { return violations }
        let tree = layout.deviceTree
        let bytes = Array(block[Int(tree.start - start)..<Int(tree.end - start)])
        var expected: [AddressRange] = []
        for index in 0..<platform.memoryMap.count where platform.memoryMap[index].kind == .available {
            let range = platform.memoryMap[index].range
            let pages = AddressRange(range.start.aligned(to: 0x1000) ?? range.end, range.end & ~0xfff)
            if !pages.isEmpty { expected.append(pages) }
        }
        guard let read = FlatTree(bytes) else { return violations + ["the device tree is malformed"] }
        if read.memory != expected { violations.append("the device tree's memory is not the firmware's") }
        if UInt64(read.bootArguments?.count ?? 0) != platform.commandLine.size {
            violations.append("bootargs are not the command line")
        }
        return violations
    }
}
