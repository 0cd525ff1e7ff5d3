// What a file says of itself: segments, sections, symbols, notes and dynamic entries.

import HermitEntry
import Architecture
import Bytes
import Diagnostics
import ELF
import Linking

/// Where a view goes to.
struct ViewTarget {
    let output: Output
    let file: String
    let json: Bool
    /// What holds the file's bytes, where the view may look at many of them.
    var input: InputFile?
    /// Whether the file is one of several, so that its name stands above the text.
    var isTitled = false

    /// A listing for view `name`.
    func listing(_ name: String, _ columns: [Column], facts: [(key: String, json: String)] = []) -> Listing {
        if isTitled, !json { output.title(file) }
        return Listing(name, of: file, input, columns, to: output, json: json, facts: facts)
    }
}

/// The views that need no image in memory.
enum HeaderViews {
    /// The program headers.
    static func segments(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let headers = try ProgramHeaders(file, try FileHeader(ofAnyMachine: file))
        var listing = destination.listing(
            "segments",
            [
                Column("index", "#", 3, right: true), Column("type", "type", 12),
                Column("offset", "offset", 10, right: true), Column("address", "address", 12, right: true),
                Column("fileSize", "in file", 10, right: true), Column("memorySize", "in memory", 10, right: true),
                Column("flags", "rwx", 3), Column("alignment", "align", 8),
            ])
        for index in 0..<headers.count {
            let segment = headers[index]
            listing.decimal(UInt64(index))
            listing.text(Names.segment(segment.type), or: UInt64(segment.type))
            listing.hex(segment.offset)
            listing.hex(segment.vaddr)
            listing.hex(segment.filesz)
            listing.hex(segment.memsz)
            listing.text(Names.segmentFlags(segment.flags))
            listing.hex(segment.align)
        }
        listing.end()
    }

    /// The section headers, and which segments hold the sections; as text only where `isWide` with sh_link, sh_info and
    /// sh_entsize, which leave no room for a name on a narrow terminal.
    static func sections(_ file: ByteView, isWide: Bool, to destination: ViewTarget) throws(Fault) {
        let header = try FileHeader(ofAnyMachine: file)
        let table = try SectionListing(file, header)
        let segments = try ProgramHeaders(file, header)
        let hasAll = isWide || destination.json
        var columns = [
            Column("index", "#", 4, right: true), Column("type", "type", 10),
            Column("address", "address", 10, right: true), Column("offset", "offset", 8, right: true),
            Column("size", "size", 8, right: true), Column("flags", "flg", 3), Column("alignment", "align", 6),
        ]
        if hasAll {
            columns += [
                Column("link", "link", 4, right: true), Column("info", "info", 5, right: true),
                Column("entrySize", "entry", 5, right: true),
            ]
        }
        columns += [Column("segments", "seg", 5), Column("name", "name", 16)]
        var listing = destination.listing("sections", columns)
        for index in 0..<table.count {
            let section = table[index]
            listing.decimal(UInt64(index))
            listing.text(Names.section(section.type), or: UInt64(section.type))
            listing.hex(section.addr)
            listing.hex(section.offset)
            listing.hex(section.size)
            listing.text(Names.sectionFlags(section.flags))
            listing.hex(section.addralign)
            if hasAll {
                listing.decimal(UInt64(section.link))
                listing.decimal(UInt64(section.info))
                listing.hex(section.entsize)
            }
            let holders = (0..<segments.count).filter { section.isInside(segments[$0]) }
            if holders.isEmpty {
                listing.none()
            } else {
                listing.text(holders.map { "\($0)" }.joined(separator: " "))
            }
            table.name(section, in: &listing)
        }
        listing.end()
    }

    /// The symbols of every symbol table that a section header names, in the order of the tables or in another one.
    static func symbols(_ file: ByteView, by order: SymbolOrder = .file, to destination: ViewTarget) throws(Fault) {
        let table = try SectionListing(file, try FileHeader(ofAnyMachine: file))
        var listing = destination.listing(
            "symbols",
            [
                Column("index", "#", 6, right: true), Column("table", "table", 7),
                Column("value", "value", 12, right: true), Column("size", "size", 8, right: true),
                Column("type", "type", 7), Column("binding", "bind", 6), Column("visibility", "visible", 9),
                Column("section", "sec", 4, right: true), Column("name", "name", 16),
            ])
        let names = SymbolCells()
        if order != .file {
            for symbol in try SymbolRow.all(of: file, table).sorted(by: order.precedes) {
                listing.decimal(symbol.index)
                listing.text(symbol.table)
                list(symbol.symbol, names, in: &listing)
                if symbol.name.isEmpty { listing.none() } else { listing.text(symbol.name) }
            }
            return listing.end()
        }
        var hasTable = false
        for number in 0..<table.count where table[number].holdsSymbols {
            hasTable = true
            let section = table[number]
            let bytes = try table.contents(number)
            guard section.link < UInt32(table.count) else { continue }
            let strings = try table.contents(Int(section.link))
            let name = table.name(section)
            listing.rows(Int(bytes.count / Symbol.size)) { range, listing in
                for index in range {
                    let symbol = Symbol(bytes.entry(index, size: Int(Symbol.size)))
                    listing.decimal(UInt64(index))
                    listing.text(name)
                    list(symbol, names, in: &listing)
                    // A section symbol has its section's name.
                    if symbol.name == 0, symbol.type == Symbol.Kind.section, Int(symbol.shndx) < table.count {
                        table.name(table[Int(symbol.shndx)], in: &listing)
                    } else {
                        listing.text(strings, at: UInt64(symbol.name))
                    }
                }
            }
        }
        if !hasTable { try dynamicSymbols(file, in: &listing) }
        listing.end()
    }

    /// The symbols that the dynamic section names, for files without section headers.
    private static func dynamicSymbols(_ file: ByteView, in listing: inout Listing) throws(Fault) {
        guard try FileHeader(file).type != .relocatable else { return }
        let image = try LinkedImage(file, as: .library)
        let relocator = try Relocator(image, bias: 0, as: .library)
        try relocator.requireSymbols()
        let names = SymbolCells()
        var index: UInt32 = 0
        while let (symbol, nameOffset) = relocator.symbol(at: index) {
            listing.decimal(UInt64(index))
            listing.text("DT_SYMTAB")
            list(symbol, names, in: &listing)
            if nameOffset > 0 { listing.text(file, at: nameOffset) } else { listing.none() }
            index += 1
        }
    }

    @inline(__always)
    private static func list(_ symbol: Symbol, _ names: SymbolCells, in listing: inout Listing) {
        listing.hex(symbol.value)
        listing.decimal(symbol.size)
        listing.text(names.types[Int(symbol.type)])
        listing.text(names.bindings[Int(symbol.binding)])
        listing.text(names.visibilities[Int(symbol.other & 3)])
        if let name = names.section(symbol.shndx) {
            listing.text(name)
        } else {
            listing.decimalText(UInt64(symbol.shndx))
        }
    }

    /// The notes of every PT_NOTE segment, of an object file those of every SHT_NOTE section that is in memory.
    static func notes(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let header = try FileHeader(ofAnyMachine: file)
        let headers = try ProgramHeaders(file, header)
        var listing = destination.listing(
            "notes",
            [
                Column("offset", "offset", 10, right: true), Column("owner", "owner", 10), Column("type", "type", 8),
                Column("size", "size", 5, right: true), Column("meaning", "meaning", 24),
            ])
        for index in 0..<headers.count where headers.type(index) == ProgramHeader.Kind.note {
            var notes = try Notes(file, segment: headers[index], index: UInt64(index))
            while let note = try notes.next() { list(note, in: &listing) }
        }
        if header.type == .relocatable {
            let sections = try ELF.SectionTable(file, header)
            for index in 1..<max(sections.count, 1)
            where sections[index].type == SectionHeader.Kind.note
                && sections[index].flags & SectionHeader.Flags.alloc != 0
            {
                var notes = try Notes(sections, section: index)
                while let note = try notes.next() { list(note, in: &listing) }
            }
        }
        listing.end()
    }

    private static func list(_ note: borrowing Note, in listing: inout Listing) {
        listing.hex(note.offset)
        listing.text(note.name)
        listing.hex(UInt64(note.type))
        listing.decimal(note.desc.count)
        listing.text(meaning(note))
    }

    private static func meaning(_ note: borrowing Note) -> String {
        let first = note.desc.word32(at: 0) ?? 0
        switch (note.name.text, note.type) {
        case ("HERMIT", HermitNotes.entryVersionType):
            return "Hermit entry version \(note.desc.byte(at: 0).map { String($0) } ?? "?")"
        case ("UHYVEIF", HermitNotes.uhyveInterfaceType): return "uhyve interface version \(first.byteSwapped)"
        case ("GNU", 1):
            let systems: [UInt32: String] = [0: "Linux", 2: "Solaris", 3: "FreeBSD", 6: "Hermit"]
            let version = [4, 8, 12].map { note.desc.word32(at: $0).map { String($0) } ?? "?" }
            return "ABI tag: \(systems[first] ?? "system \(first)") \(version.joined(separator: "."))"
        case ("GNU", 3): return "build ID \(bytes(note.desc))"
        case ("GNU", 5): return "program properties"
        case ("Xen", 18): return "PVH entry point \(hex(UInt64(first)))"
        default: return bytes(note.desc)
        }
    }

    private static func bytes(_ view: borrowing ByteView) -> String {
        let shown = (0..<min(view.count, 20)).map { index in
            let digits = String(view.byte(at: index) ?? 0, radix: 16)
            return digits.count < 2 ? "0" + digits : digits
        }
        return shown.joined() + (view.count > 20 ? "..." : "")
    }

    /// The entries of the dynamic section, the one that ends it included.
    static func dynamic(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let headers = try ProgramHeaders(file, try FileHeader(ofAnyMachine: file))
        var listing = destination.listing(
            "dynamic",
            [
                Column("index", "#", 4, right: true), Column("tag", "tag", 10), Column("name", "name", 16),
                Column("value", "value", 16, right: true), Column("text", "text", 16),
            ])
        for number in 0..<headers.count where headers.type(number) == ProgramHeader.Kind.dynamic {
            let segment = headers[number]
            let bytes = try segment.contents(file, index: UInt64(number))
            let strings = stringTable(file, headers, bytes)
            for index in 0..<Int(bytes.count / 16) {
                let entry = bytes.entry(index, size: 16)
                let (tag, value) = (entry.u64(0), entry.u64(8))
                listing.decimal(UInt64(index))
                listing.hex(tag)
                listing.text(Names.dynamic(tag))
                listing.hex(value)
                if [1, 14, 15, 29].contains(tag), let strings, let offset = strings.adding(value) {
                    listing.text(file.string(at: offset))
                } else if let text = Names.dynamicValue(tag, value) {
                    listing.text(text)
                } else {
                    listing.none()
                }
                if tag == 0 { break }
            }
        }
        listing.end()
    }

    /// The file offset of what DT_STRTAB names.
    private static func stringTable(
        _ file: borrowing ByteView, _ headers: borrowing ProgramHeaders, _ dynamic: borrowing ByteView
    ) -> UInt64? {
        for index in 0..<Int(dynamic.count / 16) {
            let entry = dynamic.entry(index, size: 16)
            guard entry.u64(0) == DynamicTag.stringTable else { continue }
            for number in 0..<headers.count where headers.type(number) == ProgramHeader.Kind.load {
                let segment = headers[number]
                let offset = entry.u64(8) &- segment.vaddr
                if entry.u64(8) >= segment.vaddr, offset < segment.filesz { return segment.offset.adding(offset) }
            }
        }
        return nil
    }
}

extension UInt64 {
    /// The sum, nil where it does not fit.
    func adding(_ other: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? nil : sum
    }
}
