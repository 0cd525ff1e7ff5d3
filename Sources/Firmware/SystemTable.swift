// UEFI's system table (UEFI 2.10, 4.3) after boot services have ended: the facts in its configuration tables.

import Bytes
import Diagnostics

/// The system table in memory, and the configuration tables that it lists. Unreadable parts are ignored.
enum SystemTable {
    /// The largest number of configuration tables that are read; firmware has some ten.
    private static var capacity: UInt64 { 256 }

    /// Takes from the system table at `address` the facts that the starter did not pass on.
    static func read(_ address: UInt64, _ memory: PhysicalMemory, into platform: inout Platform) {
        typealias Entry = EFI.ConfigurationTable
        guard let table = try? memory.record(address, size: EFI.SystemTable.size),
            table[EFI.SystemTable.signature] == EFI.SystemTable.signatureValue
        else { return }
        let count = min(table[EFI.SystemTable.numberOfTableEntries], capacity)
        guard let entries = try? memory.view(table[EFI.SystemTable.configurationTable], size: count &* Entry.size)
        else {
            return
        }
        var oldRootPointer: UInt64 = 0
        for index in 0..<count {
            let entry = entries.part(at: index &* Entry.size, size: Entry.size).entry(0, size: Int(Entry.size))
            let address = entry[Entry.vendorTable]
            switch (entry[Entry.vendorGuidLow], entry[Entry.vendorGuidHigh]) {
            // EFI_ACPI_20_TABLE_GUID, 8868e871-e4f1-11d3-bc22-0080c73c8881.
            case (0x11d3_e4f1_8868_e871, 0x8188_3cc7_8000_22bc):
                if platform.rsdp == 0 { platform.rsdp = address }
            // ACPI_TABLE_GUID, eb9d2d30-2d88-11d3-9a16-0090273fc14d.
            case (0x11d3_2d88_eb9d_2d30, 0x4dc1_3f27_9000_169a): oldRootPointer = address
            // AMD's, 067b1f5f-cf26-44c5-8554-93d777912d42.
            case (0x44c5_cf26_067b_1f5f, 0x422d_9177_d793_5485):
                if platform.confidentialBlob == 0 { platform.confidentialBlob = address }
            default: continue
            }
        }
        if platform.rsdp == 0 { platform.rsdp = oldRootPointer }
    }
}
