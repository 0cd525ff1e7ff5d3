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
        let rows = RelocationRows(.object, json: destination.json)
        var listing = rows.listing(to: destination, base: base)
        var index = 0
        func begin(_ entry: RelocationEntry, _ table: ByteView, _ place: UInt64?) {
            listing.decimal(UInt64(index))
            index += 1
            listing.text(table)
            listing.hex(entry.offset)
            rows.type(entry.type, in: &listing)
            rows.place(place, entry.type, in: &listing)
        }
        var faults = 0
        if isComplete {
            let image = try ObjectImage(file, header)
            let copy = try GuestMemory.forImage(size: image.size)
            var memory = copy.region(AddressRange(0, image.size), at: 0)
            try image.load(into: &memory)
            try image.forEachRelocation(in: &memory, bias: base) { relocation in
                begin(relocation.entry, table.name(table[Int(relocation.table)]), relocation.place &+ base)
                switch relocation.outcome {
                case nil: listing.text("relaxed")
                case .success(let outcome): rows.outcome(outcome, in: &listing)
                case .failure(let fault):
                    faults += 1
                    rows.outcome(fault, in: &listing)
                }
                rows.symbol(file, at: relocation.nameOffset, in: &listing)
            }
        }
        for index in 0..<table.count {
            let section = table[index]
            let isLoaded = Int(section.info) < table.count && table[Int(section.info)].isLoaded
            guard !(isComplete && isLoaded), var relocations = try table.relocations(index) else { continue }
            let names = SymbolNames(table, section.link)
            while try relocations.next() {
                let entry = relocations.entry
                begin(entry, table.name(section), nil)
                listing.none()
                rows.symbol(file, at: names.offset(entry.symbol, file, table, table.nameTableOffset), in: &listing)
            }
        }
        listing.end()
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
