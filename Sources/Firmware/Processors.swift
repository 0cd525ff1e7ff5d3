// The number of the machine's processors, by its ACPI tables (ACPI 6.5, chapter 5.2).

import Architecture
import Bytes
import Diagnostics

/// The machine's processors.
public enum Processors {
    /// The number of processors that ACPI's table MADT lists as enabled; nil if there is no valid table. `rsdp` is the address of the root
    /// pointer; 0 to search for it in the places of a BIOS.
    public static func count(_ memory: PhysicalMemory, rsdp: UInt64) -> UInt64? {
        guard let root = rootTable(memory, rsdp: rsdp), let table = try? view(root.address, memory) else { return nil }
        var offset = ACPI.TableHeader.size
        while table.contains(offset, root.entrySize) {
            let entry = root.entrySize == 8 ? table.word64(at: offset) : table.word32(at: offset).map { UInt64($0) }
            offset &+= root.entrySize
            guard let entry, let header = try? memory.record(entry, size: ACPI.TableHeader.signatureSize),
                header[ACPI.TableHeader.signature] == ACPI.InterruptControllers.signatureValue
            else { continue }
            // There is at most one MADT. Only its bytes are summed; otherwise each entry could cause all of memory to be read.
            guard let table = try? view(entry, memory) else { return nil }
            return count(in: table)
        }
        return nil
    }

    /// The number of enabled processors in the table MADT (section 5.2.12): local APICs, and local x2APICs, which are listed for numbers
    /// that a local APIC's entry cannot hold.
    private static func count(in table: ByteView) -> UInt64 {
        typealias Entry = ACPI.InterruptControllers
        var (count, offset): (UInt64, UInt64) = (0, Entry.entries)
        while let type = table.byte(at: offset &+ Entry.type.offset),
            let size = table.byte(at: offset &+ Entry.length.offset), size >= Entry.leastSize
        {
            let flags: UInt32? =
                switch type {
                case Entry.localAPIC: table.word32(at: offset &+ Entry.localAPICFlags.offset)
                case Entry.localX2APIC: table.word32(at: offset &+ Entry.localX2APICFlags.offset)
                default: 0
                }
            if let flags, flags & Entry.enabled != 0 { count &+= 1 }
            offset &+= UInt64(size)
        }
        return count
    }

    /// The address of RSDT or XSDT, and the size of its entries.
    private static func rootTable(_ memory: PhysicalMemory, rsdp: UInt64) -> (address: UInt64, entrySize: UInt64)? {
        if rsdp != 0 { return rootTable(memory, at: rsdp) }
        // Section 5.2.5.1: in the first KiB of the extended BIOS data area, or in the BIOS's own memory.
        if let segment = (try? memory.record(LowMemory.extendedDataSegment, size: 2))?.u16(0), segment != 0,
            let found = search(
                memory, from: LowMemory.address(ofSegment: segment), size: ACPI.RootPointer.extendedDataSearched)
        {
            return found
        }
        return search(memory, from: LowMemory.biosStart, size: LowMemory.end &- LowMemory.biosStart)
    }

    private static func search(
        _ memory: PhysicalMemory, from start: UInt64, size: UInt64
    ) -> (address: UInt64, entrySize: UInt64)? {
        var offset: UInt64 = 0
        while offset < size {
            if let found = rootTable(memory, at: start &+ offset) { return found }
            offset &+= ACPI.RootPointer.alignment
        }
        return nil
    }

    /// The address and entry size in the root pointer at `address`; nil if there is none.
    private static func rootTable(
        _ memory: PhysicalMemory, at address: UInt64
    ) -> (address: UInt64, entrySize: UInt64)? {
        typealias Pointer = ACPI.RootPointer
        guard let bytes = try? memory.view(address, size: Pointer.sizeOfVersion1),
            bytes.word64(at: Pointer.signature.offset) == Pointer.signatureValue, isSumZero(bytes)
        else { return nil }
        // The 64-bit pointer of version 2 is not below 4 GiB on every machine.
        if bytes.byte(at: Pointer.revision.offset) != 0, let long = try? memory.record(address, size: Pointer.size) {
            let table = long[Pointer.xsdtAddress]
            if table != 0, (try? memory.view(table, size: ACPI.TableHeader.size)) != nil { return (table, 8) }
        }
        return bytes.word32(at: Pointer.rsdtAddress.offset).map { (UInt64($0), 4) }
    }

    /// The table at `address`, whose size is in its header. Throws if it is not in memory, or its checksum is wrong.
    @_lifetime(copy memory)
    private static func view(_ address: UInt64, _ memory: PhysicalMemory) throws(Fault) -> ByteView {
        let size = UInt64(try memory.record(address, size: ACPI.TableHeader.size)[ACPI.TableHeader.length])
        let table = try memory.view(address, size: size)
        guard size >= ACPI.TableHeader.size, isSumZero(table) else {
            throw Fault(.platformStructureOutsideMemory, value: address)
        }
        return table
    }

    private static func isSumZero(_ bytes: ByteView) -> Bool {
        var (sum, offset): (UInt8, UInt64) = (0, 0)
        while let byte = bytes.byte(at: offset) {
            sum &+= byte
            offset &+= 1
        }
        return sum == 0
    }
}
