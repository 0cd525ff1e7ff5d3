// The place of everything: a pure function of the memory map, the reservations, the image and its generation.

import Architecture
public import Memory
public import Firmware
public import Diagnostics
import ELF
import HermitEntry
import Linking

/// The plan of a boot's memory. Addresses are physical.
public struct MemoryPlan: Equatable, Sendable {
    /// The image's range when the kernel starts, which BootInfo reports.
    public private(set) var image = AddressRange(0, 0)
    /// The bias, which is added to the image's link addresses.
    public private(set) var bias: UInt64 = 0
    /// The address at which the image is built.
    public private(set) var buildAddress: UInt64 = 0
    /// The page tables under which a staged image is moved into place; empty if there are none.
    public private(set) var movingTables = AddressRange(0, 0)
    /// The range to which modules in the image's way are moved, one after the other; empty if all stay.
    public private(set) var movedModules = AddressRange(0, 0)
    /// Everything that the loader hands over to the kernel.
    public private(set) var handoff: HandoffLayout
    /// The page for a copy of ACPI's root pointer; empty if there is none.
    public private(set) var rootPointer = AddressRange(0, 0)
    /// Whether a copy is needed, and the places where the kernel would look for it are not free.
    public private(set) var losesRootPointer = false
    /// The number of places that the random number chose from; 0 without one.
    public private(set) var places: UInt64 = 0

    /// The smallest alignment of a position-independent image: one 2 MiB page.
    public static var imageAlignment: UInt64 { PageSize.size2MiB.rawValue }

    /// The range in which the image is built first, because the loader is in its place; empty if it is built in place.
    public var staged: AddressRange { AddressRange(buildAddress, isStaged ? buildAddress &+ image.size : buildAddress) }
    /// Whether it is built elsewhere first.
    public var isStaged: Bool { buildAddress != image.start }
    /// Whether modules are moved.
    public var movesModules: Bool { !movedModules.isEmpty || !archivePlace.isEmpty }
    /// The range to which an archive is moved that must lie below the image; empty if it stays, or moves with the other modules.
    private(set) var archivePlace = AddressRange(0, 0)

    /// Plans the memory of `application` on `platform`, with the loader's own bytes at `loader`. Nothing that the loader writes is placed
    /// at or above `limit`, the end of its reach. `choice` is about a position-independent image, and `copiesRootPointer` says that the
    /// kernel looks for ACPI's root pointer, and does not find the starter's.
    ///
    /// `Platform.read` ensures that every module lies in RAM below `limit`, so their sizes can be added.
    ///
    /// Throws `memoryTooSmall`, `imageTooLarge`, `noRoomForImage`, `imageOutsideMemory`, `imageOverFirmware`, `imageOverTables`,
    /// `imageOverNonVolatile`, `imageOverDefective`, `imageAboveReach`, `noRoomForModule` or
    /// `noRoomForHandoff`; if `choice` cannot be met, `baseMisaligned`, `baseOutsideMemory`, `baseTooHigh`, `baseOfFixedImage` or
    /// `randomPlaceOfFixedImage`.
    public init(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, loader: AddressRange, limit: UInt64,
        _ choice: BaseChoice = .lowest, copiesRootPointer: Bool = false
    ) throws(Fault) {
        handoff = HandoffLayout(application, on: platform)
        let map = platform.memoryMap
        let top = map.topOfRAM
        guard top > 0 else { throw Fault(.memoryTooSmall) }
        var taken = Reservations()
        taken.copy(platform.reservations)
        try taken.add(loader, .loader)

        var below = limit
        let base = try MemoryPlan.base(of: application, choice, in: map, limit: limit)
        if let base {
            image = AddressRange(at: base, size: application.size)
            buildAddress = base
            try clear(application, on: platform, loader, &taken, limit)
            below = min(base, limit)
        } else {
            let room = min(top, limit)
            guard application.size <= room else { throw Fault(.imageTooLarge, value: application.size, limit: room) }
        }
        // Low memory first, then as low as possible: kernels take memory above the image as free, and most of them need the handoff below
        // it. Kernels with a recursive page table, and those up to 0.11, take all memory above them for their own.
        let size = handoff.range.size
        while true {
            // Below 640 KiB, clear of the memory that real mode uses.
            let low = AddressRange(LowMemory.realModeEnd, min(LowMemory.conventionalEnd, below))
            let high = AddressRange(LowMemory.end, below)
            if let start = MemoryPlan.room(size, map, taken, low, or: high) {
                handoff.move(to: start)
                break
            }
            guard below != limit, application.readsReservations else { throw Fault(.noRoomForHandoff, value: size) }
            below = limit
        }
        if base == nil {
            try taken.add(handoff.range, .handoff)
            var lowest = max(handoff.range.end, LowMemory.end)
            if MemoryPlan.mustLieBelow(application, platform) {
                let end = try endOfArchive(platform.module(0).range, application, map, &taken, from: lowest, to: limit)
                lowest = max(lowest, end)
            }
            try findPlace(application, map, taken, AddressRange(lowest, limit), choice)
        }
        bias = image.start &- application.linkStart
        if copiesRootPointer {
            if base != nil { try taken.add(handoff.range, .handoff) }
            findRootPointer(map, taken)
        }
    }

    /// Finds a page for a copy of ACPI's root pointer, which kernels map themselves: some panic if it is mapped already. In low memory
    /// the EBDA's segment must point there, so that must be free, too.
    private mutating func findRootPointer(_ map: MemoryRegions, _ taken: borrowing Reservations) {
        var page: UInt64?
        if taken.room(for: 2, alignment: 2, in: map, window: RootPointer.segment) != nil {
            page = taken.room(for: Page.size, alignment: Page.size, in: map, window: RootPointer.lowMemory)
        }
        if page == nil {
            page = taken.room(for: Page.size, alignment: Page.size, in: map, window: RootPointer.firmwareMemory)
        }
        if let page { rootPointer = AddressRange(at: page, size: Page.size) }
        losesRootPointer = page == nil
    }

    /// The alignment of an image that may lie anywhere, and the residue of its first address modulo that alignment. With both, the bias is
    /// a multiple of the alignment of every segment, those of libraries among them, and each segment's address is congruent to its p_vaddr
    /// modulo p_align. The first link address is a multiple of 2 MiB, so the image begins at one, as kernels require, even if a larger
    /// p_align does not divide it.
    static func alignment(of application: borrowing Application) -> (alignment: UInt64, residue: UInt64) {
        let alignment = max(application.alignment, MemoryPlan.imageAlignment)
        return (alignment, application.linkStart & (alignment &- 1))
    }

    /// The lowest place in `window` for an image that may lie anywhere; nil if there is no room.
    private static func place(
        of application: borrowing Application, _ map: MemoryRegions, _ taken: borrowing Reservations,
        _ window: AddressRange
    ) -> UInt64? {
        let (alignment, residue) = alignment(of: application)
        return taken.room(for: application.size, alignment: alignment, residue: residue, in: map, window: window)
    }

    /// Finds a place in `window` for an image that may lie anywhere.
    private mutating func findPlace(
        _ application: borrowing Application, _ map: MemoryRegions, _ taken: borrowing Reservations,
        _ window: AddressRange, _ choice: BaseChoice
    ) throws(Fault) {
        let size = application.size
        let (alignment, residue) = MemoryPlan.alignment(of: application)
        guard var base = MemoryPlan.place(of: application, map, taken, window) else {
            throw Fault(.noRoomForImage, value: size, limit: alignment)
        }
        if case .random(let number) = choice {
            let window = MemoryPlan.windowForRandomPlaces(
                of: application, AddressRange(at: base, size: size), in: map, limit: window.end)
            places = taken.place(.max, size, alignment, residue: residue, in: map, window).count
            let index = number.index(below: places)
            base = taken.place(index, size, alignment, residue: residue, in: map, window).address ?? base
        }
        image = AddressRange(at: base, size: size)
        buildAddress = base
    }

    /// Moves everything out of the place where the image must go: its link address, or the user's choice.
    private mutating func clear(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ loader: AddressRange,
        _ taken: inout Reservations, _ limit: UInt64
    ) throws(Fault) {
        guard image.end <= limit else {
            throw Fault(.imageAboveReach, value: image.start, limit: image.end)
        }
        guard platform.memoryMap.isAvailable(image), image.start >= Page.size else {
            throw MemoryPlan.obstacle(to: image, in: platform.memoryMap)
        }
        try taken.add(image, .image)
        if MemoryPlan.mustLieBelow(application, platform), platform.module(0).range.end > image.start {
            // If there is no room below, the kernel does not get the archive.
            let size = platform.module(0).range.roundedOutward(to: Page.size).size
            let below = AddressRange(LowMemory.end, image.start)
            if let start = taken.room(for: size, alignment: Page.size, in: platform.memoryMap, window: below) {
                archivePlace = AddressRange(at: start, size: size)
                try taken.add(archivePlace, .module)
            }
        }
        let moved = moved(before: platform.moduleCount, on: platform)
        if moved > 0 {
            movedModules = try claim(moved, .module, &taken, platform.memoryMap, limit, else: .noRoomForModule)
        }
        if loader.overlaps(image) {
            // The PML4, and the others.
            let count = 1 &+ PageTables.tableCount(for: AddressRange(0, limit), .size2MiB)
            let (pages, tables) = (image.size.pageAligned, count &* PageTables.tableSize)
            let room = try claim(pages &+ tables, .image, &taken, platform.memoryMap, limit, else: .noRoomForImage)
            buildAddress = room.start
            movingTables = AddressRange(room.start &+ pages, room.end)
        }
    }

    /// The fault of an `image` that can't lie where it must: the firmware has something there, or there is no RAM.
    private static func obstacle(to image: AddressRange, in map: MemoryRegions) -> Fault {
        for index in map.indices where map[index].range.overlaps(image) && image.end <= map.topOfRAM {
            let region = map[index].range
            switch map[index].kind {
            case .available: continue
            case .reserved: return Fault(.imageOverFirmware, value: region.start, limit: region.end)
            case .acpiReclaimable: return Fault(.imageOverTables, value: region.start, limit: region.end)
            case .acpiNonVolatile: return Fault(.imageOverNonVolatile, value: region.start, limit: region.end)
            case .defective: return Fault(.imageOverDefective, value: region.start, limit: region.end)
            }
        }
        return Fault(.imageOutsideMemory, value: image.start, limit: image.end)
    }

    /// Takes `size` bytes of whole pages above the image, and above the page where kernels start their other processors, or else anywhere;
    /// throws `rule` if there is no room.
    private func claim(
        _ size: UInt64, _ purpose: Purpose, _ taken: inout Reservations, _ map: MemoryRegions, _ limit: UInt64,
        else rule: Rule
    ) throws(Fault) -> AddressRange {
        let above = AddressRange(max(image.end, Handoff.processorStart.end), limit)
        let anywhere = AddressRange(LowMemory.end, limit)
        guard let start = MemoryPlan.room(size, map, taken, above, or: anywhere) else {
            throw Fault(rule, value: size, limit: rule == .noRoomForImage ? Page.size : 0)
        }
        let room = AddressRange(at: start, size: size)
        try taken.add(room, purpose)
        return room
    }

    /// Room for `size` bytes of whole pages in the first window that has it.
    @inline(never)
    private static func room(
        _ size: UInt64, _ map: MemoryRegions, _ taken: borrowing Reservations, _ window: AddressRange,
        or other: AddressRange
    ) -> UInt64? {
        if let start = taken.room(for: size, alignment: Page.size, in: map, window: window) { return start }
        return taken.room(for: size, alignment: Page.size, in: map, window: other)
    }

    /// The number of bytes, in whole pages each, of the modules before the one at `end` that are in the image's way.
    private func moved(before end: Int, on platform: borrowing PlatformFacts) -> UInt64 {
        var size: UInt64 = 0
        for index in 0..<end {
            let module = platform.module(index).range
            let isApart = index == 0 && !archivePlace.isEmpty
            if !isApart, module.overlaps(image) { size &+= module.roundedOutward(to: Page.size).size }
        }
        return size
    }

    /// The range of the module at `index` after the moves.
    @inline(never)
    public func module(_ index: Int, on platform: borrowing PlatformFacts) -> AddressRange {
        let module = platform.module(index).range
        if index == 0, !archivePlace.isEmpty { return AddressRange(at: archivePlace.start, size: module.size) }
        guard module.overlaps(image) else { return module }
        return AddressRange(at: movedModules.start &+ moved(before: index, on: platform), size: module.size)
    }

    /// The range of the application's file after the moves: the first module, or a part of it.
    public func file(on platform: borrowing PlatformFacts) -> AddressRange {
        let module = module(0, on: platform)
        guard platform.isImage else { return module }
        let packed = platform.packedApplication
        return AddressRange(at: module.start &+ (packed.start &- platform.module(0).range.start), size: packed.size)
    }

    // MARK: Parts

    /// The parts of memory that a plan sets aside, besides the image's place.
    public enum Part: Sendable {
        case staged, movingTables, archive, modules
        case pageTables, information, trampoline, deviceTree, multiboot, guardPage, stack
        case rootPointer

        /// The words for it.
        public var name: Text {
            switch self {
            case .staged: "image, before it is moved"
            case .movingTables: "page tables of the move"
            case .archive: "archive, moved"
            case .modules: "modules, moved"
            case .pageTables: "page tables"
            case .information: "BootInfo, GDT"
            case .trampoline: "code that moves a staged image"
            case .deviceTree: "device tree"
            case .multiboot: "command line, Multiboot information"
            case .guardPage: "guard page"
            case .stack: "boot stack"
            case .rootPointer: "copy of ACPI's root pointer"
            }
        }
    }

    /// Calls `body` for each part that is not empty. No two overlap, nor does one overlap the image.
    public func forEachPart(_ body: (_ part: Part, _ range: AddressRange) -> Void) {
        func add(_ part: Part, _ range: AddressRange) {
            if !range.isEmpty { body(part, range) }
        }
        add(.staged, staged)
        add(.movingTables, movingTables)
        add(.archive, archivePlace)
        add(.modules, movedModules)
        add(.pageTables, handoff.pageTables)
        add(.information, handoff.information)
        add(.trampoline, handoff.trampoline)
        add(.deviceTree, handoff.deviceTree)
        add(.multiboot, handoff.multiboot)
        add(.guardPage, handoff.guardPage)
        add(.stack, handoff.stack)
        add(.rootPointer, rootPointer)
    }

    // MARK: Archives

    /// The end of the `archive`, which must lie below an image that may lie anywhere from `lowest` on. Starters often put it at the end of
    /// RAM: then it is moved to the lowest free place, because kernels use no memory below their image. If neither place leaves room for
    /// the image above, 0: the kernel does not get the archive.
    private mutating func endOfArchive(
        _ archive: AddressRange, _ application: borrowing Application, _ map: MemoryRegions,
        _ taken: inout Reservations, from lowest: UInt64, to limit: UInt64
    ) throws(Fault) -> UInt64 {
        let imageIfItStays = MemoryPlan.place(
            of: application, map, taken, AddressRange(max(lowest, archive.end), limit))
        let size = archive.roundedOutward(to: Page.size).size
        if let start = taken.room(
            for: size, alignment: Page.size, in: map, window: AddressRange(LowMemory.end, limit))
        {
            let place = AddressRange(at: start, size: size)
            let window = AddressRange(max(lowest, place.end), limit)
            if let image = MemoryPlan.place(of: application, map, taken, window), image < imageIfItStays ?? .max {
                archivePlace = place
                try taken.add(place, .module)
                return place.end
            }
        }
        return imageIfItStays == nil ? 0 : archive.end
    }

    /// Whether the first module is an archive for the kernel, which would take it for free memory if it lay above its image.
    private static func mustLieBelow(
        _ application: borrowing Application, _ platform: borrowing PlatformFacts
    ) -> Bool {
        platform.isImage && application.generation.hasDeviceTree && !application.readsReservations
    }

    /// The range of the archive for the kernel; empty if there is none, or the kernel would take its memory.
    func archive(for application: borrowing Application, on platform: borrowing PlatformFacts) -> AddressRange {
        guard platform.isImage else { return AddressRange(0, 0) }
        let archive = module(0, on: platform)
        let isSpared = application.readsReservations || archive.end <= image.start
        return isSpared ? archive : AddressRange(0, 0)
    }
}
