// BootInfo and the mapped pages, as the kernel would find them.

import Architecture
import Memory
import Boot
import Bytes
import Diagnostics
import HermitEntry

/// The views of a rehearsed boot.
enum BootViews {
    /// BootInfo, field by field.
    static func bootInfo(_ rehearsal: Rehearsal, to destination: ViewTarget) {
        let generation = rehearsal.generation
        let address = rehearsal.entry.bootInfo
        var listing = destination.listing(
            "bootinfo",
            [
                Column("offset", "offset", 6, right: true), Column("size", "size", 4, right: true),
                Column("value", "value", 18, right: true), Column("field", "field", 32),
            ],
            facts: [
                ("address", "\"\(hex(address))\""),
                ("generation", JSONSchema.string(generation.name.string)),
            ])
        let bytes = ByteView(rehearsal.guest.span(AddressRange(at: address, size: rehearsal.bootInfoSize)))
        // The values come from memory, not from a BootInfo of these fields.
        let layout = BootInfo(imageStart: 0, imageEnd: 0, stack: 0)
        layout.forEachField(generation, alignsWideIntegers: rehearsal.alignsWideIntegers) { name, offset, size, _ in
            var value: UInt64 = 0
            for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes.byte(at: offset + index) ?? 0) }
            listing.hex(offset)
            listing.decimal(size)
            listing.hex(value)
            listing.text(ByteView(name))
        }
        listing.end()
    }

    // MARK: Pages

    /// One run of pages that are mapped alike.
    struct Run: Equatable {
        var virtual: UInt64
        var physical: UInt64
        var pages: UInt64
        let pageSize: UInt64
        let flags: UInt64

        var end: UInt64 { virtual &+ pages &* pageSize }
    }

    /// The pages that the page tables map, in runs of pages with equal access.
    static func pages(_ rehearsal: Rehearsal, to destination: ViewTarget) {
        var listing = destination.listing(
            "pages",
            [
                Column("virtual", "virtual", 18, right: true), Column("end", "last", 18, right: true),
                Column("physical", "physical", 12, right: true), Column("pageSize", "page size", 12, right: true),
                Column("count", "pages", 5, right: true), Column("flags", "flags", 5),
            ], facts: [("pageTable", "\"\(hex(rehearsal.entry.pageTable))\"")])
        for run in runs(rehearsal.guest, root: rehearsal.entry.pageTable) {
            listing.hex(run.virtual)
            listing.hex(run.end &- 1)
            listing.hex(run.physical)
            listing.hex(run.pageSize)
            listing.decimal(run.pages)
            listing.text(
                run.pageSize == 1 << 39
                    ? "recursive"
                    : "r" + (run.flags & PageTables.writable != 0 ? "w" : "-")
                        + (run.flags & PageTables.noExecute != 0 ? "-" : "x")
                        + (run.flags & PageTables.user != 0 ? "u" : ""))
        }
        listing.end()
    }

    /// Walks the tables at `root`.
    static func runs(_ guest: GuestMemory, root: UInt64) -> [Run] {
        var runs: [Run] = []
        walk(guest, root, root, shift: PageTables.rootBits, virtual: 0, &runs)
        return runs
    }

    private static func walk(
        _ guest: GuestMemory, _ table: UInt64, _ root: UInt64, shift: UInt64, virtual: UInt64, _ runs: inout [Run]
    ) {
        guard table <= guest.size, PageTables.tableSize <= guest.size - table else { return }
        let entries = ByteView(guest.span(AddressRange(at: table, size: PageTables.tableSize)))
        for index in 0..<PageTables.entryCount {
            guard let entry = entries.word64(at: index * PageTables.entrySize), entry & PageTables.present != 0 else {
                continue
            }
            var address = virtual | index << shift
            // Bits above 47 repeat bit 47.
            if shift == PageTables.rootBits, index >= PageTables.entryCount / 2 { address |= 0xffff_0000_0000_0000 }
            let target = entry & PageTables.addressMask
            let isRecursive = shift == PageTables.rootBits && target == root
            if shift == PageTables.pageBits || isRecursive
                || shift < PageTables.rootBits && entry & PageTables.huge != 0
            {
                let run = Run(
                    virtual: address, physical: target, pages: 1, pageSize: 1 << shift,
                    flags: entry & (PageTables.accessMask | PageTables.user))
                if let last = runs.last, last.pageSize == run.pageSize, last.flags == run.flags,
                    last.end == run.virtual, last.physical &+ last.pages &* last.pageSize == run.physical
                {
                    runs[runs.count - 1].pages += 1
                } else {
                    runs.append(run)
                }
            } else {
                walk(guest, target, root, shift: shift - PageTables.levelBits, virtual: address, &runs)
            }
        }
    }
}
