// The generation of the entry contract that follows from an image's notes.

import Architecture
import Bytes
import Diagnostics
import ELF
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HermitNotesTests {
    /// The notes of a file with these PT_NOTE segments.
    static func read(_ segments: [[UInt8]], align: UInt64 = 4) throws -> HermitNotes {
        var writer = ELFWriter()
        for bytes in segments { writer.addNotes(bytes, align: align) }
        let file = writer.bytes
        let view = ByteView(file.span.bytes)
        return try HermitNotes(view, ProgramHeaders(view, FileHeader(view)))
    }

    /// The place of the note at the beginning of the first PT_NOTE segment.
    static let first = FaultLocation.offset(960)

    @Test func `notes are gathered from every segment`() throws {
        let uhyve = note(Array("UHYVEIF\0".utf8), type: 0x5b00, desc: [0, 0, 1, 2])
        let notes = try Self.read([
            note(Array("other\0".utf8), type: 0x5a00, desc: [9, 9]) + abiTag(0, 13, 2),
            note(Array("GNU\0".utf8), type: 3, desc: [1, 2, 3]), uhyve + hermitNote(4),
        ])
        #expect(notes.entryVersion == 4)
        #expect(notes.kernelVersion == HermitNotesTests.version(0, 13, 2))
        #expect(notes.uhyveInterface == 0x102)
    }

    /// Notes as mold writes them after an 8-aligned note, and other linkers with `.note : { *(.note.*) }`.
    @Test(arguments: [0, 1, 4, 8, 16, 4096] as [UInt64])
    func `notes are found in a segment of any alignment`(_ align: UInt64) throws {
        let xen = note(Array("Xen\0".utf8), type: 18, desc: [0, 1, 2, 3, 4, 5, 6, 7])
        for bytes in [hermitNote(3) + abiTag(0, 13, 2), xen + hermitNote(3) + abiTag(0, 13, 2)] {
            let notes = try Self.read([bytes], align: align)
            #expect(notes.entryVersion == 3)
            #expect(notes.kernelVersion == HermitNotesTests.version(0, 13, 2))
        }
    }

    /// Bytes after the last program header do not count, even if they look like one.
    @Test func `only the counted program headers have notes`() throws {
        var writer = ELFWriter()
        writer.addNotes(abiTag(0, 13, 2))
        writer.addNotes(hermitNote(4))
        for (count, version) in [(2, nil), (3, 4)] as [(UInt16, UInt8?)] {
            let file = writer.bytes.putting(count, at: 56)
            let view = ByteView(file.span.bytes)
            let notes = try HermitNotes(view, ProgramHeaders(view, FileHeader(view)))
            #expect(notes.entryVersion == version && notes.kernelVersion == HermitNotesTests.version(0, 13, 2))
        }
    }

    @Test func `without notes there are no facts`() throws {
        let notes = try Self.read([])
        #expect(notes.entryVersion == nil)
        #expect(notes.kernelVersion == nil)
        #expect(notes.uhyveInterface == nil)
    }

    @Test func `owner and type both decide`() throws {
        let notes = try Self.read([
            note(Array("HERMIT\0".utf8), type: 0x5a01, desc: [3]) + note(Array("HERMI\0".utf8), type: 0x5a00, desc: [3])
                + note(Array("GNU\0".utf8), type: 0x5a00, desc: [3])
        ])
        #expect(notes.entryVersion == nil)
    }

    @Test func `the entry version is one byte`() {
        for desc in [[], [1, 0], [4, 0, 0, 0]] as [[UInt8]] {
            let bytes = note(Array("HERMIT\0".utf8), type: 0x5a00, desc: desc)
            #expect(
                fault { _ = try Self.read([bytes]) } == Fault(.entryVersionSize, Self.first, value: UInt64(desc.count)))
        }
    }

    @Test func `entry versions are 1 to 4`() throws {
        for version in 0...255 as ClosedRange<UInt8> {
            let found = fault {
                let read = try Self.read([hermitNote(version)]).entryVersion
                #expect(read == version)
            }
            #expect(
                found
                    == (1...4 ~= version
                        ? nil : Fault(.unknownEntryVersion, Self.first, value: UInt64(version), limit: 4)))
        }
    }

    @Test func `two notes must agree`() throws {
        for first in 1...4 as ClosedRange<UInt8> {
            for second in 1...4 as ClosedRange<UInt8> {
                let found = fault {
                    let version = try Self.read([hermitNote(first) + hermitNote(second)]).entryVersion
                    #expect(version == first)
                }
                let contradiction = Fault(
                    .contradictoryEntryVersion, .offset(960 + 24), value: UInt64(second), limit: UInt64(first))
                #expect(found == (first == second ? nil : contradiction))
            }
        }
    }

    @Test func `an ABI tag is four words and names Hermit`() {
        let short = note(Array("GNU\0".utf8), type: 1, desc: [UInt8](repeating: 6, count: 15))
        #expect(fault { _ = try Self.read([short]) } == Fault(.abiTagSize, Self.first, value: 15))
        #expect(
            fault { _ = try Self.read([abiTag(3, 2, 0, system: 0)]) } == Fault(.abiTagNotHermit, Self.first, value: 0))
    }

    /// Type, owner and size all count for each of the notes.
    @Test func `a note of another type, owner or size is ignored`() throws {
        let word = littleEndian(0x0201_0403 as UInt32)
        for (owner, type, size, isKnown) in [
            ("UHYVEIF", 0x5b00, 4, true), ("UHYVEIF", 0x5b00, 8, true), ("UHYVEIF", 0x5b00, 3, false),
            ("UHYVEIF", 0x5b01, 4, false), ("UHYVEIG", 0x5b00, 4, false), ("HERMIT", 0x5b00, 4, false),
        ] as [(String, UInt32, Int, Bool)] {
            let desc = Array((word + word).prefix(size))
            let notes = try Self.read([note(Array((owner + "\0").utf8), type: type, desc: desc)])
            #expect(notes.uhyveInterface == (isKnown ? 0x0304_0102 : nil), "\(owner) \(type) \(size)")
        }
        for (owner, type, isKnown) in [("GNU", 1, true), ("GNU", 2, false), ("GNV", 1, false)]
            as [(String, UInt32, Bool)]
        {
            for size in [16, 20] {
                let desc = ([6, 7, 8, 9, 10] as [UInt32]).flatMap { littleEndian($0) }.prefix(size)
                let notes = try Self.read([note(Array((owner + "\0").utf8), type: type, desc: Array(desc))])
                #expect(notes.kernelVersion == (isKnown ? Self.version(7, 8, 9) : nil), "\(owner) \(type) \(size)")
            }
        }
    }

    @Test func `a damaged note segment is reported`() {
        let cut = Array(hermitNote(4).dropLast(4))
        #expect(
            fault { _ = try Self.read([cut]) }
                == Fault(.noteTruncated, .programHeader(1), value: 960 + 21, limit: 960 + UInt64(cut.count)))
    }

    static func version(_ major: UInt32, _ minor: UInt32, _ patch: UInt32) -> HermitVersion {
        // HermitVersion is only made by reading a note.
        do {
            return try read([abiTag(major, minor, patch)]).kernelVersion!
        } catch { fatalError("\(error)") }
    }

    // MARK: Generations

    @Test(
        arguments: [
            ([hermitNote(1)], .one), ([hermitNote(2)], .two), ([hermitNote(3)], .three),
            ([hermitNote(4)], .fourRecursive), ([hermitNote(4), abiTag(0, 10, 0)], .fourRecursive),
            ([hermitNote(4), abiTag(0, 10, 99)], .fourRecursive), ([hermitNote(4), abiTag(0, 11, 0)], .fourIdentity),
            ([abiTag(0, 13, 2), hermitNote(4)], .fourIdentity), ([hermitNote(4), abiTag(1, 0, 0)], .fourIdentity),
            ([hermitNote(3), abiTag(0, 13, 0)], .three),
        ] as [([[UInt8]], Generation)])
    func `notes choose the generation`(_ segments: [[UInt8]], _ expected: Generation) throws {
        for osABI in [0, 3, 255] as [UInt8] {
            #expect(try Generation(Self.read(segments), osABI: osABI) == expected)
        }
    }

    @Test func `without a version only OSABI 255 is a Hermit image`() throws {
        #expect(try Generation(Self.read([]), osABI: 0xff) == .zero)
        #expect(try Generation(Self.read([abiTag(0, 12, 0)]), osABI: 0xff) == .zero)
        for osABI in [0, 3, 254] as [UInt8] {
            #expect(
                fault { _ = try Generation(Self.read([]), osABI: osABI) }
                    == Fault(.missingEntryVersion, .header, value: UInt64(osABI)))
        }
    }

    @Test func `each generation has its expectations`() {
        let all: [Generation] = [.zero, .one, .two, .three, .fourRecursive, .fourIdentity]
        #expect(all.map(\.usesRecursivePageTable) == [true, true, true, true, true, false])
        #expect(all.map(\.takesStackFromRegister) == [false, false, true, true, true, true])
        #expect(all.map(\.hasDeviceTree) == [false, false, false, true, true, true])
        #expect(all.map(\.hasDeviceTreePlatform) == [false, false, false, false, true, true])
        #expect(all.map(\.entryVersion) == [0, 1, 2, 3, 4, 4])
        #expect(Set(all.map { "\($0.name)" }).count == 6)
        for generation in all { #expect("\(generation.name)".contains("version \(generation.entryVersion)")) }
    }

    /// Headers that list the same bytes: together they may list at most as many as the file has.
    @Test func `notes are not read repeatedly`() throws {
        let notes = note(Array("other\0".utf8), type: 1, desc: [UInt8](repeating: 7, count: 1000))
        let size = UInt64(notes.count)
        var writer = ELFWriter()
        writer.addNotes(notes)
        writer.segments.append(writer.segments[0])
        let file = writer.bytes
        let view = ByteView(file.span.bytes)
        #expect(
            fault { _ = try HermitNotes(view, ProgramHeaders(view, FileHeader(view))) }
                == Fault(.bytesListedTwice, .programHeader(2), value: size * 2, limit: UInt64(file.count)))

        var object = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: notes),
                ObjectSection(name: ".note", type: 7, flags: 2, align: 4),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
        ).bytes
        let header = Int(object.number(UInt64.self, at: 40)) + 2 * 64
        object.replaceSubrange(header + 64..<header + 128, with: object[header..<header + 64])
        let all = ByteView(object.span.bytes)
        let sections = try SectionTable(all, FileHeader(all))
        var found = HermitNotes()
        var refused: Fault?
        do throws(Fault) { try found.read(sections) } catch { refused = error }
        #expect(
            refused == Fault(.bytesListedTwice, .sectionHeader(3), value: size * 2, limit: UInt64(object.count)))
    }

    /// Only an object file's sections in memory count: a linker would drop the others.
    @Test(arguments: [(0 as UInt64, nil), (2, 4), (3, 4), (6, 4)] as [(UInt64, UInt8?)])
    func `an object file's notes are in memory`(_ flags: UInt64, _ version: UInt8?) throws {
        let file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".note", type: 7, flags: flags, align: 4, bytes: hermitNote(4)),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
        ).bytes
        let view = ByteView(file.span.bytes)
        let sections = try SectionTable(view, FileHeader(view))
        var notes = HermitNotes()
        try notes.read(sections)
        #expect(notes.entryVersion == version)
    }
}
