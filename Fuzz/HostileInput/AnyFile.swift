// Files of either class and byte order, as views read them: no more is listed than fits, for any bytes.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport

extension FuzzTarget {
    /// Views read everything in `bytes`; the parts that the loader also reads must be equal.
    static func anyFile(_ bytes: [UInt8]) -> [String] {
        let file = ByteView(bytes.span.bytes)
        var violations: [String] = []
        if let id = DebugLinks(file).buildID, !(4...128).contains(id.utf8.count) {
            violations.append("a build ID of \(id.utf8.count) digits")
        }
        do throws(Fault) {
            let header = try AnyFileHeader(file)
            violations += compare(file, header)
            let segments = try SegmentListing(file, header)
            if UInt64(segments.count) > file.count { violations.append("more segments than bytes") }
            for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.note {
                // A refused segment must not keep the others from being read.
                var count = 0
                _ = try? readNotes(file, header, segments[index], index, &count)
                if count > bytes.count / 12 { violations.append("more notes than there is room for") }
            }
            for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.dynamic {
                guard let dynamic = try? DynamicListing(file, header.form, segments, index: index) else { continue }
                for entry in 0..<dynamic.count { _ = dynamic.strings.string(at: dynamic[entry].value).text }
                _ = try? VersionListing.all(dynamic, header.form)
            }
            violations += try readSections(file, header)
        } catch {}
        return violations
    }

    private static func readNotes(
        _ file: ByteView, _ header: AnyFileHeader, _ segment: ProgramHeader, _ index: Int, _ count: inout Int
    ) throws(Fault) {
        var found = 0
        defer { count = found }
        let contents = try segment.contents(file, index: UInt64(index))
        try NoteArea(segment, index: index).forEach(in: contents, header.form) { (note) throws(Fault) in
            found += 1
            _ = note.name.text
            _ = header.form.word(note.desc, at: 0)
        }
    }

    private static func readSections(_ file: ByteView, _ header: AnyFileHeader) throws(Fault) -> [String] {
        var violations: [String] = []
        let sections = try SectionListing(file, header)
        if UInt64(sections.count) > file.count { violations.append("more sections than bytes") }
        for index in 0..<sections.count { _ = sections.name(sections[index]).text }
        if let versions = try? VersionListing.all(file, header, sections),
            UInt64(versions.count) > file.count * UInt64(max(sections.count, 1))
        {
            violations.append("more versions than there is room for")
        }
        var broken: [String] = []
        try SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            if UInt64(table.count) > file.count { broken.append("more symbols than bytes") }
            for index in 0..<table.count {
                let symbol = table[index]
                _ = table.name(of: symbol, sections).text
                _ = table.versions.version(of: symbol, at: index)
            }
        }
        return violations + broken
    }

    /// Compares the views' reader with the loader's own, for a file that both read.
    private static func compare(_ file: ByteView, _ header: AnyFileHeader) -> [String] {
        guard header.isOwn, let own = try? FileHeader(file) else { return [] }
        var violations: [String] = []
        if header.programHeaderCount != own.programHeaderCount || header.entry != own.entry
            || header.type != own.type.rawValue || header.sectionHeaderOffset != own.sectionHeaderOffset
        {
            violations.append("another header than the loader's")
        }
        guard let segments = try? SegmentListing(file, header), let headers = try? ProgramHeaders(file, own) else {
            return violations + ["no segments where the loader has some"]
        }
        for index in 0..<min(segments.count, headers.count) where segments[index] != headers[index] {
            violations.append("another segment than the loader's")
        }
        return violations
    }

    /// A file of each form, with and without section headers.
    static var anyFileSeeds: [[UInt8]] {
        var seeds: [[UInt8]] = []
        for isWide in [false, true] {
            for isBigEndian in [false, true] {
                for hasSections in [false, true] {
                    for (machine, type) in [(20, 3), (62, 3), (8, 1), (22, 4)] as [(UInt16, UInt16)] {
                        var file = FileOfAnyForm(isWide: isWide, isBigEndian: isBigEndian)
                        (file.machine, file.type, file.hasSections) = (machine, type, hasSections)
                        if type == 3 { file.debugLink = ("app.debug", 0x1234_5678) }
                        seeds.append(file.bytes)
                    }
                }
            }
        }
        return seeds
    }
}
