// Multiboot 2 as GRUB leaves it on a BIOS: modules follow the loader, and the information the modules.

import Bytes
import Diagnostics
import Firmware
import Memory

/// GRUB, by Multiboot 2.
struct Multiboot2Starter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        ((placed.last?.end ?? machine.loader.end) &+ 0xfff) & ~0xfff
    }

    func write(_ placed: [AddressRange], to guest: GuestMemory) throws(Fault) -> LoaderStart {
        let information = ((placed.last?.end ?? machine.loader.end) &+ 7) & ~7
        let bytes = self.information(placed)
        // Bytes hold any value, and the array outlives the call.
        guard unsafe guest.write(ByteView(bytes.span.bytes), at: information) else {
            throw Fault(.platformStructureOutsideMemory, value: information, limit: UInt64(bytes.count))
        }
        return LoaderStart(magic: Multiboot2.magic, information: information)
    }

    /// The information's bytes, with the strings that GRUB hands over: the application's are the options, and the command line has no name
    /// in front. ACPI's root pointer is a copy, of version 1, as in the firmware of QEMU's machines.
    private func information(_ placed: [AddressRange]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        func append(_ type: UInt32, _ fields: [UInt8]) {
            bytes += littleEndian(type) + littleEndian(UInt32(8 + fields.count)) + fields
            bytes += [UInt8](repeating: 0, count: -bytes.count & 7)
        }
        append(1, Array(machine.commandLine.utf8) + [0])
        let strings = [machine.loaderOptions] + machine.modules.map(\.path)
        for (module, string) in zip(placed, strings) {
            let addresses = [module.start, module.end].flatMap { littleEndian(UInt32(truncatingIfNeeded: $0)) }
            append(3, addresses + Array(string.utf8) + [0])
        }
        let entries = machine.mapEntries.flatMap { entry in
            littleEndian(entry.start) + littleEndian(entry.size) + littleEndian(UInt64(entry.type))
        }
        append(6, littleEndian(24 as UInt32) + littleEndian(0 as UInt32) + entries)
        if machine.rootPointer != 0 { append(14, Array("RSD PTR \0BOCHS \0\0\0\0\0".utf8)) }
        append(0, [])
        bytes.replaceSubrange(0..<4, with: littleEndian(UInt32(bytes.count)))
        return bytes
    }

    private func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: word >> Word($0 * 8)) }
    }
}
