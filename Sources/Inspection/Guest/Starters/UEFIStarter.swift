// UEFI as OVMF leaves it to the application in the MZ file, which writes a start info: its own code does so here, too. Addresses and sizes
// come from guests of QEMU 7.2 with OVMF 2022.11.

import Architecture
import Bytes
import Diagnostics
import Firmware
import Memory
import UEFI

/// OVMF, by the MZ file.
struct UEFIStarter: Starter {
    private let machine: HostMachine

    init(_ machine: HostMachine) { self.machine = machine }

    /// OVMF does not run in less.
    static var leastMemory: UInt64 { 64 << 20 }

    /// The memory map: kinds and ends of adjacent regions, at fixed places below 16 MiB, and before the end of RAM below 4 GiB.
    private var regions: [(kind: EFI.MemoryType, range: AddressRange)] {
        let end = machine.lowMemoryEnd
        var list: [(EFI.MemoryType, AddressRange)] = [
            (.conventional, AddressRange(0, LowMemory.conventionalEnd))
        ]
        func append(from start: UInt64, _ pieces: [(EFI.MemoryType, UInt64)]) {
            var start = start
            for (kind, end) in pieces {
                list.append((kind, AddressRange(start, end)))
                start = end
            }
        }
        append(
            from: LowMemory.end,
            [
                (.conventional, 0x80_0000), (.acpiNonVolatile, 0x80_8000), (.conventional, 0x80_b000),
                (.acpiNonVolatile, 0x80_c000),
                (.conventional, 0x81_0000), (.acpiNonVolatile, 0x90_0000), (.conventional, filesEnd),
                (.bootServicesData, end - services), (.runtimeServicesData, end - services + 0xc_1000),
                (.bootServicesData, end - 0xb1_3000), (.reserved, end - 0x89_3000), (.acpiReclaim, end - 0x88_1000),
                (.acpiNonVolatile, end - 0x80_1000), (.bootServicesData, end - 0xa_8000),
                (.runtimeServicesData, end - 0x8_8000), (.acpiNonVolatile, end),
            ])
        if machine.kind == .q35 { list.append((.reserved, AddressRange(0xb000_0000, 0xc000_0000))) }
        if machine.memory.bytes > end {
            list.append(
                (.conventional, AddressRange(at: HostMachine.highMemoryStart, size: machine.memory.bytes - end)))
        }
        return list
    }

    /// How far before the end of RAM the memory of runtime services begins, which depends on devices.
    private var services: UInt64 { machine.kind == .q35 ? 0x154_9000 : 0x154_5000 }

    /// Firmware gives memory away from here downward.
    private var filesEnd: UInt64 { machine.lowMemoryEnd - (machine.kind == .q35 ? 0x1c1_6000 : 0x1b1_5000) }

    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64 {
        let end = placed.last?.start ?? filesEnd
        return size <= end ? (end - size).pageStart : end
    }

    func write(_ placed: [AddressRange], to guest: GuestMemory) throws(Fault) -> LoaderStart {
        var descriptors: [UInt64] = []
        for (kind, range) in regions {
            // The fields of EFI.MemoryDescriptor in their order, and a word that firmware appends.
            descriptors += [
                UInt64(kind.rawValue), range.start, 0, range.size / EFI.pageSize, EFI.MemoryAttribute.writeBack, 0,
            ]
        }
        // The texts have as much room as in the application's start info.
        let line = machine.lineWithOptions
        let (texts, count) = (UInt64(line.count) + StartInfoWriter.moduleCapacity * 1024, UInt64(regions.count))
        let size = StartInfoWriter.size(texts: texts, regions: count)
        let start = address(of: size, after: placed)
        guard start + size <= guest.size, placed.count <= StartInfoWriter.moduleCapacity else {
            throw Fault(.tooManyModules, value: UInt64(placed.count), limit: StartInfoWriter.moduleCapacity)
        }
        let root = rootPointer
        if machine.rsdp == nil { guest.write(Array("RSD PTR \0BOCHS \u{2}".utf8), at: root) }
        var writer = StartInfoWriter(guest.region(AddressRange(at: start, size: size)), rsdp: root)
        for (index, module) in placed.enumerated() {
            guard index > 0 else {
                _ = writer.addModule(module)
                continue
            }
            // The name that it has in the application's folder; UEFI's texts have 16-bit characters.
            let name = machine.modules[index - 1].path.split(separator: "/").last ?? ""
            let wide = name.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
            // Bytes hold any value, and the array outlives the call.
            _ = unsafe writer.addModule(module, name: FirmwareText(ByteView(wide.span.bytes)))
        }
        // As above; words of 64 bits have no padding.
        _ = unsafe writer.setCommandLine(file: ByteView(line.span.bytes))
        _ = unsafe writer.finish(
            FirmwareMemory(ByteView(descriptors.span.bytes), entrySize: EFI.MemoryDescriptor.size + 8))
        return LoaderStart(magic: PVH.uefiMagic, information: start)
    }

    /// ACPI's root pointer is in the last page of its tables.
    private var rootPointer: UInt64 { machine.rsdp ?? machine.lowMemoryEnd - 0x88_1fec }
}
