// The device tree for the kernel: memory, reservations, ACPI's root pointer, the command line, and an image's archive.

import Architecture
import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory

extension Handoff {
    func writeDeviceTree(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ plan: MemoryPlan,
        _ commandLine: borrowing ByteView, rootPointer: UInt64, reservesFirmwareInformation: Bool,
        to block: inout ByteRegion
    ) throws(Fault) {
        let room = plan.handoff.deviceTree
        guard let region = block.part(room.start, size: room.size) else {
            throw Fault(.deviceTreeRoom, value: room.size)
        }
        var tree = DeviceTreeWriter(region)

        // Loader, strings and modules lie side by side under QEMU, in this order.
        var last = AddressRange(0, LowMemory.end)
        reserve(loader, &last, in: &tree)
        if reservesFirmwareInformation {
            let reserved = platform.reservations
            // Most of them share pages.
            for index in reserved.indices where reserved[index].isFirmware && !last.contains(reserved[index].range) {
                reserve(reserved[index].range, &last, in: &tree)
            }
        }
        for index in 0..<platform.moduleCount {
            reserve(plan.module(index, on: platform), &last, in: &tree)
        }
        reserve(plan.handoff.range, &last, in: &tree)
        // Kernels that take their own `_end` for the end of the image do not know of libraries, which come after it.
        let linkEnd = plan.image.start &+ (application.linkEnd &- application.linkStart)
        reserve(AddressRange(linkEnd.pageAligned, plan.image.end), &last, in: &tree)
        tree.reserve(last)

        tree.beginRoot(platform.bootProtocol)
        let regions = platform.memoryMap
        for index in regions.indices where regions[index].isAvailable {
            let range = regions[index].range
            let pages = AddressRange(range.start.aligned(to: Page.size) ?? range.end, range.end.pageStart)
            if !pages.isEmpty { tree.memory(pages) }
        }
        if rootPointer != 0 { tree.rootPointer(rootPointer) }
        if platform.confidentialBlob != 0 { tree.confidentialBlob(platform.confidentialBlob) }
        _ = try tree.finish(commandLine, archive: plan.archive(for: application, on: platform))
    }

    /// Reserves `range` unless it is empty, or lies in the first MiB, which is reserved as a whole. If it touches `last`, which has not
    /// been written yet, they become one. Kernels unwrap every reservation as whole pages, and have room for only a few.
    @inline(never)
    private func reserve(_ range: AddressRange, _ last: inout AddressRange, in tree: inout DeviceTreeWriter) {
        guard !range.isEmpty, range.end > LowMemory.end else { return }
        let pages = range.roundedOutward(to: Page.size)
        if pages.start <= last.end, last.start <= pages.end {
            last = AddressRange(min(pages.start, last.start), max(pages.end, last.end))
        } else {
            tree.reserve(last)
            last = pages
        }
    }
}
