// PVH as QEMU's option ROM and qboot leave it: the module ends at the end of RAM below 4 GiB, less the part set aside for ACPI.

import Bytes
import Firmware
import Memory

/// QEMU, by PVH.
struct PVHStarter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    /// Further modules, which QEMU does not have, lie below.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        let end = placed.last?.start ?? machine.lowMemoryEnd - (machine.kind == .microvm ? 0 : 0x2_8000)
        return size <= end ? (end - size).pageStart : end
    }

    func write(_ files: [AddressRange], to guest: GuestMemory) -> LoaderStart {
        // QEMU gives no module if its file is empty.
        let placed = files.count == 1 && files[0].size == 0 ? [] : files
        let information: UInt64 = machine.kind == .microvm ? 0xf_31e0 : 0x21e0
        let (entries, string) = (machine.mapEntries, machine.lineWithOptions + [0])
        var (usualList, text, map): (UInt64, UInt64, UInt64) = (0x21c0, 0x11c0, 0x5a8)
        if machine.kind == .microvm {
            // qboot allocates downward.
            let end: UInt64 = machine.memory.bytes > machine.lowMemoryEnd ? 0xe_fc70 : 0xe_fc80
            usualList = 0x7b7c
            text = (end - UInt64(string.count)) & ~15
            map = (text - UInt64(entries.count) * PVH.MemoryMapEntry.size) & ~15
        }
        // QEMU has room for one module, and gives it no string.
        let list = placed.count == 1 ? usualList : 0x3000
        typealias StartInfo = PVH.StartInfo
        guest.store(StartInfo.magicValue, in: StartInfo.magic, of: information)
        guest.store(StartInfo.versionWithMemoryMap, in: StartInfo.version, of: information)
        // In the order of QEMU's ROM, where a long one runs into the next structure.
        guest.write(string, at: text)
        guest.store(UInt32(placed.count), in: StartInfo.nrModules, of: information)
        guest.store(list, in: StartInfo.modlistPaddr, of: information)
        guest.store(text, in: StartInfo.cmdlinePaddr, of: information)
        guest.store(machine.rootPointer, in: StartInfo.rsdpPaddr, of: information)
        guest.store(map, in: StartInfo.memmapPaddr, of: information)
        guest.store(UInt32(entries.count), in: StartInfo.memmapEntries, of: information)
        var next = list + UInt64(placed.count) * PVH.ModuleEntry.size
        for (index, module) in placed.enumerated() {
            let entry = list + UInt64(index) * PVH.ModuleEntry.size
            guest.store(module.start, in: PVH.ModuleEntry.paddr, of: entry)
            guest.store(module.size, in: PVH.ModuleEntry.moduleSize, of: entry)
            guard index > 0 else { continue }
            guest.store(next, in: PVH.ModuleEntry.cmdlinePaddr, of: entry)
            let name = Array(machine.modules[index - 1].path.utf8) + [0]
            guest.write(name, at: next)
            next += UInt64(name.count)
        }
        for (index, region) in entries.enumerated() {
            let entry = map + UInt64(index) * PVH.MemoryMapEntry.size
            guest.store(region.start, in: PVH.MemoryMapEntry.addr, of: entry)
            guest.store(region.size, in: PVH.MemoryMapEntry.regionSize, of: entry)
            guest.store(region.type, in: PVH.MemoryMapEntry.type, of: entry)
        }
        return LoaderStart(magic: StartInfo.magicValue, information: information)
    }

    var findings: [Finding] {
        var findings: [Finding] = []
        if !machine.modules.isEmpty {
            findings.append(
                Finding(
                    .warning, "pvh-modules", "by PVH, QEMU gives the loader one module only, so no shared object",
                    "start by Multiboot; another virtual machine monitor may give more"))
        }
        // QEMU's option ROM has an array for it; qboot allocates as much as it needs.
        let length = machine.lineWithOptions.count
        if machine.kind != .microvm, length > 4095 {
            findings.append(
                Finding(
                    .warning, "long-command-line",
                    "the command line has \(length) bytes, and QEMU's PVH has room for 4095 before it "
                        + "overwrites the start info, or itself",
                    "shorten it, start by Multiboot, or take --machine microvm"))
        }
        return findings
    }
}
