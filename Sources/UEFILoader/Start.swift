// Collects what the loader needs from UEFI firmware, ends boot services, and enters the loader.

import Architecture
import Bytes
import CMZ
import Diagnostics
import Firmware
import Memory
import UEFI

/// The entry from uefi.S; returns a status if the loader cannot be started.
@_cdecl("uefi_main")
func uefiMain(_ image: UnsafeMutableRawPointer, _ table: UnsafePointer<uefi_system_table>) -> UInt64 {
    // As the firmware hands them over (UEFI 2.10, 4.1); both are valid until boot services end.
    var services = unsafe Services(image, table)
    do throws(StartProblem) {
        try start(&services)
    } catch {
        var console = FirmwareConsole(services)
        console.write("[LOADER] error: ")
        console.write(error.sentence)
        console.write("; ")
        console.write(error.advice)
        console.endLine()
        services.freeAll()
        return error.status
    }
}

/// An application that was found.
private struct Found {
    /// Its file.
    var application: AddressRange
    /// Its folder, which is open; nil if it is an initrd.
    var folder: FirmwareFile?
    /// The file with its command line; nil if there is none.
    var line: AddressRange?
}

/// Starts the loader. Throws the problem that prevents it.
private func start(_ services: inout Services) throws(StartProblem) -> Never {
    let options = try services.loadOptions()
    let found = try find(&services)
    // If the loader starts, open files end with boot services.
    defer { if let folder = found.folder { services.close(folder) } }
    // Allocations from here on add entries to the memory map.
    let (mapSize, entrySize) = services.memoryMapSize()
    let regions = mapSize / entrySize &+ 128
    // Names have up to 255 characters.
    let texts = max(found.line?.size ?? 0, options.utf8Capacity) &+ StartInfoWriter.moduleCapacity &* 1024
    guard let map = services.allocate(regions &* entrySize),
        let block = services.allocate(StartInfoWriter.size(texts: texts, regions: regions))
    else { throw .noMemory }

    // Each allocation below has one use.
    var writer = StartInfoWriter(
        unsafe services.region(block), rsdp: services.rsdp, confidentialBlob: services.confidentialBlob)
    // There is room for both: the module is the first, and the text was counted.
    _ = writer.addModule(found.application)
    if let line = found.line {
        _ = writer.setCommandLine(file: unsafe services.view(line))
    } else {
        _ = writer.setCommandLine(options)
    }
    if let folder = found.folder { try addLibraries(of: folder, to: &writer, &services) }

    let place = try placeLoader(map, &services)
    var key: UInt64 = 0
    // The key is stale if an event has changed the memory map in between.
    for _ in 0..<8 {
        guard let memory = services.memoryMap(map, key: &key) else { throw .noMemoryMap }
        guard services.leave(key) else { continue }
        // There is room for each of the map's entries.
        _ = writer.finish(memory)
        LoaderImage.enter(place, block.start)
    }
    throw .cannotLeave
}

/// Finds the application: the initrd, or a file in the first folder that has one. Throws `noApplication`, or the problem of reading it.
private func find(_ services: inout Services) throws(StartProblem) -> Found {
    if let initrd = try services.readInitrd() { return Found(application: initrd) }
    guard let volume = try services.openVolume() else { throw .noApplication }
    defer { services.close(volume) }
    // The second is the place where upstream's loader expected it before 0.5.6.
    let paths: Text = "\\EFI\\hermit \\EFI\\BOOT"
    for index in 0..<2 {
        guard let folder = try services.open(paths.word(index), in: volume) else { continue }
        do throws(StartProblem) {
            if let application = try read("hermit-app", in: folder, &services) {
                let line = try read("hermit-bootargs", in: folder, &services)
                return Found(application: application, folder: folder, line: line)
            }
        } catch {
            services.close(folder)
            throw error
        }
        services.close(folder)
    }
    throw .noApplication
}

/// Reads the file with the name `name`; nil if there is none.
private func read(
    _ name: Text, in folder: FirmwareFile, _ services: inout Services
) throws(StartProblem) -> AddressRange? {
    guard let file = try services.open(name, in: folder) else { return nil }
    defer { services.close(file) }
    return try services.read(file)
}

/// Adds the shared objects of `folder`, under their names.
private func addLibraries(
    of folder: FirmwareFile, to writer: inout StartInfoWriter, _ services: inout Services
) throws(StartProblem) {
    guard let room = services.allocate(EFI.pageSize) else { throw .noMemory }
    while true {
        let range = try services.readEntry(of: folder, to: room)
        guard !range.isEmpty else { return }
        // Only the next read writes to the room again.
        guard let entry = FolderEntry(unsafe services.view(range)), entry.isSharedObject,
            let file = try services.open(entry: range, in: folder)
        else { continue }
        defer { services.close(file) }
        guard writer.moduleCount < StartInfoWriter.moduleCapacity else { throw .tooManyFiles }
        // There is room for its name.
        _ = writer.addModule(try services.read(file), name: entry.name)
    }
}

/// Puts the loader's image into free memory, as low as possible: kernels of some generations use the memory above their
/// image. Returns its address. Throws `noPlace`.
private func placeLoader(_ map: AddressRange, _ services: inout Services) throws(StartProblem) -> UInt64 {
    var key: UInt64 = 0
    let size = LoaderImage.memorySize
    // The firmware may allocate the place in between.
    for _ in 0..<8 {
        guard let memory = services.memoryMap(map, key: &key) else { throw .noMemoryMap }
        guard let address = memory.room(for: size, alignment: LoaderImage.alignment, limit: LoaderImage.limit) else {
            break
        }
        guard let place = services.allocate(size, at: address) else { continue }
        // It has just been allocated.
        var region = unsafe services.region(place)
        LoaderImage.move(to: &region)
        return address
    }
    throw .noPlace
}
