// Multiboot as QEMU's firmware leaves it: module list, strings and modules follow the loader.

import Architecture
import Bytes
import Firmware
import Memory

/// QEMU, by Multiboot.
struct MultibootStarter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    /// The modules follow module list and strings, page aligned.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        let strings = moduleStrings.reduce(0) { $0 + $1.count } + commandLine.count + 5
        let first = firstString &+ UInt64(strings)
        return (placed.last?.end ?? first).pageAligned
    }

    /// The module list follows the loader.
    private var listStart: UInt64 { machine.loader.end.pageAligned }

    /// The strings follow the module list.
    private var firstString: UInt64 { listStart &+ UInt64(moduleStrings.count) &* Multiboot.ModuleEntry.size }

    /// A module's path, and the loader's options after that of the application.
    private var moduleStrings: [[UInt8]] {
        let options = machine.loaderOptions.isEmpty ? "" : " " + machine.loaderOptions
        return ([machine.applicationPath + options] + machine.modules.map(\.path)).map { Array($0.utf8) + [0] }
    }

    /// The loader's path stands in front.
    private var commandLine: [UInt8] { Array("\(machine.loaderPath) \(machine.commandLine)".utf8) + [0] }

    func write(_ placed: [AddressRange], to guest: GuestMemory) -> LoaderStart {
        let (information, map): (UInt64, UInt64) = (0x9500, 0x9000)
        let entries = machine.mapEntries
        for (index, region) in entries.enumerated() {
            typealias Entry = Multiboot.MemoryMapEntry
            let entry = map + UInt64(index) * Entry.size
            guest.store(UInt32(Entry.leastEntrySize), in: Entry.entrySize, of: entry)
            guest.store(region.start, in: Entry.baseAddr, of: entry)
            guest.store(region.size, in: Entry.length, of: entry)
            guest.store(region.type, in: Entry.type, of: entry)
        }
        let strings = moduleStrings
        let commandLineStart = firstString + UInt64(strings.reduce(0) { $0 + $1.count })
        typealias Information = Multiboot.Information
        typealias Flag = Multiboot.Flag
        let words: [(StructureField<UInt32>, UInt32)] = [
            (
                Information.flags,
                Flag.memory | Flag.bootDevice | Flag.cmdline | Flag.mods | Flag.mmap | Flag.bootLoaderName
            ),
            // The same 639 KiB as in the map.
            (Information.memLower, UInt32(machine.regions[0].range.end / 1024)),
            (Information.memUpper, UInt32(truncatingIfNeeded: (machine.lowMemoryEnd - LowMemory.end) / 1024)),
            // The first hard disk, its first partition.
            (Information.bootDevice, 0x8000_ffff),
            (Information.cmdline, UInt32(truncatingIfNeeded: commandLineStart)),
            (Information.modsCount, UInt32(strings.count)),
            (Information.modsAddr, UInt32(truncatingIfNeeded: listStart)),
            (Information.mmapLength, UInt32(entries.count) * UInt32(Multiboot.MemoryMapEntry.size)),
            (Information.mmapAddr, UInt32(map)),
            (
                Information.bootLoaderName,
                UInt32(truncatingIfNeeded: commandLineStart) + UInt32(commandLine.count)
            ),
        ]
        for (field, word) in words { guest.store(word, in: field, of: information) }
        var next = firstString
        for (index, module) in placed.enumerated() {
            typealias Entry = Multiboot.ModuleEntry
            let entry = listStart + UInt64(index) * Entry.size
            guest.store(UInt32(truncatingIfNeeded: module.start), in: Entry.modStart, of: entry)
            guest.store(UInt32(truncatingIfNeeded: module.end), in: Entry.modEnd, of: entry)
            guest.store(UInt32(truncatingIfNeeded: next), in: Entry.string, of: entry)
            guest.write(strings[index], at: next)
            next += UInt64(strings[index].count)
        }
        guest.write(commandLine + Array("qemu".utf8), at: next)
        return LoaderStart(magic: Multiboot.magic, information: information)
    }
}
