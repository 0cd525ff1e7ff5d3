// The number of the machine's processors, by its ACPI tables (ACPI 6.5, chapter 5.2).

import Bytes
import Diagnostics

/// The machine's processors.
public enum Processors {
    /// The number of processors that ACPI's table MADT lists as enabled; nil if there is no valid table. `rsdp` is the address of the root
    /// pointer; 0 to search for it in the places of a BIOS.
    public static func count(_ memory: PhysicalMemory, rsdp: UInt64) -> UInt64? {
        guard let root = rootTable(memory, rsdp: rsdp), let table = try? view(root.address, memory) else { return nil }
        var offset: UInt64 = 36
        while table.contains(offset, root.entrySize) {
            let entry = root.entrySize == 8 ? table.word64(at: offset) : table.word32(at: offset).map { UInt64($0) }
            offset &+= root.entrySize
            guard let entry, (try? memory.record(entry, size: 4))?.u32(0) == signature("APIC") else { continue }
            // There is at most one MADT. Only its bytes are summed; otherwise each entry could cause all of memory to be read.
            guard let table = try? view(entry, memory) else { return nil }
            return count(in: table)
        }
        return nil
    }

    /// The number of enabled processors in the table MADT (section 5.2.12): local APICs, and local x2APICs, which are listed for numbers
    /// that a local APIC's entry cannot hold.
    private static func count(in table: ByteView) -> UInt64 {
        var (count, offset): (UInt64, UInt64) = (0, 44)
        while let type = table.byte(at: offset), let size = table.byte(at: offset &+ 1), size >= 2 {
            let flags = type == 0 ? table.word32(at: offset &+ 4) : type == 9 ? table.word32(at: offset &+ 8) : 0
            if let flags, flags & 1 != 0 { count &+= 1 }
            offset &+= UInt64(size)
        }
        return count
    }

    /// The address of RSDT or XSDT, and the size of its entries.
    private static func rootTable(_ memory: PhysicalMemory, rsdp: UInt64) -> (address: UInt64, entrySize: UInt64)? {
        if rsdp != 0 { return rootTable(memory, at: rsdp) }
        // Section 5.2.5.1: in the first KiB of the extended BIOS data area, or in the BIOS's own memory.
        if let pointer = try? memory.record(0x40e, size: 2), pointer.u16(0) != 0,
            let found = search(memory, from: UInt64(pointer.u16(0)) << 4, size: 1024)
        {
            return found
        }
        return search(memory, from: 0xe_0000, size: 0x2_0000)
    }

    private static func search(
        _ memory: PhysicalMemory, from start: UInt64, size: UInt64
    ) -> (address: UInt64, entrySize: UInt64)? {
        var offset: UInt64 = 0
        while offset < size {
            if let found = rootTable(memory, at: start &+ offset) { return found }
            offset &+= 16
        }
        return nil
    }

    /// The address and entry size in the root pointer at `address`; nil if there is none.
    private static func rootTable(
        _ memory: PhysicalMemory, at address: UInt64
    ) -> (address: UInt64, entrySize: UInt64)? {
        guard let bytes = try? memory.view(address, size: 20), bytes.word32(at: 0) == signature("RSD "),
            bytes.word32(at: 4) == signature("PTR "), isSumZero(bytes)
        else { return nil }
        // The 64-bit pointer of version 2 is not below 4 GiB on every machine.
        if bytes.byte(at: 15) != 0, let long = try? memory.record(address, size: 36), long.u64(24) != 0,
            (try? memory.view(long.u64(24), size: 36)) != nil
        {
            return (long.u64(24), 8)
        }
        return bytes.word32(at: 16).map { (UInt64($0), 4) }
    }

    /// The table at `address`, whose size is in its header. Throws if it is not in memory, or its checksum is wrong.
    @_lifetime(copy memory)
    private static func view(_ address: UInt64, _ memory: PhysicalMemory) throws(Fault) -> ByteView {
        let size = try memory.record(address, size: 36).u32(4)
        let table = try memory.view(address, size: UInt64(size))
        guard size >= 36, isSumZero(table) else { throw Fault(.platformStructureOutsideMemory, value: address) }
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

    private static func signature(_ text: Text) -> UInt32 {
        UInt32(text[0]) | UInt32(text[1]) << 8 | UInt32(text[2]) << 16 | UInt32(text[3]) << 24
    }
}
