// Multiboot as QEMU's firmware leaves it: module list, strings and modules follow the loader.

import Firmware
import Memory

/// QEMU, by Multiboot.
struct MultibootStarter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    /// The modules follow module list and strings, page aligned.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        let strings = moduleStrings.reduce(0) { $0 + $1.count } + commandLine.count + 5
        let first = listStart &+ UInt64(16 * moduleStrings.count + strings)
        return ((placed.last?.end ?? first) &+ 0xfff) & ~0xfff
    }

    /// The module list follows the loader.
    private var listStart: UInt64 { (machine.loader.end &+ 0xfff) & ~0xfff }

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
            let entry = map + UInt64(index) * 24
            guest.store(20 as UInt32, at: entry)
            guest.store(region.start, at: entry + 4)
            guest.store(region.size, at: entry + 12)
            guest.store(region.type, at: entry + 20)
        }
        let strings = moduleStrings
        let firstString = listStart + UInt64(16 * strings.count)
        let commandLineStart = firstString + UInt64(strings.reduce(0) { $0 + $1.count })
        let words: [(UInt64, UInt32)] = [
            (0, 0x24f), (4, 0x27f), (8, UInt32(truncatingIfNeeded: machine.lowMemoryEnd / 1024 - 1024)),
            (12, 0x8000_ffff), (16, UInt32(truncatingIfNeeded: commandLineStart)), (20, UInt32(strings.count)),
            (24, UInt32(truncatingIfNeeded: listStart)), (44, UInt32(entries.count * 24)), (48, UInt32(map)),
            (64, UInt32(truncatingIfNeeded: commandLineStart) + UInt32(commandLine.count)),
        ]
        for (offset, word) in words { guest.store(word, at: information + offset) }
        var next = firstString
        for (index, module) in placed.enumerated() {
            let entry = listStart + UInt64(index) * 16
            guest.store(UInt32(truncatingIfNeeded: module.start), at: entry)
            guest.store(UInt32(truncatingIfNeeded: module.end), at: entry + 4)
            guest.store(UInt32(truncatingIfNeeded: next), at: entry + 8)
            guest.write(strings[index], at: next)
            next += UInt64(strings[index].count)
        }
        guest.write(commandLine + Array("qemu".utf8), at: next)
        return LoaderStart(magic: Multiboot.magic, information: information)
    }
}
