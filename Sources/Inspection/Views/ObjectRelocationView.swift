// Every relocation of an object file: place, type, symbol, and the value that the loader's link gives.

import AnyELF
import Architecture
import Memory
import Bytes
import Diagnostics
import ELF
import Linking

/// The view of an object file's relocations.
enum ObjectRelocationView {
    /// Lists all relocations of `file` for an image whose first byte lies at `base`; those of sections that are not loaded come last,
    /// without a value. Returns the number of relocations that cannot be applied.
    static func list(_ file: ByteView, base: UInt64, to destination: ViewTarget) throws(Fault) -> Int {
        let header = try FileHeader(file)
        let table = try SectionListing(file, header)
        // A library's object file, which has no entry point, can be viewed nevertheless.
        let isComplete = ObjectImage.hasEntry(file, header)
        let rows = Rows(destination, base: base, hasPlaces: isComplete)
        var faults = 0
        if isComplete {
            let image = try ObjectImage(file, header)
            let copy = try GuestMemory.forImage(size: image.size)
            var memory = copy.region(AddressRange(0, image.size), at: 0)
            try image.load(into: &memory)
            try image.forEachRelocation(in: &memory, bias: base) { relocation in
                if case .fault = relocation.outcome { faults += 1 }
                rows.write(relocation, file, table)
            }
        }
        for index in 0..<table.count {
            let section = table[index]
            let isLoaded = Int(section.info) < table.count && table[Int(section.info)].isLoaded
            guard !(isComplete && isLoaded), var relocations = try table.relocations(index) else { continue }
            let names = SymbolNames(table, section.link)
            while try relocations.next() { rows.write(relocations.entry, file, table, index, names) }
        }
        rows.listing.end()
        return faults
    }
}

extension ObjectImage {
    /// Whether `file` has an entry point, which makes an object file an application.
    static func hasEntry(_ file: ByteView, _ header: FileHeader) -> Bool {
        do throws(Fault) {
            _ = try ObjectImage(file, header)
            return true
        } catch { return error.rule != .entrySymbolMissing && error.rule != .noSymbolTable }
    }
}

/// The names of the symbols of one table, for relocations that are not applied.
private struct SymbolNames {
    let symbols: (offset: UInt64, size: UInt64)
    let strings: (offset: UInt64, size: UInt64)
    let count: Int

    init(_ table: borrowing SectionListing, _ index: UInt32) {
        guard Int(index) < table.count, Int(table[Int(index)].link) < table.count else {
            (symbols, strings, count) = ((0, 0), (0, 0), 0)
            return
        }
        let section = table[Int(index)]
        let names = table[Int(section.link)]
        symbols = (section.fileStart, section.fileSize)
        strings = (names.fileStart, names.fileSize)
        count = Int(truncatingIfNeeded: section.fileSize / Symbol.size)
    }

    /// The file offset of the name of the symbol at `index`, or else of its section's; 0 if there is none.
    func offset(_ index: UInt32, _ file: borrowing ByteView, _ table: borrowing SectionListing, _ names: UInt64)
        -> UInt64
    {
        guard index > 0, Int(index) < count, let start = symbols.offset.adding(UInt64(index) * Symbol.size),
            let record = try? file.record(at: start, size: Symbol.size, else: .fileTooShort, .none)
        else { return 0 }
        let symbol = Symbol(record)
        if symbol.name == 0, Int(symbol.shndx) < table.count {
            return names.adding(UInt64(table[Int(symbol.shndx)].name)) ?? 0
        }
        return UInt64(symbol.name) < strings.size ? strings.offset.adding(UInt64(symbol.name)) ?? 0 : 0
    }
}

/// The rows of the view.
private final class Rows {
    var listing: Listing
    private let base: UInt64
    private var index: UInt64 = 0

    init(_ destination: ViewTarget, base: UInt64, hasPlaces: Bool) {
        self.base = base
        listing = destination.listing(
            "relocations",
            [
                Column("index", "#", 6, right: true), Column("table", "table", 14),
                Column("offset", "offset", 8, right: true), Column("number", "no", 2, right: true),
                Column("name", "type", 13), Column("place", "place", 12, right: true),
                Column("formula", "formula", 13), Column("value", "value", 18, right: true),
                Column("symbol", "symbol", 16),
            ], facts: [("base", "\"\(hex(base))\"")])
    }

    /// A relocation that the loader applies.
    func write(_ relocation: AppliedRelocation, _ file: borrowing ByteView, _ table: borrowing SectionListing) {
        begin(relocation.entry, table.name(table[Int(relocation.table)]))
        listing.hex(relocation.place &+ base)
        formula(relocation.entry)
        switch relocation.outcome {
        case .nothing: listing.none()
        case .value(let value): listing.hex(value)
        case .descriptor(let resolver, let argument): listing.pair(resolver, argument)
        case .relaxed: listing.text("relaxed")
        case .fault(let fault): listing.cell(fault)
        }
        symbol(relocation.nameOffset, file)
    }

    /// A relocation of the section at `index` that is not applied.
    func write(
        _ entry: RelocationEntry, _ file: borrowing ByteView, _ table: borrowing SectionListing, _ index: Int,
        _ names: SymbolNames
    ) {
        begin(entry, table.name(table[index]))
        listing.none()
        formula(entry)
        listing.none()
        symbol(names.offset(entry.symbol, file, table, table.nameTableOffset), file)
    }

    private func begin(_ entry: RelocationEntry, _ table: borrowing ByteView) {
        listing.decimal(index)
        index += 1
        listing.text(table)
        listing.hex(entry.offset)
        listing.decimal(UInt64(entry.type))
        if let meaning = RelocationType(entry.type) { listing.text(meaning.name) } else { listing.none() }
    }

    private func formula(_ entry: RelocationEntry) {
        if let meaning = RelocationType(entry.type) { listing.text(meaning.formula.text) } else { listing.none() }
    }

    private func symbol(_ offset: UInt64, _ file: borrowing ByteView) {
        if offset > 0 { listing.text(copy file, at: offset) } else { listing.none() }
    }
}
