// The Multiboot information for the kernel: the firmware's own, or one that is written for it (Multiboot 0.6.96, 3.3).

import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory

extension Handoff {
    /// Whether the firmware's own Multiboot information can be handed on: there is one, no part of it lies at address 0, which kernels take
    /// for a null pointer, the image covers neither it nor a module that it lists, and it lies below the image if the kernel takes all
    /// memory above for its own.
    func isMultibootInformationUsable(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ plan: MemoryPlan
    ) -> Bool {
        // A Hermit image has its own command line, and its first module is not the one that the firmware lists.
        guard platform.bootProtocol == .multiboot, !platform.isImage else { return false }
        let reserved = platform.reservations
        for index in reserved.indices {
            let range = reserved[index].range
            if range.start == 0 { return false }
            guard range.end > plan.image.start else { continue }
            // The image and the range are not empty, so they overlap.
            if range.start < plan.image.end { return false }
            if reserved[index].isFirmware, application.generation.usesRecursivePageTable { return false }
        }
        return true
    }

    /// Synthesises a Multiboot information, for kernels that read the memory map from it, and if the firmware's own is no longer right;
    /// returns its address. The layout is the command line with its NUL, then the information, an entry per module, the memory map, and the
    /// modules' strings with their NULs.
    func writeMultibootInformation(
        _ platform: borrowing PlatformFacts, _ plan: MemoryPlan, _ memory: PhysicalMemory,
        to block: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let room = plan.handoff.multiboot
        guard var list = block.part(room.start, size: room.size) else {
            throw Fault(.noRoomForHandoff, value: room.size)
        }
        let information = (room.start &+ platform.commandLine.size &+ 16) & ~15
        let modules = information &+ 128
        let count = UInt64(truncatingIfNeeded: platform.moduleCount)
        let map = modules &+ count &* 16
        // 24 bytes are the size of an entry of the map, with the size that it begins with.
        let regions = platform.memoryMap
        var string = map &+ UInt64(truncatingIfNeeded: regions.count) &* 24
        // Flags: command line, modules, memory map.
        list.put(0b100_1100, at: information)
        list.put(room.start, at: information &+ 16)
        list.put(count | modules << 32, at: information &+ 20)
        list.put((string &- map) | map << 32, at: information &+ 44)
        var entry = modules
        for index in 0..<platform.moduleCount {
            let module = plan.module(index, on: platform)
            list.put(module.start | module.end << 32, at: entry)
            list.put(string, at: entry &+ 8)
            let text = platform.module(index).commandLine
            if !text.isEmpty { list.copy(try memory.view(text.start, size: text.size), to: string) }
            string &+= text.size &+ 1
            entry &+= 16
        }
        for index in 0..<regions.count {
            let region = regions[index]
            list.put(20 | region.range.start << 32, at: entry)
            list.put(region.range.start >> 32 | region.range.size << 32, at: entry &+ 8)
            list.put(region.range.size >> 32 | UInt64(region.kind.rawValue) << 32, at: entry &+ 16)
            entry &+= 24
        }
        guard string <= room.end else { throw Fault(.noRoomForHandoff, value: room.size) }
        return information
    }
}
