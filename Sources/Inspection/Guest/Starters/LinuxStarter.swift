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
        guest.store(0x5372_6448 as UInt32, at: parameters + 0x202)
        guest.store(UInt32(line), at: parameters + 0x228)
        guest.store(machine.rootPointer, at: parameters + 0x70)
        if let disk = placed.first {
            guest.store(UInt32(truncatingIfNeeded: disk.start), at: parameters + 0x218)
            guest.store(UInt32(truncatingIfNeeded: disk.size), at: parameters + 0x21c)
        }
        let entries = machine.mapEntries
        guest.store(UInt8(entries.count), at: parameters + 0x1e8)
        for (index, entry) in entries.enumerated() {
            let address = parameters + 0x2d0 + UInt64(index) * 20
            guest.store(entry.start, at: address)
            guest.store(entry.size, at: address + 8)
            guest.store(entry.type, at: address + 16)
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
