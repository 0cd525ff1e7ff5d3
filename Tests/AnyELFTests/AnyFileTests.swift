// Files of either class and byte order, read into the same structures.

import AnyELF
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AnyFileTests {
    static let forms = [(false, false), (false, true), (true, false), (true, true)]

    /// Symbols in their usual notation, with their versions.
    private func symbols(_ file: ByteView) throws(Fault) -> [String] {
        let header = try AnyFileHeader(file)
        let sections = try SectionListing(file, header)
        var names: [String] = []
        try SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            for index in 0..<table.count {
                let symbol = table[index]
                names.append(
                    "\(table.name(of: symbol, sections).text)\(table.versions.version(of: symbol, at: index) ?? "")"
                        + " \(symbol.value) \(symbol.size) \(symbol.info) \(symbol.shndx)")
            }
        }
        return names
    }

    private func versions(_ bytes: [UInt8]) throws(Fault) -> [String] {
        let file = ByteView(bytes.span.bytes)
        let header = try AnyFileHeader(file)
        return try VersionListing.all(file, header, SectionListing(file, header)).map {
            "\($0.isDefined) \($0.number) \($0.flags) \($0.name) \($0.file) \($0.parents)"
        }
    }

    @Test(arguments: forms, [false, true]) func everyForm(_ form: (Bool, Bool), hasSections: Bool) throws {
        var writer = FileOfAnyForm(isWide: form.0, isBigEndian: form.1)
        writer.hasSections = hasSections
        let bytes = writer.bytes
        let file = ByteView(bytes.span.bytes)
        let header = try AnyFileHeader(file)
        #expect(header.form == FileForm(isWide: form.0, isBigEndian: form.1))
        #expect(header.machine == 20 && header.type == 3 && header.entry == 0x40 && !header.isOwn)

        let segments = try SegmentListing(file, header)
        let types = (0..<segments.count).map { segments[$0].type }
        #expect(types == [1, 2, 4])
        let flags = (0..<segments.count).map { segments[$0].flags }
        #expect(flags == [7, 6, 4])
        #expect(segments[0].align == 0x1000 && segments[0].filesz == segments[0].memsz && segments[0].offset == 0)
        #expect(segments.place(of: 0x50)?.offset == 0x50 && segments.place(of: segments[0].memsz) == nil)

        let sections = try SectionListing(file, header)
        let names = (0..<sections.count).map { sections.name(sections[$0]).text }
        let all = [
            "", ".text", ".dynsym", ".dynstr", ".hash", ".gnu.version", ".gnu.version_d", ".gnu.version_r", ".note",
            ".rela.plt", ".dynamic", ".shstrtab",
        ]
        #expect(names == (hasSections ? all : []))
        if hasSections {
            #expect(sections[2].link == 3 && sections[2].info == 1 && sections[2].entsize == (form.0 ? 24 : 16))
            #expect(sections[10].flags == 3 && sections[10].addr == segments[1].vaddr && sections[1].addralign == 16)
        }
        let wanted = [" 0 0 0 0", "printf@LIBC_2 0 0 18 0", "run@@V_2 \(form.0 ? 240 : 160) 12 18 1"]
        let listed = try symbols(file)
        #expect(listed == wanted)
        let lists = try versions(bytes)
        let lines = [
            "true 1 1 self.so  []", "true 2 0 V_1  []", "true 3 0 V_2  [\"V_1\"]", "false 4 2 LIBC_2 libc.so []",
        ]
        #expect(lists == lines)

        var notes: [String] = []
        let contents = try segments[2].contents(file, index: 2)
        try NoteArea(segments[2], index: 2).forEach(in: contents, header.form) { (note) throws(Fault) in
            notes.append("\(note.name.text) \(note.type) \(header.form.u32(note.desc, at: 4) ?? 99) \(note.desc.count)")
        }
        #expect(notes == ["GNU 1 3 16", "GNU 3 99 3"])
        let dynamic = try #require(try DynamicListing.first(file, header)?.value(0x6fff_fffd))
        #expect(dynamic == 3)
    }

    /// Every prefix of a file is listed or refused.
    @Test(arguments: forms) func truncated(_ form: (Bool, Bool)) {
        let bytes = FileOfAnyForm(isWide: form.0, isBigEndian: form.1).bytes
        var listed = 0
        for count in 0..<bytes.count {
            let prefix = Array(bytes.prefix(count))
            do throws(Fault) {
                _ = try symbols(ByteView(prefix.span.bytes))
                listed += 1
            } catch {}
        }
        // Sections end with the file.
        #expect(listed == 0)
    }

    /// Lists that go in circles, backwards, or out of their section.
    @Test(arguments: forms) func malformedVersions(_ form: (Bool, Bool)) throws {
        let bytes = FileOfAnyForm(isWide: form.0, isBigEndian: form.1).bytes
        let file = ByteView(bytes.span.bytes)
        let header = try AnyFileHeader(file)
        let sections = try SectionListing(file, header)
        for (section, offset, value, isSound) in [
            // vd_next of the first entry, vd_aux, vda_next of the last; vn_next, vn_aux, vna_next.
            (6, 16, 0 as UInt8, true), (6, 16, 4, false), (6, 16, 200, false), (6, 12, 200, false),
            (7, 12, 4, false), (7, 8, 200, false), (7, 28, 1, true),
        ] as [(Int, Int, UInt8, Bool)] {
            var changed = bytes
            // The least significant byte of a word.
            changed[Int(sections[section].offset) + offset + (form.1 ? 3 : 0)] = value
            do throws(Fault) {
                _ = try versions(changed)
                #expect(isSound, "section \(section) + \(offset): \(value)")
            } catch {
                #expect(!isSound && error.rule == .versionTableMalformed, "section \(section) + \(offset): \(value)")
            }
        }
    }

    @Test func classesAndOrdersThatDoNotExist() {
        for (offset, value, rule) in [
            (4, 0, Rule.notClass64), (4, 3, .notClass64), (5, 0, .notLittleEndian), (5, 3, .notLittleEndian),
            (6, 2, .badIdentVersion), (0, 0, .notELF), (20, 7, .badVersion), (40, 3, .badHeaderSize),
            (42, 31, .badProgramHeaderSize), (44, 200, .programHeadersBeyondFile),
        ] as [(Int, UInt8, Rule)] {
            var bytes = FileOfAnyForm(isWide: false, isBigEndian: false).bytes
            bytes[offset] = value
            do throws(Fault) {
                _ = try AnyFileHeader(ByteView(bytes.span.bytes))
                Issue.record("byte \(offset) may be \(value)")
            } catch { #expect(error.rule == rule, "byte \(offset)") }
        }
    }
}
