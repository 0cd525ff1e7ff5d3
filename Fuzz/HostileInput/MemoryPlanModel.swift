// The promises of every memory plan, checked without the planner's own search.

import Memory
import Boot
import Firmware

extension MemoryPlan {
    /// Every promise that the plan breaks: each range lies in RAM below `limit`, clear of all reservations and of the other ranges.
    /// `isFixed` says whether the image must lie at its link address.
    public func violations(
        of isFixed: Bool, on platform: borrowing PlatformFacts, loader: AddressRange, limit: UInt64
    ) -> [String] {
        var violations: [String] = []
        var own: [(name: String, range: AddressRange)] = [("image", image)]
        forEachPart { part, range in own.append(("\(part)", range)) }
        if rootPointer.end > 0x10_0000 { violations.append("root pointer: where no kernel looks for it") }

        for (index, (name, range)) in own.enumerated() {
            if range.isEmpty { violations.append("\(name): empty") }
            if range.end > limit { violations.append("\(name): beyond what can be reached") }
            if !isRAM(range, platform) { violations.append("\(name): not all RAM") }
            for (otherName, other) in own[(index + 1)...] where range.overlaps(other) {
                violations.append("\(name): over the \(otherName)")
            }
            // A fixed image may cover anything: ranges that are still needed are moved, staged or copied.
            let isFixedImage = isFixed && name == "image"
            if !isFixedImage, range.overlaps(loader) { violations.append("\(name): over the loader") }
            for slot in 0..<platform.reservations.count where !isFixedImage {
                if platform.reservations[slot].range.overlaps(range) {
                    violations.append("\(name): over reservation \(slot)")
                }
            }
        }
        if isFixed {
            if image.overlaps(loader) != isStaged { violations.append("staged without need, or not at all") }
            for index in 0..<platform.moduleCount where module(index, on: platform).overlaps(image) {
                violations.append("module \(index): under the image")
            }
        } else if image.start % MemoryPlan.imageAlignment != 0 {
            violations.append("image: not at a multiple of 2 MiB")
        }
        return violations + handoff.violations
    }

    /// Whether every page of `range` is RAM, and of no other kind as well.
    private func isRAM(_ range: AddressRange, _ platform: borrowing PlatformFacts) -> Bool {
        var edges = [range.start]
        for index in 0..<platform.memoryMap.count {
            let region = platform.memoryMap[index].range
            for edge in [region.start, region.end] where edge > range.start && edge < range.end { edges.append(edge) }
        }
        // Nothing changes between two edges, so the first address of each stretch is enough.
        return edges.allSatisfy { address in
            var isAvailable = false
            for index in 0..<platform.memoryMap.count {
                let region = platform.memoryMap[index]
                guard region.range.start <= address, address < region.range.end else { continue }
                if region.kind != .available { return false }
                isAvailable = true
            }
            return isAvailable
        }
    }
}

extension HandoffLayout {
    /// Every promise that the layout breaks: its parts lie one after the other inside the block, in whole pages.
    var violations: [String] {
        var violations: [String] = []
        var reached = range.start
        let parts: [(String, AddressRange)] = [
            ("page tables", pageTables), ("information", information), ("trampoline", trampoline),
            ("device tree", deviceTree), ("Multiboot information", multiboot), ("stack", stack),
        ]
        for (name, part) in parts {
            if part.start < reached || part.end > range.end { violations.append("handoff: \(name) out of place") }
            if part.start % 0x1000 != 0 || part.end % 0x1000 != 0 { violations.append("handoff: \(name) not in pages") }
            reached = part.end
        }
        if stack.size != HandoffLayout.stackSize { violations.append("handoff: the stack's size") }
        if stack.start &- multiboot.end != 0x1000 { violations.append("handoff: no guard page") }
        return violations
    }
}
