// Real files, read as libelf reads them: this machine's programs and libraries, fixtures, genuine images.

import Architecture
import Bytes
import Diagnostics
import ELF
import Foundation
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibelfTests {
    /// The plain files in a folder.
    static func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { folder + "/" + $0 }
    }

    static let hermitImages = Project.genuineImages.path

    /// The largest file to compare: the tests are not optimised.
    static let largest = 3 << 20

    /// The number of `paths` that could be compared.
    static func compare(_ paths: [String], limit: Int = .max) -> Int {
        var compared = 0
        for path in paths where compared < limit {
            guard
                let attributes = try? FileManager.default.attributesOfItem(
                    atPath: (path as NSString).resolvingSymlinksInPath),
                let size = attributes[.size] as? Int, size <= largest, size > 64,
                let data = FileManager.default.contents(atPath: path), data.starts(with: [0x7f, 0x45, 0x4c, 0x46])
            else { continue }
            var bytes = Array(data)
            let file = bytes
            guard let witness = LibelfFile(&bytes), witness.type == 2 || witness.type == 3 else { continue }
            compare(file, witness, path)
            compared += 1
        }
        return compared
    }

    static func compare(_ bytes: [UInt8], _ witness: LibelfFile, _ path: String) {
        let file = ByteView(bytes.span.bytes)
        do throws(Fault) {
            let header = try FileHeader(file)
            #expect(header.type.rawValue == witness.type, "\(path)")
            #expect(header.osABI == witness.osABI, "\(path)")
            #expect(header.entry == witness.entry, "\(path)")
            #expect(header.flags == witness.flags, "\(path)")
            #expect(header.sectionHeaderOffset == witness.sectionHeaderOffset, "\(path)")
            let headers = try ProgramHeaders(file, header)
            var segments: [Segment] = []
            var notes: [[UInt8]] = []
            for index in 0..<headers.count {
                let segment = headers[index]
                segments.append(
                    Segment(
                        segment.type, offset: segment.offset, vaddr: segment.vaddr, filesz: segment.filesz,
                        memsz: segment.memsz, align: segment.align, flags: segment.flags))
                guard segment.type == ProgramHeader.Kind.note else { continue }
                var list = try Notes(file, segment: segment, index: UInt64(index))
                while let note = try list.next() {
                    notes.append(flat(note.type, copy(note.name), copy(note.desc), note.offset))
                }
            }
            #expect(segments == witness.segments, "\(path)")
            let expected = witness.notes.map { note in
                flat(note.type, Array(note.name.reversed().drop { $0 == 0 }.reversed()), note.desc, note.offset)
            }
            #expect(notes == expected, "\(path)")
            try compareDynamic(file, witness, path)
        } catch { Issue.record("\(path): \(sentence(error, bytes))") }
    }

    static func flat(_ type: UInt32, _ name: [UInt8], _ desc: [UInt8], _ offset: UInt64) -> [UInt8] {
        littleEndian(type) + littleEndian(offset) + [UInt8(name.count)] + name + desc
    }

    static func copy(_ view: borrowing ByteView) -> [UInt8] { (0..<view.count).map { view.byte(at: $0)! } }

    static func compareDynamic(_ file: ByteView, _ witness: LibelfFile, _ path: String) throws(Fault) {
        let image = try LinkedImage(file, as: .library)
        let tables = try DynamicTables(image)
        let section = try tables.section()
        func last(_ tag: UInt64) -> UInt64? { witness.dynamic.last { $0.tag == tag }?.value }
        #expect(section.needed == witness.dynamic.first { $0.tag == 1 }?.value, "\(path)")
        // Every tag that is kept, except DT_NEEDED.
        for tag in Array(2...37 as ClosedRange<UInt64>) + [0x6fff_fef5] + Array(0x6fff_fff0...0x6fff_ffff) {
            #expect(section.value(tag) == last(tag), "\(path) tag \(tag)")
        }
        for tag in [38, 40, 0x6fff_fef6, 0x7000_0000, .max] as [UInt64] { #expect(section.value(tag) == nil) }

        let symbols = tables.symbols
        if !witness.symbols.isEmpty, section.symbolTable != nil {
            compareSymbols(symbols, witness, path)
        }
        compare(tables.rela, at: section.value(DynamicTag.rela), witness, path)
        compare(tables.plt, at: section.pltRelocations, witness, path)
    }

    static func compareSymbols(_ symbols: borrowing SymbolTable, _ witness: LibelfFile, _ path: String) {
        // A GNU hash table covers only the symbols up to its last one; later symbols cannot be found by name.
        let count = symbols.count
        #expect(count == witness.symbols.count, "\(path)")
        for (index, expected) in witness.symbols.enumerated().prefix(Int(count)) {
            guard let symbol = symbols[UInt32(index)] else {
                Issue.record("\(path): symbol \(index)")
                continue
            }
            let isSame =
                symbol.name == expected.name && symbol.info == expected.info && symbol.other == expected.other
                && symbol.shndx == expected.shndx && symbol.value == expected.value && symbol.size == expected.size
            if !isSame { Issue.record("\(path): symbol \(index)") }
        }
    }

    static func compare(_ table: borrowing RelocationTable, at address: UInt64?, _ witness: LibelfFile, _ path: String)
    {
        guard let address, let expected = witness.relocations[address], table.hasAddends else { return }
        var entries: [Relocation] = []
        for index in 0..<table.count {
            let entry = table[index]
            entries.append(Relocation(entry.type, at: entry.offset, symbol: entry.symbol, addend: entry.addend ?? 0))
        }
        if entries != expected { Issue.record("\(path): relocations at \(address)") }
    }

    @Test func `this machine's libraries and programs are read as libelf reads them`() throws {
        let libraries = try Self.files("/usr/lib/x86_64-linux-gnu").filter { $0.contains(".so") }
        let limit = samples(40, soak: 250)
        let compared =
            try Self.compare(libraries, limit: limit) + Self.compare(Self.files("/usr/bin"), limit: limit)
        #expect(compared > limit)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: hermitImages), "there are no genuine images"))
    func `genuine Hermit images are read as libelf reads them`() throws {
        #expect(try Self.compare(Self.files(Self.hermitImages)) >= 1)
    }

    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: Project.root.path + "/build/fixtures"), "fixtures are not built")
    )
    func `fixtures are read as libelf reads them`() throws {
        #expect(try Self.compare(Self.files(Project.root.path + "/build/fixtures")) >= 1)
    }
}
