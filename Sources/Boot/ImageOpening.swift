// An image as the first module: unpacked, and its kernel made the application.

import Architecture
import Bytes
import Diagnostics
import ELF
import Firmware
import HermitImage
import Linking
import Memory

/// Boots Hermit images (gzip around tar, hermit.toml at its root).
enum ImageOpening {
    /// Whether `file` may be an image: it does not begin like an ELF file.
    static func mayBeImage(_ file: NamedFile, _ memory: PhysicalMemory) -> Bool {
        memory.bytes.word32(at: file.start) != FileHeader.magic
    }

    /// Opens the first module of `platform` if it is an image: unpacks it into memory of its own, reads its hermit.toml, makes its kernel
    /// the application, and adds the shared objects that the kernel needs to `files`. Returns whether it was one.
    ///
    /// Throws `archiveTooLarge`, `memoryBelowRequirement`, `processorsBelowRequirement`, `commandLineTooLong`, `tooManyReservations`, and
    /// the image's own faults.
    @_lifetime(files: copy memory)
    @inline(never)  // A boot without an image does not need its room on the stack.
    static func open(
        _ platform: inout Platform, _ memory: PhysicalMemory, _ files: inout NamedFiles,
        linkPlan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) throws(Fault) -> Bool {
        let module = platform.module(0).range
        let file = try memory.view(module.start, size: module.size)
        guard HermitImage.isImage(file) else { return false }
        let archive = Gzip.isGzip(file) ? try unpack(file, platform, on: &host) : module
        let image = try HermitImage(try memory.view(archive.start, size: archive.size))
        try check(image.config, platform, memory)
        let line = try writeLine(image.config, besides: archive, platform, memory, on: &host)
        let kernel = AddressRange(at: archive.start &+ image.kernel.start, size: image.kernel.size)
        try platform.open(archive, application: kernel, commandLine: line)
        (files[0].start, files[0].size) = (kernel.start &- memory.origin, kernel.size)
        try addLibraries(image, at: archive.start &- memory.origin, to: &files, linkPlan: &linkPlan)
        return true
    }

    /// The memory that must not be written to.
    private static func taken(
        _ platform: borrowing Platform, _ loader: AddressRange, besides other: AddressRange
    ) throws(Fault) -> Reservations {
        var taken = Reservations()
        taken.copy(platform.reservations.all)
        try taken.add(loader, .loader)
        try taken.add(other, .module)
        return taken
    }

    /// The range into which images are unpacked: clear of the memory that real mode uses, and that kernels use to start processors.
    private static var window: AddressRange { AddressRange(LowMemory.end, BootSequence.memoryEnd) }

    /// Unpacks `file` to the lowest room that is large enough. The size in gzip's trailer may be wrong; then the file is unpacked again
    /// with the true size.
    private static func unpack(
        _ file: ByteView, _ platform: borrowing Platform, on host: inout some BootHost
    ) throws(Fault) -> AddressRange {
        let taken = try taken(platform, host.handoff.loader, besides: AddressRange(0, 0))
        let regions = platform.memoryMap.regions
        var size = Gzip.claimedSize(file)
        while true {
            let start = taken.room(for: max(size, 1), alignment: Page.size, in: regions, window: window)
            // Without room the bytes are counted, for the fault.
            let room = AddressRange(at: start ?? window.start, size: start == nil ? 0 : size)
            // It is free, and stays so: the plan, which comes later, spares it.
            let count = try Gzip.unpack(file, into: unsafe host.region(room, at: room.start))
            if count <= room.size, start != nil { return AddressRange(at: room.start, size: count) }
            guard count > size else {
                let largest = taken.largestRoom(in: regions, window: window)
                throw Fault(.archiveTooLarge, value: count, limit: largest.size)
            }
            size = count
        }
    }

    /// The most memory that the firmware of a machine with `available` bytes left may have kept: SeaBIOS keeps less than a MiB, OVMF 6 to 7
    /// MiB.
    static func mostKept(of available: UInt64) -> UInt64 { min(available / 8, 16 << 20) }

    /// Throws if the machine has less than `config` requires. Memory that the firmware may have kept is not counted as missing, and an
    /// unknown number of processors is not compared.
    private static func check(
        _ config: HermitConfig, _ platform: borrowing Platform, _ memory: PhysicalMemory
    ) throws(Fault) {
        var available: UInt64 = 0
        let regions = platform.memoryMap.regions
        for index in regions.indices where regions[index].isAvailable { available &+= regions[index].range.size }
        guard config.memory <= available &+ mostKept(of: available) else {
            throw Fault(.memoryBelowRequirement, value: config.memory, limit: available)
        }
        guard config.processors > 1, let count = Processors.count(memory, rsdp: platform.rsdp) else { return }
        guard config.processors <= count else {
            throw Fault(.processorsBelowRequirement, value: config.processors, limit: count)
        }
    }

    /// Writes the kernel's command line into memory of its own, and returns its range.
    private static func writeLine(
        _ config: HermitConfig, besides archive: AddressRange, _ platform: borrowing Platform, _ memory: PhysicalMemory,
        on host: inout some BootHost
    ) throws(Fault) -> AddressRange {
        let own = platform.commandLine
        let line =
            own.isEmpty ? try memory.view(memory.origin, size: 0) : try memory.view(own.start, size: own.size)
        var counter = LineWriter(ByteRegion(MutableRawSpan(), at: 0))
        ImageCommandLine.write(config, line, to: &counter)
        let size = UInt64(truncatingIfNeeded: counter.count)
        guard size <= PhysicalMemory.stringCapacity else {
            throw Fault(.commandLineTooLong, limit: PhysicalMemory.stringCapacity)
        }
        let taken = try taken(platform, host.handoff.loader, besides: archive.roundedOutward(to: Page.size))
        guard
            let start = taken.room(for: size, alignment: Page.size, in: platform.memoryMap.regions, window: window)
        else { throw Fault(.noRoomForHandoff, value: size) }
        let place = AddressRange(at: start, size: size)
        // As above.
        var writer = LineWriter(unsafe host.region(place, at: start))
        ImageCommandLine.write(config, line, to: &writer)
        return place
    }

    /// Adds the shared objects of `image`, which begins at offset `start`, that files before them need; if several entries have one name,
    /// the last counts. `linkPlan` has one element, which it fills.
    @_lifetime(files: copy files)
    private static func addLibraries(
        _ image: HermitImage, at start: UInt64, to files: inout NamedFiles, linkPlan: inout MutableSpan<LinkPlan>
    ) throws(Fault) {
        guard linkPlan[0].needsOthers(0, of: files) else { return }
        for index in 1..<files.count {
            _ = linkPlan[0].needsOthers(index, of: files)
        }
        // Comparing names may take at most as much work as reading the archive.
        var budget = image.archive.count
        let first = files.count
        var isChanged = true
        while isChanged {
            isChanged = false
            var reader = TarReader(image.archive)
            while let entry = try reader.next(), files.count < NamedFiles.capacity {
                guard entry.kind == .file, entry.header != image.kernel.header,
                    image.archive.part(at: entry.start, size: entry.size).isSharedObject
                else { continue }
                let file = NamedFile(
                    start: start &+ entry.start, size: entry.size, string: start &+ entry.path.name,
                    stringSize: entry.path.nameSize)
                let place = files.count
                // Files that were already added are found again in the next round.
                var known = first
                while known < place, !files.isSameName(known, file) { known &+= 1 }
                guard known == place else {
                    guard files[known].start < file.start else { continue }
                    files[known] = file
                    _ = linkPlan[0].needsOthers(known, of: files)
                    isChanged = true
                    continue
                }
                files.append(file)
                _ = linkPlan[0].needsOthers(place, of: files)
                guard linkPlan[0].isNeeded(place, of: files, budget: &budget) else {
                    files.removeLast()
                    continue
                }
                isChanged = true
            }
        }
    }
}

extension NamedFiles {
    /// Whether the file at `index` and `other` have the same string.
    fileprivate func isSameName(_ index: Int, _ other: NamedFile) -> Bool {
        self[index].stringSize == other.stringSize
            && bytes.areSame(self[index].string, other.string, count: other.stringSize)
    }
}

extension ByteView {
    /// Whether it begins like an ELF file of 64 bits, least significant byte first, that may be loaded with others.
    fileprivate var isSharedObject: Bool {
        word32(at: 0) == FileHeader.magic && byte(at: 4) == 2 && byte(at: 16) == 3 && byte(at: 17) == 0
    }
}
