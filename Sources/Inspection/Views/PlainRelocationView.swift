// The relocations of files that the loader does not apply: by number, as they stand in the file (gABI, chapter "Relocation").

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF

/// The view of relocations of files of other forms, types and machines.
enum PlainRelocationView {
    /// Whether this view is for `file`: the loader's own code cannot read it.
    static func isFor(_ file: ByteView) -> Bool {
        guard let header = try? AnyFileHeader(file) else { return false }
        return !header.isOwn || FileType(rawValue: header.type) == nil
    }

    /// Lists the relocations of all sections of `file`, or if none holds any, of the tables that its dynamic section names.
    static func list(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let form = header.form
        let sections = try SectionListing(file, header)
        let tables = PlainTables(destination, form, header.machine)
        for index in 0..<sections.count {
            let section = sections[index]
            guard let kind = Kind(section.type) else { continue }
            let bytes = try sections.contents(index)
            let name = sections.name(section)
            guard kind != .relr else {
                tables.listPacked(bytes, name)
                continue
            }
            let link = Int(section.link)
            guard link > 0, link < sections.count, Int(sections[link].link) < sections.count else {
                let none = file.part(at: 0, size: 0)
                tables.list(bytes, kind, name, symbols: none, strings: none, sections)
                continue
            }
            let strings = try sections.contents(Int(sections[link].link))
            tables.list(bytes, kind, name, symbols: try sections.contents(link), strings: strings, sections)
        }
        if !tables.hasTable, !header.isObject, let dynamic = try DynamicListing.first(file, header) {
            try listDynamic(dynamic, header, sections, tables)
        }
        tables.listing.end()
    }

    private static func listDynamic(
        _ dynamic: DynamicListing, _ header: AnyFileHeader, _ sections: SectionListing, _ tables: PlainTables
    ) throws(Fault) {
        let (symbols, strings) = (try dynamic.symbols(machine: header.machine), dynamic.strings)
        func list(_ tag: UInt64, _ size: UInt64, _ kind: Kind, _ name: StaticString) throws(Fault) {
            guard let table = try dynamic.table(tag, size: dynamic.value(size) ?? 0) else { return }
            guard kind != .relr else { return tables.listPacked(table, ByteView(name)) }
            tables.list(table, kind, ByteView(name), symbols: symbols, strings: strings, sections)
        }
        try list(DynamicTag.relr, DynamicTag.relrSize, .relr, "RELR")
        try list(DynamicTag.rela, DynamicTag.relaSize, .rela, "RELA")
        try list(DynamicTag.rel, DynamicTag.relSize, .rel, "REL")
        let pltKind = dynamic.value(DynamicTag.pltRelocationKind) == DynamicTag.rel ? Kind.rel : Kind.rela
        try list(DynamicTag.pltRelocations, DynamicTag.pltRelocationSize, pltKind, "JMPREL")
    }

    /// The form of a table's entries.
    fileprivate enum Kind {
        case rela, rel, relr

        init?(_ type: UInt32) {
            switch type {
            case SectionHeader.Kind.rela: self = .rela
            case SectionHeader.Kind.rel: self = .rel
            case SectionHeader.Kind.relr: self = .relr
            default: return nil
            }
        }
    }
}

/// The tables that the view lists, one after the other.
private final class PlainTables {
    var listing: Listing
    private(set) var hasTable = false
    private let form: FileForm
    private let machine: UInt16
    private let rows: RelocationRows
    private var index: UInt64 = 0

    init(_ destination: ViewTarget, _ form: FileForm, _ machine: UInt16) {
        self.form = form
        self.machine = machine
        rows = RelocationRows(.foreign(hasTypes: machine == MachineType.amd64), json: destination.json)
        listing = rows.listing(to: destination, base: nil)
    }

    /// Lists `table`; a symbol without a name in `symbols` appears as its section.
    func list(
        _ table: ByteView, _ kind: PlainRelocationView.Kind, _ name: ByteView, symbols: ByteView, strings: ByteView,
        _ sections: SectionListing
    ) {
        hasTable = true
        let word = Int(form.wordSize)
        let unit = kind == .rela ? 3 * word : 2 * word
        let symbolCount = symbols.count / form.symbolSize
        for number in 0..<Int(table.count / UInt64(unit)) {
            let entry = table.entry(number, size: unit)
            let (type, symbol) = information(form.word(entry, word))
            begin(name, form.word(entry, 0))
            rows.type(type, in: &listing)
            if kind == .rela { listing.hex(form.word(entry, 2 * word)) } else { listing.none() }
            guard symbol > 0, UInt64(symbol) < symbolCount else {
                end()
                continue
            }
            let found = form.symbol(symbols, Int(symbol))
            if found.name == 0, found.type == Symbol.Kind.section, Int(found.shndx) < sections.count {
                end(sections.name(sections[Int(found.shndx)]))
            } else {
                end(strings.string(at: UInt64(found.name)))
            }
        }
    }

    /// Lists the places that the words of `table` encode (SHT_RELR): an address, and bits for the words after it.
    func listPacked(_ table: ByteView, _ name: ByteView) {
        hasTable = true
        let bits = form.wordSize * 8 - 1
        var next: UInt64 = 0
        for number in 0..<(table.count / form.wordSize) {
            let word = form.word(table, at: number * form.wordSize) ?? 0
            guard word & 1 == 1 else {
                listRelative(name, word)
                next = word &+ form.wordSize
                continue
            }
            for bit in 0..<bits where word >> (bit + 1) & 1 == 1 { listRelative(name, next &+ bit &* form.wordSize) }
            next = next &+ bits &* form.wordSize
        }
    }

    private func listRelative(_ name: ByteView, _ address: UInt64) {
        begin(name, form.isWide ? address : address & 0xffff_ffff)
        rows.relativeType(form, machine, in: &listing)
        listing.none()
        end()
    }

    private func begin(_ table: ByteView, _ offset: UInt64) {
        listing.decimal(index)
        index += 1
        listing.text(table)
        listing.hex(offset)
    }

    private func end() {
        rows.empty(in: &listing)
        listing.none()
    }

    private func end(_ symbol: ByteView) {
        rows.empty(in: &listing)
        listing.text(symbol)
    }

    /// Type and symbol of r_info. 64-bit MIPS has separate fields, which in little-endian files are not the halves of one number; 64-bit
    /// SPARC has further data above the type.
    private func information(_ info: UInt64) -> (type: UInt32, symbol: UInt32) {
        guard form.isWide else {
            return (UInt32(truncatingIfNeeded: info & 0xff), UInt32(truncatingIfNeeded: info >> 8))
        }
        if machine == MachineType.mips, !form.isBigEndian {
            return (UInt32(truncatingIfNeeded: info >> 32).byteSwapped, UInt32(truncatingIfNeeded: info))
        }
        let type = UInt32(truncatingIfNeeded: info)
        return (machine == MachineType.sparcV9 ? type & 0xff : type, UInt32(truncatingIfNeeded: info >> 32))
    }
}
