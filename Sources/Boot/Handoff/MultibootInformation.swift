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
        typealias Information = Multiboot.Information
        typealias ModuleEntry = Multiboot.ModuleEntry
        typealias MapEntry = Multiboot.MemoryMapEntry
        let information = (room.start &+ platform.commandLine.size &+ 16) & ~15
        let modules = information &+ HandoffLayout.multibootInformationSize
        let count = UInt64(truncatingIfNeeded: platform.moduleCount)
        let map = modules &+ count &* ModuleEntry.size
        let regions = platform.memoryMap
        var string = map &+ UInt64(truncatingIfNeeded: regions.count) &* MapEntry.size
        let flags = Multiboot.Flag.cmdline | Multiboot.Flag.mods | Multiboot.Flag.mmap
        list.put(UInt64(flags), in: Information.flags, of: information)
        list.put(room.start, in: Information.cmdline, of: information)
        list.put(count, in: Information.modsCount, of: information)
        list.put(modules, in: Information.modsAddr, of: information)
        list.put(string &- map, in: Information.mmapLength, of: information)
        list.put(map, in: Information.mmapAddr, of: information)
        var entry = modules
        for index in 0..<platform.moduleCount {
            let module = plan.module(index, on: platform)
            list.put(module.start, in: ModuleEntry.modStart, of: entry)
            list.put(module.end, in: ModuleEntry.modEnd, of: entry)
            list.put(string, in: ModuleEntry.string, of: entry)
            let text = platform.module(index).commandLine
            if !text.isEmpty { list.copy(try memory.view(text.start, size: text.size), to: string) }
            string &+= text.size &+ 1
            entry &+= ModuleEntry.size
        }
        for index in 0..<regions.count {
            let region = regions[index]
            list.put(MapEntry.leastEntrySize, in: MapEntry.entrySize, of: entry)
            list.store(region.range.start, in: MapEntry.baseAddr, of: entry)
            list.store(region.range.size, in: MapEntry.length, of: entry)
            list.put(UInt64(region.kind.rawValue), in: MapEntry.type, of: entry)
            entry &+= MapEntry.size
        }
        guard string <= room.end else { throw Fault(.noRoomForHandoff, value: room.size) }
        return information
    }
}

// The handoff block and modules lie below 4 GiB, so addresses have 32 bits.
extension ByteRegion {
    /// Stores `number` in `field` of the structure at `structure`.
    @_lifetime(self: copy self)
    fileprivate mutating func put(_ number: UInt64, in field: StructureField<UInt32>, of structure: UInt64) {
        store(UInt32(truncatingIfNeeded: number), in: field, of: structure)
    }
}
