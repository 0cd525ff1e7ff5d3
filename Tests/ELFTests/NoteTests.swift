// Notes: padding, sizes, ends.

import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct NoteTests {
    /// A note's fields.
    struct Content: Equatable {
        var name: String, type: UInt32, desc: [UInt8], offset: UInt64
    }

    /// All notes of a segment that holds `bytes` from file offset `start` on.
    static func notes(_ bytes: [UInt8], align: UInt64 = 4, start: Int = 0) throws -> [Content] {
        let file = [UInt8](repeating: 0xee, count: start) + bytes
        let view = ByteView(file.span.bytes)
        let segment = try ProgramHeaderTests.read(
            Segment(4, offset: UInt64(start), vaddr: 0, filesz: UInt64(bytes.count), align: align))
        var notes = try Notes(view, segment: segment, index: 5)
        var list: [Content] = []
        while let note = try notes.next() {
            list.append(
                Content(
                    name: String(decoding: copy(note.name), as: UTF8.self), type: note.type, desc: copy(note.desc),
                    offset: note.offset))
        }
        return list
    }

    static func copy(_ view: borrowing ByteView) -> [UInt8] { (0..<view.count).map { view.byte(at: $0)! } }

    @Test func `notes follow one another, padded to 4`() throws {
        let bytes = note([0x41, 0x42, 0], type: 7, desc: [1, 2, 3, 4, 5]) + note([0x43, 0], type: 8, desc: [9])
        #expect(
            try Self.notes(bytes, start: 12) == [
                Content(name: "AB", type: 7, desc: [1, 2, 3, 4, 5], offset: 12),
                Content(name: "C", type: 8, desc: [9], offset: 12 + 24),
            ])
    }

    @Test func `a segment aligned to 8 pads to 8`() throws {
        let bytes =
            note([0x47, 0x4e, 0x55, 0], type: 5, desc: [1, 2, 3, 4], align: 8)
            + note(Array("LONGER\0".utf8), type: 6, desc: [7], align: 8)
        #expect(
            try Self.notes(bytes, align: 8) == [
                Content(name: "GNU", type: 5, desc: [1, 2, 3, 4], offset: 0),
                Content(name: "LONGER", type: 6, desc: [7], offset: 24),
            ])
    }

    // MARK: Alignment

    /// The written notes, for any segment.
    static func found(_ bytes: [UInt8], align: UInt64, start: Int = 0) throws -> [String] {
        try notes(bytes, align: align, start: start).map { "\($0.name) \($0.type) \($0.desc)" }
    }

    @Test(arguments: [0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 32, 64, 0x1000, 1 << 40, 1 << 63, .max] as [UInt64])
    func `notes padded to 4 are read in a segment of any alignment`(_ align: UInt64) throws {
        let buildID = note(Array("GNU\0".utf8), type: 3, desc: Array(1...20))
        let xen = note(Array("Xen\0".utf8), type: 18, desc: [0, 1, 2, 3, 4, 5, 6, 7])
        let parts = [hermitNote(4), abiTag(0, 13, 0), buildID, xen]
        var expected = ["HERMIT 23040 [4]"]
        expected.append("GNU 1 \([6, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0])")
        expected.append("GNU 3 \(Array(1...20))")
        expected.append("Xen 18 \(Array(0...7))")
        for shift in 0..<4 {
            let order = (0..<4).map { ($0 + shift) % 4 }
            let bytes = order.flatMap { parts[$0] }
            #expect(try Self.found(bytes, align: align) == order.map { expected[$0] })
            #expect(try Self.notes(bytes, align: align, start: 64).map(\.offset).first == 64)
        }
    }

    /// Sections of different alignment as a linker joins them: the later one begins at a multiple of its own.
    @Test(arguments: [8, 16, 64] as [UInt64]) func `gaps between sections are not notes`(_ align: UInt64) throws {
        let buildID = note(Array("GNU\0".utf8), type: 3, desc: Array(1...20))
        let property = note(Array("GNU\0".utf8), type: 5, desc: [2, 0, 0, 0xc0, 4, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
        for first in [buildID, hermitNote(4) + buildID, hermitNote(4), abiTag(0, 13, 0) + buildID] {
            var bytes = first
            while bytes.count % Int(align) != 0 { bytes.append(0) }
            let alone = try Self.found(first, align: 4)
            let last = try Self.found(property, align: 4)
            #expect(try Self.found(bytes + property, align: align) == alone + last)
            // The last section may be the smaller one.
            #expect(try Self.found(property + first, align: align) == last + alone)
        }
    }

    /// Names and descriptors of any length, in either padding.
    @Test func `notes of either padding are read back`() throws {
        var random = SeededGenerator(seed: 12)
        for _ in 0..<2000 {
            let padding = [4, 8].randomElement(using: &random)!
            let align = padding == 8 ? 8 : [0, 1, 4, 8, 16].randomElement(using: &random)! as UInt64
            var bytes: [UInt8] = []
            var expected: [Content] = []
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let name = String(repeating: "n", count: Int.random(in: 1...17, using: &random))
                let desc = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 1...255, using: &random)
                }
                let type = UInt32.random(in: 1...0xffff, using: &random)
                expected.append(Content(name: name, type: type, desc: desc, offset: UInt64(bytes.count)))
                bytes += note(Array(name.utf8) + [0], type: type, desc: desc, align: padding)
            }
            #expect(try Self.notes(bytes, align: align) == expected, "\(padding) \(align)")
        }
    }

    @Test func `a segment aligned to 8 whose notes fill it in neither way is read with 4`() throws {
        // A name without its NUL, as if padded to 8.
        let bytes = note([0x41, 0x42, 0x43, 0x44, 0x45], type: 7, desc: [9], align: 8)
        let read = try Self.notes(bytes, align: 8).first
        #expect(read == Content(name: "ABCDE", type: 7, desc: [0], offset: 0))
        #expect(
            fault { _ = try Self.notes(Array(hermitNote(4).dropLast(4)), align: 8) }
                == Fault(.noteTruncated, .programHeader(5), value: 21, limit: 20))
    }

    /// Only p_align 8 means padding to 8: with any other value, even such notes are read with padding to 4.
    @Test(arguments: [1, 4, 7, 8, 9, 16, 32] as [UInt64]) func `only a segment aligned to 8 pads to 8`(_ align: UInt64)
        throws
    {
        let bytes = note(Array("LONG\0".utf8), type: 7, desc: [1, 2, 3, 4, 5, 6, 7, 8], align: 8)
        let desc: [UInt8] = align == 8 ? [1, 2, 3, 4, 5, 6, 7, 8] : [0, 0, 0, 0, 1, 2, 3, 4]
        #expect(try Self.notes(bytes, align: align).first == Content(name: "LONG", type: 7, desc: desc, offset: 0))
    }

    /// Such notes fill their segment with neither padding; then zeros between them are notes, not a gap.
    @Test(arguments: [8, 16, 64] as [UInt64]) func `notes that do not fill their segment have no gaps`(_ align: UInt64)
        throws
    {
        let first = note([0x41, 0x42, 0x43, 0x44], type: 7, desc: [9])
        let empty = [UInt8](repeating: 0, count: 12)
        let last = note([0x45, 0], type: 8, desc: [])
        for zeros in 0...2 {
            let bytes = first + (0..<zeros).flatMap { _ in empty } + last
            let found = try Self.notes(bytes, align: align).map(\.type)
            #expect(found == [7] + [UInt32](repeating: 0, count: zeros) + [8])
        }
    }

    @Test func `sections are read like segments`() throws {
        var file = ObjectFile()
        file.symbols = [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
        let xen = note(Array("Xen\0".utf8), type: 18, desc: [0, 1, 2, 3, 4, 5, 6, 7])
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [0xf4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 8, bytes: xen + hermitNote(4) + abiTag(0, 13, 2)),
        ]
        let bytes = file.bytes
        let view = ByteView(bytes.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        var notes = try Notes(table, section: table.first(of: SectionHeader.Kind.note))
        var names: [String] = []
        while let note = try notes.next() { names.append(String(decoding: Self.copy(note.name), as: UTF8.self)) }
        #expect(names == ["Xen", "HERMIT", "GNU"])
    }

    @Test func `a section's note that is cut off is reported at the section`() throws {
        var file = ObjectFile(symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [0xf4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: Array(abiTag(0, 13, 2).dropLast())),
        ]
        let bytes = file.bytes
        let view = ByteView(bytes.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        let start = table[2].offset
        var notes = try Notes(table, section: 2)
        var found: Fault?
        do throws(Fault) { _ = try notes.next() } catch { found = error }
        #expect(found == Fault(.noteTruncated, .sectionHeader(2), value: start + 32, limit: start + 31))
    }

    @Test func `a segment without bytes has no notes, wherever it points`() throws {
        let file = [UInt8](repeating: 0, count: 10)
        for offset in [10, 11, 1 << 40, .max] as [UInt64] {
            let segment = try ProgramHeaderTests.read(Segment(4, offset: offset, vaddr: 0, filesz: 0))
            var notes = try Notes(ByteView(file.span.bytes), segment: segment, index: 2)
            let isEmpty = try notes.next() == nil
            #expect(isEmpty)
        }
    }

    /// Padding is zero: if other bytes follow a descriptor, the notes are not padded to 8.
    @Test func `padding to 8 is zero`() throws {
        let first = note(Array("GNU\0".utf8), type: 5, desc: [1, 2, 3, 4], align: 8)
        let second = note(Array("GNU\0".utf8), type: 6, desc: [5, 6, 7, 8], align: 8)
        #expect(try Self.notes(first + second, align: 8).map(\.type) == [5, 6])
        for place in first.count - 4..<first.count {
            var bytes = first + second
            bytes[place] = 1
            let found = try? Self.notes(bytes, align: 8).map(\.type)
            #expect(found != [5, 6], "\(place)")
        }
    }

    @Test func `names and descriptors may be empty`() throws {
        let bytes = note([], type: 1, desc: []) + note([], type: 2, desc: [5]) + note([0x41, 0], type: 3, desc: [])
        #expect(
            try Self.notes(bytes) == [
                Content(name: "", type: 1, desc: [], offset: 0), Content(name: "", type: 2, desc: [5], offset: 12),
                Content(name: "A", type: 3, desc: [], offset: 28),
            ])
        #expect(try Self.notes([]) == [])
    }

    @Test func `the last note need not be padded`() throws {
        let bytes = Array(note([0x41, 0], type: 3, desc: [1, 2, 3, 4, 5]).dropLast(3))
        #expect(try Self.notes(bytes) == [Content(name: "A", type: 3, desc: [1, 2, 3, 4, 5], offset: 0)])
        let nameOnly = Array(note([0x41, 0], type: 3, desc: []).dropLast(2))
        #expect(try Self.notes(nameOnly) == [Content(name: "A", type: 3, desc: [], offset: 0)])
    }

    @Test func `fewer than 12 bytes at the end are padding`() throws {
        let bytes = note([0x41, 0], type: 3, desc: [1]) + [UInt8](repeating: 0xff, count: 11)
        #expect(try Self.notes(bytes).count == 1)
    }

    @Test func `a name without its NUL is taken as it is`() throws {
        #expect(try Self.notes(note([0x41, 0x42], type: 3, desc: [])).first?.name == "AB")
    }

    @Test func `a note past its segment is reported`() {
        let sound = note([0x41, 0, 0, 0], type: 3, desc: [1, 2, 3, 4])
        for length in 12..<20 {
            let end: UInt64 = 20
            #expect(
                fault { _ = try Self.notes(Array(sound[..<length]), start: 8) }
                    == Fault(.noteTruncated, .programHeader(5), value: 8 + end, limit: UInt64(8 + length)))
        }
        #expect(
            fault { _ = try Self.notes(sound.putting(UInt32.max, at: 0)) }
                == Fault(.noteTruncated, .programHeader(5), value: 0x1_0000_000c + 4, limit: 20))
        #expect(
            fault { _ = try Self.notes(sound.putting(UInt32.max, at: 4)) }
                == Fault(.noteTruncated, .programHeader(5), value: 16 + 0xffff_ffff, limit: 20))
    }

    @Test func `a segment past the end of the file is reported`() throws {
        let file = [UInt8](repeating: 0, count: 10)
        let segment = try ProgramHeaderTests.read(Segment(4, offset: 4, vaddr: 0, filesz: 7))
        #expect(
            fault { _ = try Notes(ByteView(file.span.bytes), segment: segment, index: 2) }
                == Fault(.segmentBeyondFile, .programHeader(2), value: 11, limit: 10))
    }

    @Test func `the owner is compared as a whole`() throws {
        let file = note(Array("HERMIT\0".utf8), type: 1, desc: [])
        let segment = try ProgramHeaderTests.read(Segment(4, offset: 0, vaddr: 0, filesz: UInt64(file.count)))
        var notes = try Notes(ByteView(file.span.bytes), segment: segment, index: 0)
        let first = try notes.next()!
        let answers = [
            first.isOwned(by: "HERMIT"), first.isOwned(by: "HERMI"), first.isOwned(by: "HERMITS"),
            first.isOwned(by: "hermit"), first.isOwned(by: ""),
        ]
        #expect(answers == [true, false, false, false, false])
    }
}
