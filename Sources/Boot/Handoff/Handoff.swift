// Fills the handoff block: page tables, BootInfo, GDT, device tree and Multiboot information.

import Architecture
public import Memory
public import Firmware
public import Bytes
public import Diagnostics
import ELF
import HermitEntry
import Linking

/// The state of the CPU when the kernel gets it, and the last move of memory before that. entry.S reads it by offset: the
/// words stand in this order.
public struct EntryState: BitwiseCopyable, Equatable, Sendable {
    /// rip: the kernel's entry point.
    public var instructionPointer: UInt64
    /// rsp.
    public var stackPointer: UInt64
    /// rdi: the address of BootInfo.
    public var bootInfo: UInt64
    /// cr3: the address of the PML4.
    public var pageTable: UInt64
    /// The address of the GDT: null, 64-bit code at 8, data at 0x10.
    public var descriptorTable: UInt64
    /// Where to copy the code that moves a staged image.
    public var trampoline: UInt64
    /// The staged image, to be moved to `imageStart` by the last step; empty where the image lies in place.
    public var staged: AddressRange
    /// What cr3 holds during that move, while the loader and its own page tables are overwritten.
    public var movingPageTable: UInt64
    /// Where the image lies.
    public var imageStart: UInt64
    /// Whether read-only pages bind the kernel (CR0.WP), and whether pages that are not to be executed are marked (EFER.NXE).
    public var protectsWriting: Bool, protectsExecution: Bool
}

/// Everything a boot needs to know besides the application and the platform.
public struct Handoff {
    /// The loader's own bytes.
    public var loader: AddressRange
    /// The first page behind the loader's code.
    public var loaderDataStart: UInt64
    /// Whether the CPU has 1 GiB pages.
    public var hasGigabytePages: Bool
    /// Whether the CPU can refuse to execute a page.
    public var hasNoExecute: Bool
    /// The base port of the serial device that the kernel is told.
    public static var serialPort: UInt16 { 0x3f8 }

    /// A handoff by the loader at `loader`, whose code ends at `codeEnd`.
    public init(loader: AddressRange, codeEnd: UInt64, hasGigabytePages: Bool, hasNoExecute: Bool) {
        self.loader = loader
        loaderDataStart = codeEnd.pageAligned
        self.hasGigabytePages = hasGigabytePages
        self.hasNoExecute = hasNoExecute
    }

    /// Fills `block`, whose range is that of `placement.handoff`; `memory` is read for the command line. Returns the
    /// state in which to enter the kernel. Throws `entryNotExecutable`, `pageTableRoom` or `deviceTreeRoom`.
    @inline(never)
    public func write(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ placement: MemoryPlan,
        memory: PhysicalMemory, to block: inout ByteRegion
    ) throws(Fault) -> EntryState {
        let protectsExecution = application.protectsPages && hasNoExecute
        if protectsExecution { try application.requireExecutableEntry() }
        let layout = placement.handoff
        let commandLine =
            platform.commandLine.isEmpty ? AddressRange(memory.origin, memory.origin) : platform.commandLine
        let text = try memory.view(commandLine.start, size: commandLine.size)
        let usesFirmwareInformation = isMultibootInformationUsable(application, on: platform, placement)

        block.erase(layout.information.start, size: 0x1000)
        // Null, then flat 64-bit code and data, both present, accessed, ring 0.
        block.put(0x00af_9b00_0000_ffff, at: layout.descriptorTable &+ 8)
        block.put(0x00cf_9300_0000_ffff, at: layout.descriptorTable &+ 16)

        block.erase(layout.multiboot.start, size: layout.multiboot.size)
        block.copy(text, to: layout.multiboot.start)

        if application.generation.hasDeviceTree {
            let rootPointer = RootPointer.tell(application, on: platform, layout, memory, to: &block)
            try writeDeviceTree(
                application, on: platform, placement, text, rootPointer: rootPointer,
                reservesFirmwareInformation: usesFirmwareInformation, to: &block)
        }
        var multibootInformation: UInt64 = 0
        if usesFirmwareInformation {
            multibootInformation = platform.information
        } else if platform.bootProtocol == .multiboot || !application.generation.hasDeviceTreePlatform {
            multibootInformation = try writeMultibootInformation(platform, placement, memory, to: &block)
        }
        writeBootInfo(application, placement, commandLineSize: text.count, multibootInformation, to: &block)
        try writePageTables(
            application, on: platform, placement, mapsFirmwareInformation: usesFirmwareInformation, to: &block)

        return EntryState(
            instructionPointer: application.entry &+ placement.bias,
            // Kernels that take their stack from BootInfo get a usable one here, for their first instructions.
            stackPointer: application.generation.takesStackFromRegister ? layout.stack.start : layout.stack.end &- 16,
            bootInfo: layout.bootInfo,
            pageTable: layout.pageTables.start,
            descriptorTable: layout.descriptorTable,
            trampoline: layout.trampoline.start,
            staged: placement.staged,
            movingPageTable: placement.movingTables.start,
            imageStart: placement.image.start,
            protectsWriting: application.protectsPages,
            protectsExecution: protectsExecution)
    }

    @inline(never)
    private func writeBootInfo(
        _ application: borrowing Application, _ placement: MemoryPlan, commandLineSize: UInt64,
        _ multibootInformation: UInt64, to block: inout ByteRegion
    ) {
        let layout = placement.handoff
        var info = BootInfo(imageStart: placement.image.start, imageEnd: placement.image.end, stack: layout.stack.start)
        info.tls = application.tls(bias: placement.bias)
        info.serialPort = Handoff.serialPort
        info.commandLine = layout.multiboot.start
        info.commandLineSize = commandLineSize
        if application.generation.hasDeviceTree { info.deviceTree = layout.deviceTree.start }
        info.multibootInformation = multibootInformation
        // It has a page to itself.
        _ = info.write(
            application.generation, alignsWideIntegers: application.alignsWideIntegers, to: &block, at: layout.bootInfo)
    }

    /// Whether the firmware's own Multiboot information can be handed on: there is one, no part of it lies at address 0, which
    /// kernels take for a null pointer, the image covers neither it nor a module that it lists, and it lies below the image where the
    /// kernel takes all memory above for its own.
    func isMultibootInformationUsable(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ placement: MemoryPlan
    ) -> Bool {
        // An image's command line is none of the firmware's, and its first module is not the one that the firmware lists.
        guard platform.bootProtocol == .multiboot, !platform.isImage else { return false }
        let reserved = platform.reservations
        for index in reserved.indices {
            let range = reserved[index].range
            if range.start == 0 { return false }
            guard range.end > placement.image.start else { continue }
            // Neither is empty.
            if range.start < placement.image.end { return false }
            if reserved[index].isFirmware, application.generation.usesRecursivePageTable { return false }
        }
        return true
    }

    /// Fills the page tables for the move of a staged image: an identity mapping of everything the loader can reach.
    /// `region` is that of `placement.movingTables`. Throws `pageTableRoom`.
    public func writeMovingTables(_ region: consuming ByteRegion, limit: UInt64) throws(Fault) {
        var tables = PageTables(region)
        tables.map(AddressRange(0, limit), .size2MiB)
        try tables.checkRoom()
    }

    // MARK: Device tree

    @inline(never)
    private func writeDeviceTree(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ placement: MemoryPlan,
        _ commandLine: borrowing ByteView, rootPointer: UInt64, reservesFirmwareInformation: Bool,
        to block: inout ByteRegion
    ) throws(Fault) {
        let room = placement.handoff.deviceTree
        guard let region = block.part(room.start, size: room.size) else {
            throw Fault(.deviceTreeRoom, value: room.size)
        }
        var tree = DeviceTreeWriter(region)

        // Loader, strings and modules lie side by side under QEMU, in this order.
        var last = AddressRange(0, 0x10_0000)
        reserve(loader, &last, in: &tree)
        if reservesFirmwareInformation {
            let reserved = platform.reservations
            // Most of them share pages.
            for index in reserved.indices where reserved[index].isFirmware && !last.contains(reserved[index].range) {
                reserve(reserved[index].range, &last, in: &tree)
            }
        }
        var index = 0
        while index < platform.moduleCount {
            reserve(placement.module(index, on: platform), &last, in: &tree)
            index &+= 1
        }
        reserve(placement.handoff.range, &last, in: &tree)
        // Kernels that take their own `_end` for the end of the image do not know of what was added behind it.
        let linkEnd = placement.image.start &+ (application.linkEnd &- application.linkStart)
        reserve(AddressRange(linkEnd.pageAligned, placement.image.end), &last, in: &tree)
        tree.reserve(last)

        tree.beginRoot(platform.bootProtocol)
        let regions = platform.memoryMap
        for index in regions.indices where regions[index].isAvailable {
            let range = regions[index].range
            let pages = AddressRange(range.start.aligned(to: 0x1000) ?? range.end, range.end & ~0xfff)
            if !pages.isEmpty { tree.memory(pages) }
        }
        if rootPointer != 0 { tree.rootPointer(rootPointer) }
        _ = try tree.finish(commandLine, archive: placement.archive(for: application, on: platform))
    }

    /// Reserves `range` unless it is empty, or lies in the first MiB, all of which is reserved: together with `last`, which has
    /// not been written yet, where they touch. Kernels unwrap every reservation as whole pages, and have room for only a few.
    @inline(never)
    private func reserve(_ range: AddressRange, _ last: inout AddressRange, in tree: inout DeviceTreeWriter) {
        guard !range.isEmpty, range.end > 0x10_0000 else { return }
        let pages = range.roundedOutward(to: 0x1000)
        if pages.start <= last.end, last.start <= pages.end {
            last = AddressRange(min(pages.start, last.start), max(pages.end, last.end))
        } else {
            tree.reserve(last)
            last = pages
        }
    }

    // MARK: Multiboot information

    /// Synthesises a Multiboot information, for kernels that read the memory map from it and for those whose firmware's has
    /// become untrue; returns its address. The layout is the command line with its NUL, then the information, an entry per module,
    /// the memory map, and the modules' strings with their NULs.
    @inline(never)
    private func writeMultibootInformation(
        _ platform: borrowing PlatformFacts, _ placement: MemoryPlan, _ memory: PhysicalMemory,
        to block: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let room = placement.handoff.multiboot
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
        var index = 0
        while index < platform.moduleCount {
            let module = placement.module(index, on: platform)
            list.put(module.start | module.end << 32, at: entry)
            list.put(string, at: entry &+ 8)
            let text = platform.module(index).commandLine
            if !text.isEmpty { list.copy(try memory.view(text.start, size: text.size), to: string) }
            string &+= text.size &+ 1
            entry &+= 16
            index &+= 1
        }
        index = 0
        while index < regions.count {
            let region = regions[index]
            list.put(20 | region.range.start << 32, at: entry)
            list.put(region.range.start >> 32 | region.range.size << 32, at: entry &+ 8)
            list.put(region.range.size >> 32 | UInt64(region.kind.rawValue) << 32, at: entry &+ 16)
            entry &+= 24
            index &+= 1
        }
        guard string <= room.end else { throw Fault(.noRoomForHandoff, value: room.size) }
        return information
    }
}

extension UInt64 {
    /// The address rounded up to a page; addresses of memory are far from where that would wrap.
    fileprivate var pageAligned: UInt64 { (self &+ 0xfff) & ~0xfff }
}
