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
        (placed.last?.end ?? machine.loader.end).pageAligned
    }

    func write(_ placed: [AddressRange], to guest: GuestMemory) throws(Fault) -> LoaderStart {
        let alignment = Multiboot2.Tag.alignment
        let information = ((placed.last?.end ?? machine.loader.end) &+ (alignment - 1)) & ~(alignment - 1)
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
        typealias TagType = Multiboot2.TagType
        var bytes = [UInt8](repeating: 0, count: Int(Multiboot2.Information.size))
        // The fields of tags and of entries, in the order of their offsets.
        func append(_ type: UInt32, _ fields: [UInt8]) {
            bytes +=
                littleEndian(type) + littleEndian(UInt32(Multiboot2.Tag.headerSize) + UInt32(fields.count)) + fields
            bytes += [UInt8](repeating: 0, count: -bytes.count & (Int(Multiboot2.Tag.alignment) - 1))
        }
        append(TagType.commandLine, Array(machine.commandLine.utf8) + [0])
        let strings = [machine.loaderOptions] + machine.modules.map(\.path)
        for (module, string) in zip(placed, strings) {
            let addresses = [module.start, module.end].flatMap { littleEndian(UInt32(truncatingIfNeeded: $0)) }
            append(TagType.module, addresses + Array(string.utf8) + [0])
        }
        let entries = machine.mapEntries.flatMap { entry in
            littleEndian(entry.start) + littleEndian(entry.size) + littleEndian(UInt64(entry.type))
        }
        let entrySize = UInt32(Multiboot2.MemoryMapEntry.size)
        append(TagType.memoryMap, littleEndian(entrySize) + littleEndian(0 as UInt32) + entries)
        if machine.rootPointer != 0 { append(TagType.acpiOld, Array("RSD PTR \0BOCHS \0\0\0\0\0".utf8)) }
        append(TagType.end, [])
        bytes.replaceSubrange(0..<4, with: littleEndian(UInt32(bytes.count)))
        return bytes
    }

    private func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: word >> Word($0 * 8)) }
    }
}
