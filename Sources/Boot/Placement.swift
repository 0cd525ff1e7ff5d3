// Where everything goes: a pure function of the memory map, what is reserved, the image and its generation.

public import AddressSpace
public import BootProtocols
public import Diagnostics
import ELF
import HermitEntry
import KernelImage

/// The plan of a boot's memory. Addresses are physical.
public struct Placement: Equatable, Sendable {
    /// Where the image lies when the kernel starts; what BootInfo reports.
    public let image: AddressRange
    /// What is added to the image's link addresses.
    public let bias: UInt64
    /// Where the image is built first, because the loader itself lies where it must go; nil where it is built in place.
    public let staging: AddressRange?
    /// The page tables under which a staged image is moved into place; empty where there is none.
    public let movingTables: AddressRange
    /// Where the application's module is moved first, because it lies where the image must go; nil where it stays.
    public let movedModule: AddressRange?
    /// Where the modules of libraries are moved that lie there, one behind the other; empty where all stay.
    public let movedLibraries: AddressRange
    /// What the loader leaves behind for the kernel.
    public let handoff: HandoffLayout
    /// The number of places among which a random number chose; 0 where none did.
    public let places: UInt64

    /// The alignment of a position-independent image: one 2 MiB page.
    public static var imageAlignment: UInt64 { 0x20_0000 }

    /// Whether modules are moved.
    public var movesModules: Bool { movedModule != nil || !movedLibraries.isEmpty }

    /// Where the image is built.
    public var buildAddress: UInt64 { staging?.start ?? image.start }

    private init(
        image: AddressRange, bias: UInt64, staging: AddressRange?, movingTables: AddressRange,
        movedModule: AddressRange?, movedLibraries: AddressRange = AddressRange(0, 0), handoff: HandoffLayout,
        places: UInt64 = 0
    ) {
        self.image = image
        self.bias = bias
        self.staging = staging
        self.movingTables = movingTables
        self.movedModule = movedModule
        self.movedLibraries = movedLibraries
        self.handoff = handoff
        self.places = places
    }

    /// Plans the memory of `application` on `platform`, with the loader's own bytes at `loader`. Nothing that the loader
    /// writes is placed at or above `limit`, the end of what it can reach. `choice` is about a position-independent image.
    ///
    /// Throws `memoryTooSmall`, `imageTooLarge`, `noRoomForImage`, `imageOutsideMemory`, `noRoomForModule` or
    /// `noRoomForHandoff`; where `choice` cannot be met, `baseMisaligned`, `baseOutsideMemory`, `baseTooHigh`,
    /// `baseOfFixedImage` or `randomPlaceOfFixedImage`.
    public init(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, loader: AddressRange, limit: UInt64,
        _ choice: BaseChoice = .lowest
    ) throws(Fault) {
        guard platform.memoryMap.topOfRAM > 0 else { throw Fault(.memoryTooSmall) }
        var taken = try Reservations(platform.reservations)
        try taken.add(loader, .loader)
        try taken.add(AddressRange(0, 0x1000), .realMode)
        try taken.add(AddressRange(0x8000, 0x9000), .trampoline)

        if let base = try Placement.base(of: application, choice, in: platform.memoryMap, limit: limit) {
            let image = AddressRange(at: base, size: application.size)
            self = try Placement.fixed(application, at: image, on: platform, loader: loader, &taken, limit)
            return
        }
        let alignment = max(application.alignment, Placement.imageAlignment)
        let top = platform.memoryMap.topOfRAM
        guard application.size <= top else { throw Fault(.imageTooLarge, value: application.size, limit: top) }
        // Low memory first, then as low as possible: kernels take what lies above the image as free, and most of them
        // want what they are handed below it.
        let size = HandoffLayout.largestSize(application, on: platform, loader: loader, imageSize: application.size)
        guard let handoff = Placement.roomForHandoff(size, platform, taken, AddressRange(0, limit)) else {
            throw Fault(.noRoomForHandoff, value: size)
        }
        try taken.add(handoff, .handoff)
        let window = AddressRange(max(handoff.end, 0x10_0000), limit)
        guard
            var base = taken.room(for: application.size, alignment: alignment, in: platform.memoryMap, window: window)
        else { throw Fault(.noRoomForImage, value: application.size, limit: alignment) }
        var places: UInt64 = 0
        if case .random(let number) = choice {
            let lowest = AddressRange(at: base, size: application.size)
            let window = Placement.windowForRandomPlaces(
                of: application, lowest, in: platform.memoryMap, limit: limit)
            places = taken.places(lowest.size, alignment, in: platform.memoryMap, window).count
            let index = number.index(below: places)
            base = taken.places(lowest.size, alignment, in: platform.memoryMap, window, index: index).address ?? base
        }

        self.init(
            image: AddressRange(at: base, size: application.size), bias: base &- application.linkStart, staging: nil,
            movingTables: AddressRange(0, 0), movedModule: nil, handoff: HandoffLayout(platform, at: handoff),
            places: places)
    }

    /// The plan for an image that must lie at `image`: where it was linked, or where the user wants it.
    private static func fixed(
        _ application: borrowing Application, at image: AddressRange, on platform: borrowing PlatformFacts,
        loader: AddressRange, _ taken: inout Reservations, _ limit: UInt64
    ) throws(Fault) -> Placement {
        guard platform.memoryMap.isAvailable(image), image.start >= 0x1000, image.end <= limit else {
            throw Fault(.imageOutsideMemory, value: image.start, limit: image.end)
        }
        try taken.add(image, .image)

        var moved: AddressRange?
        if platform.moduleCount > 0, platform.module(0).range.overlaps(image) {
            let size = platform.module(0).range.size
            guard let address = roomAboveOrBelow(image, size, platform, taken, limit) else {
                throw Fault(.noRoomForModule, value: size)
            }
            moved = AddressRange(at: address, size: size)
            try taken.add(AddressRange(at: address, size: size), .module)
        }
        var movedLibraries = AddressRange(0, 0)
        let librarySize = Placement.librarySize(application, on: platform, over: image)
        if librarySize > 0 {
            guard let address = roomAboveOrBelow(image, librarySize, platform, taken, limit) else {
                throw Fault(.noRoomForModule, value: librarySize)
            }
            movedLibraries = AddressRange(at: address, size: librarySize)
            try taken.add(movedLibraries, .module)
        }
        var staging: AddressRange?
        var movingTables = AddressRange(0, 0)
        if loader.overlaps(image) {
            let tables = 0x1000 &+ PageTables.tableCount(for: AddressRange(0, limit), .size2MiB) &* 0x1000
            let pages = (image.size &+ 0xfff) & ~0xfff
            guard let address = roomAboveOrBelow(image, pages &+ tables, platform, taken, limit) else {
                throw Fault(.noRoomForImage, value: pages &+ tables, limit: 0x1000)
            }
            staging = AddressRange(at: address, size: image.size)
            movingTables = AddressRange(at: address &+ pages, size: tables)
            try taken.add(AddressRange(at: address, size: pages &+ tables), .image)
        }
        let size = HandoffLayout.largestSize(application, on: platform, loader: loader, imageSize: image.size)
        // Kernels with a recursive page table take whatever lies above them for their own, those up to 0.11 likewise.
        var room = roomForHandoff(size, platform, taken, AddressRange(0, min(image.start, limit)))
        if room == nil, application.readsReservations {
            room = roomForHandoff(size, platform, taken, AddressRange(0, limit))
        }
        guard let handoff = room else { throw Fault(.noRoomForHandoff, value: size) }

        return Placement(
            image: image, bias: image.start &- application.linkStart, staging: staging, movingTables: movingTables,
            movedModule: moved, movedLibraries: movedLibraries, handoff: HandoffLayout(platform, at: handoff))
    }

    /// The bytes of all libraries' modules that lie where the image goes, each in pages of its own.
    private static func librarySize(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, over image: AddressRange
    ) -> UInt64 {
        var size: UInt64 = 0
        for index in 1..<max(application.link.count, 1) {
            let module = platform.module(application.link[index].file).range
            if module.overlaps(image) { size &+= module.roundedOutward(to: 0x1000).size }
        }
        return size
    }

    /// Where the module at `index` lies once those have been moved that lie where the image goes.
    public func module(
        _ index: Int, of application: borrowing Application, on platform: borrowing PlatformFacts
    ) -> AddressRange {
        let module = platform.module(index).range
        guard index > 0 else { return movedModule ?? module }
        guard !movedLibraries.isEmpty, module.overlaps(image) else { return module }
        var start = movedLibraries.start
        for object in 1..<max(application.link.count, 1) {
            let file = application.link[object].file
            if file == index { return AddressRange(at: start, size: module.size) }
            let other = platform.module(file).range
            if other.overlaps(image) { start &+= other.roundedOutward(to: 0x1000).size }
        }
        return module
    }

    /// Room below 640 KiB, clear of what real mode uses, or else the lowest in `window`.
    private static func roomForHandoff(
        _ size: UInt64, _ platform: borrowing PlatformFacts, _ taken: Reservations, _ window: AddressRange
    ) -> AddressRange? {
        let low = AddressRange(0x1_0000, min(0xa_0000, window.end))
        let high = AddressRange(0x10_0000, window.end)
        let start =
            taken.room(for: size, alignment: 0x1000, in: platform.memoryMap, window: low)
            ?? taken.room(for: size, alignment: 0x1000, in: platform.memoryMap, window: high)
        return start.map { AddressRange(at: $0, size: size) }
    }

    /// Room above `image`, or else anywhere.
    private static func roomAboveOrBelow(
        _ image: AddressRange, _ size: UInt64, _ platform: borrowing PlatformFacts, _ taken: Reservations,
        _ limit: UInt64
    ) -> UInt64? {
        taken.room(
            for: size, alignment: 0x1000, in: platform.memoryMap, window: AddressRange(image.end, limit))
            ?? taken.room(
                for: size, alignment: 0x1000, in: platform.memoryMap, window: AddressRange(0x10_0000, limit))
    }
}
