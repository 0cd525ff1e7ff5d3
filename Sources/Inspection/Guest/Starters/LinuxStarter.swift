// Linux's boot protocol as Firecracker leaves it: boot_params, and the application as the initrd.

import Firmware
import Memory

/// Firecracker, by Linux's boot protocol.
struct LinuxStarter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    /// There is one initrd.
    var takesModules: Bool { false }

    /// It ends at the end of RAM below 4 GiB, less the part that the firmware sets aside for ACPI.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        PVHStarter(machine).address(of: size, after: placed)
    }

    func write(_ placed: [AddressRange], to guest: GuestMemory) -> LoaderStart {
        let (parameters, line): (UInt64, UInt64) = (0x7000, 0x2_0000)
        guest.write(machine.lineWithOptions + [0], at: line)
        typealias Parameters = Linux.BootParameters
        guest.store(Parameters.headerSignature, in: Parameters.header, of: parameters)
        guest.store(UInt32(line), in: Parameters.cmdLinePtr, of: parameters)
        guest.store(machine.rootPointer, in: Parameters.acpiRsdpAddr, of: parameters)
        if let disk = placed.first {
            guest.store(UInt32(truncatingIfNeeded: disk.start), in: Parameters.ramdiskImage, of: parameters)
            guest.store(UInt32(truncatingIfNeeded: disk.size), in: Parameters.ramdiskSize, of: parameters)
        }
        let entries = machine.mapEntries
        guest.store(UInt8(entries.count), in: Parameters.e820Entries, of: parameters)
        for (index, region) in entries.enumerated() {
            let entry = parameters + Parameters.e820Table + UInt64(index) * Linux.E820Entry.size
            guest.store(region.start, in: Linux.E820Entry.addr, of: entry)
            guest.store(region.size, in: Linux.E820Entry.regionSize, of: entry)
            guest.store(region.type, in: Linux.E820Entry.type, of: entry)
        }
        return LoaderStart(magic: 0, information: parameters)
    }

    var findings: [Finding] {
        guard !machine.modules.isEmpty else { return [] }
        return [
            Finding(
                .warning, "linux-modules",
                "by Linux's protocol the application is the initrd: no shared object beside it",
                "start by Multiboot 1 or 2, or link the application without shared objects")
        ]
    }
}
