// The views of headers: segments, sections, symbols, notes and dynamic entries.

import AnyELF
import Bytes
import Diagnostics
import ELF

/// The views that need no image in memory.
enum HeaderViews {
    /// The program headers.
    static func segments(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        try segments(file, AnyFileHeader(file), to: destination)
    }

    /// The same of a file whose header is `header`.
    static func segments(_ file: ByteView, _ header: AnyFileHeader, to destination: ViewTarget) throws(Fault) {
        let headers = try SegmentListing(file, header)
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
            listing.text(Names.segment(segment.type, header.machine), or: UInt64(segment.type))
            listing.hex(segment.offset)
            listing.hex(segment.vaddr)
            listing.hex(segment.filesz)
            listing.hex(segment.memsz)
            listing.text(Names.segmentFlags(segment.flags))
            listing.hex(segment.align)
        }
        listing.end()
    }

    /// The section headers, and the segments that hold the sections. As text they have sh_link, sh_info and sh_entsize only if `isWide`:
    /// these leave no room for a name on a narrow terminal.
    static func sections(_ file: ByteView, isWide: Bool, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let table = try SectionListing(file, header)
        let segments = try SegmentListing(file, header)
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
            listing.text(Names.section(section.type, header.machine), or: UInt64(section.type))
            listing.hex(section.addr)
            listing.hex(section.offset)
            listing.hex(section.size)
            listing.text(Names.sectionFlags(section.flags, header.machine))
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
            listing.text(table.name(section))
        }
        listing.end()
    }

    /// The symbols of every symbol table, in the order of the tables or in another one.
    static func symbols(_ file: ByteView, by order: SymbolOrder = .file, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let sections = try SectionListing(file, header)
        var columns = [
            Column("index", "#", 6, right: true), Column("table", "table", 7),
            Column("value", "value", 12, right: true), Column("size", "size", 8, right: true),
            Column("type", "type", 7), Column("binding", "bind", 6), Column("visibility", "visible", 9),
            Column("section", "sec", 4, right: true),
        ]
        // In text the version follows the name, as linkers write it; in JSON it has its own member.
        if destination.json { columns.append(Column("version", "version", 12)) }
        columns.append(Column("name", "name", 16))
        var listing = destination.listing("symbols", columns)
        let names = SymbolCells()
        let isJSON = destination.json
        if order != .file {
            for row in try SymbolRow.all(of: file, header, sections).sorted(by: order.precedes) {
                listing.decimal(row.index)
                listing.text(row.table)
                list(row.symbol, names, in: &listing)
                if isJSON { if let version = row.version { listing.text(version) } else { listing.none() } }
                let name = isJSON ? row.name : row.name + (row.version ?? "")
                if name.isEmpty { listing.none() } else { listing.text(name) }
            }
            return listing.end()
        }
        try SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            let tableName = table.name.text
            listing.rows(table.count) { range, listing in
                for index in range {
                    let symbol = table[index]
                    listing.decimal(UInt64(index))
                    listing.text(tableName)
                    list(symbol, names, in: &listing)
                    let version = table.versions.version(of: symbol, at: index)
                    if isJSON { if let version { listing.text(version) } else { listing.none() } }
                    listing.text(table.name(of: symbol, sections), followedBy: isJSON ? nil : version)
                }
            }
        }
        listing.end()
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

    /// The entries of the dynamic section, including the last, DT_NULL.
    static func dynamic(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let segments = try SegmentListing(file, header)
        var listing = destination.listing(
            "dynamic",
            [
                Column("index", "#", 4, right: true), Column("tag", "tag", 10), Column("name", "name", 16),
                Column("value", "value", 16, right: true), Column("text", "text", 16),
            ])
        for number in 0..<segments.count where segments[number].type == ProgramHeader.Kind.dynamic {
            let dynamic = try DynamicListing(file, header.form, segments, index: number)
            let strings = dynamic.strings
            for index in 0..<dynamic.count {
                let (tag, value) = dynamic[index]
                listing.decimal(UInt64(index))
                listing.hex(tag)
                listing.text(Names.dynamic(tag))
                listing.hex(value)
                if DynamicTag.isString(tag), strings.count > 0 {
                    listing.text(strings.string(at: value))
                } else if let text = Names.dynamicValue(tag, value) {
                    listing.text(text)
                } else {
                    listing.none()
                }
                if tag == DynamicTag.end { break }
            }
        }
        listing.end()
    }

    /// The versions of symbols that the file defines, and those that it needs from others.
    static func versions(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let versions = try VersionListing.all(file, header, try SectionListing(file, header))
        var listing = destination.listing(
            "versions",
            [
                Column("kind", "kind", 7), Column("number", "#", 5, right: true), Column("flags", "flags", 5),
                Column("file", "of file", 16), Column("name", "name", 16), Column("parents", "after", 8),
            ])
        for version in versions {
            listing.text(version.isDefined ? "defined" : "needed" as Text)
            listing.decimal(UInt64(version.number & VersionIndex.number))
            if let flags = Names.versionFlags(version.flags) { listing.text(flags) } else { listing.none() }
            if version.isDefined { listing.none() } else { listing.text(version.file) }
            listing.text(version.name)
            if version.parents.isEmpty {
                listing.none()
            } else {
                listing.text(version.parents.joined(separator: " "))
            }
        }
        listing.end()
    }
}
