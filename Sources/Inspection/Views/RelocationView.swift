// Every relocation: place, type, symbol, and value at a given base.

import Architecture
import Memory
import Bytes
import Diagnostics
import ELF
import Linking
import Synchronization

/// The view of relocations.
enum RelocationView {
    /// Lists all relocations of `file` for an image whose first byte lies at `base`, by default its link address. Returns the number of
    /// relocations that cannot be applied.
    static func list(_ file: ByteView, base: UInt64?, to destination: ViewTarget) throws(Fault) -> Int {
        // Shared objects and programs of an operating system can be looked at, too.
        let image = try LinkedImage(file, as: .library)
        let bias = (base ?? image.linkStart) &- image.linkStart
        let relocator = try Relocator(image, bias: bias, as: .library)
        // Addends in place are read from the image as it is before relocation.
        let copy = try GuestMemory.holding(image, from: destination.input)
        let columns = RelocationRows(.linked, json: destination.json)
        var listing = columns.listing(to: destination, base: image.linkStart &+ bias)
        let rows = ImageRows(
            columns, file: file, relocator: relocator, bias: bias, memory: copy, start: image.linkStart,
            size: image.size)
        // In the order in which they are applied.
        let tables = try DynamicTables(image)
        var count = 0
        var faults = 0
        var packed = tables.packed
        while let address = try packed.nextAddress() {
            let entry = RelocationEntry(offset: address, info: UInt64(RelocationNumber.relative), addend: nil)
            let place = FaultLocation.relocation(table: DynamicTag.relr, index: packed.wordsRead &- 1)
            if !rows.write(count, ShortText("RELR"), entry, place, in: &listing) { faults += 1 }
            count += 1
        }
        faults += list(tables.rela, from: &count, "RELA", rows, in: &listing)
        faults += list(tables.rel, from: &count, "REL", rows, in: &listing)
        faults += list(tables.plt, from: &count, "JMPREL", rows, in: &listing)
        listing.end()
        return faults
    }

    /// Lists the entries of `table`, numbered from `first`. Returns the number of entries that cannot be applied.
    private static func list(
        _ table: RelocationTable, from first: inout Int, _ name: Text, _ rows: ImageRows,
        in listing: inout Listing
    ) -> Int {
        let start = first
        let faults = Atomic<Int>(0)
        let name = ShortText(name)
        listing.rows(table.count) { range, listing in
            var refused = 0
            for index in range {
                let place = FaultLocation.relocation(table: table.tag, index: UInt64(index))
                if !rows.write(start &+ index, name, table[index], place, in: &listing) { refused += 1 }
            }
            faults.add(refused, ordering: .relaxed)
        }
        first += table.count
        return faults.load(ordering: .relaxed)
    }
}

/// The common facts of one file's rows.
private struct ImageRows: ~Escapable, Sendable {
    private let columns: RelocationRows
    private let file: ByteView
    private let relocator: Relocator
    private let bias: UInt64
    private let memory: GuestMemory
    private let start: UInt64
    private let size: UInt64
    private let undefined = ShortText("error: symbolUndefined")

    @_lifetime(copy file, copy relocator)
    init(
        _ columns: RelocationRows, file: ByteView, relocator: Relocator, bias: UInt64, memory: GuestMemory,
        start: UInt64, size: UInt64
    ) {
        self.columns = columns
        self.file = file
        self.relocator = relocator
        self.bias = bias
        self.memory = memory
        self.start = start
        self.size = size
    }

    /// Writes row `index`, for `entry` of the table `name`; returns whether the entry can be applied.
    @inline(__always)
    func write(
        _ index: Int, _ name: ShortText, _ entry: RelocationEntry, _ place: FaultLocation, in listing: inout Listing
    ) -> Bool {
        listing.decimal(UInt64(index))
        listing.text(name)
        columns.type(entry.type, in: &listing)
        columns.place(entry.offset &+ bias, entry.type, in: &listing)
        if entry.info == UInt64(RelocationNumber.relative), let addend = entry.addend {
            // Nearly all are RELATIVE.
            listing.hex(relocator.relative(addend))
            listing.none()
            return true
        }
        return writeOutcome(of: entry, place, in: &listing)
    }

    private func writeOutcome(of entry: RelocationEntry, _ place: FaultLocation, in listing: inout Listing) -> Bool {
        var isSound = true
        let symbol = entry.symbol == 0 ? nil : relocator.symbol(at: entry.symbol)
        if let symbol = symbol?.symbol, symbol.isUndefined, !symbol.isWeak {
            // Not asked for its outcome: the fault would name all undefined symbols, each time.
            isSound = false
            listing.text(undefined)
        } else if let value = relocator.commonValue(of: entry) {
            listing.hex(value)
        } else {
            let memory = memory.region(AddressRange(0, size), at: start)
            do throws(Fault) {
                columns.outcome(try relocator.outcome(of: entry, place, in: memory), in: &listing)
            } catch {
                isSound = false
                columns.outcome(error, in: &listing)
            }
        }
        columns.symbol(file, at: symbol?.nameOffset ?? 0, in: &listing)
        return isSound
    }
}
