// Notes: padding, sizes, ends.

import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite struct NoteTests {
    /// What a note says.
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

    @Test func `a note beyond its segment is told`() {
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

    @Test func `a segment beyond the file is told`() throws {
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
