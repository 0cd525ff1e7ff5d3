// Section headers: where names are, and sections without bytes in the file.

import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SectionTableTests {
    /// The name of the section at `index`; nil if it has none.
    static func name(_ file: [UInt8], _ index: UInt32) throws -> String? {
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        let start = Int(table.nameOffset(index))
        return start == 0 ? nil : String(decoding: file[start...].prefix { $0 != 0 }, as: UTF8.self)
    }

    static let file = ObjectFile(
        sections: [
            ObjectSection(name: ".text", flags: 6, bytes: [0xf4]), ObjectSection(name: ".bss", type: 8, zeros: 64),
        ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])

    @Test(arguments: [false, true]) func `names are found by an index that does not fit in 16 bits`(
        _ isExtended: Bool
    ) throws {
        var object = Self.file
        object.hasExtendedCount = isExtended
        var file = object.bytes
        let headers = Int(file.number(UInt64.self, at: 40))
        // sh_info of header 0 has another meaning.
        for info in [0, 1, 3, .max] as [UInt32] {
            file.put(info, at: headers + 44)
            #expect(try Self.name(file, 1) == ".text" && Self.name(file, 2) == ".bss" && Self.name(file, 0) == nil)
        }
    }

    @Test func `section numbers go from the one after the null section to the last`() {
        for count in [0, 1, 2, 5] as [UInt32] {
            var numbers = EntryNumbers(below: count)
            var found: [UInt32] = []
            while let number = numbers.next() { found.append(number) }
            #expect(found == Array(1..<max(count, 1)))
        }
    }

    @Test func `a section contains its first byte and its last one, and none beyond`() throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        let file = sound.putting(0x1000 as UInt64, at: header + 16).putting(16 as UInt64, at: header + 32)
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        var found: [UInt32?] = []
        for address in [0xfff, 0x1000, 0x100f, 0x1010] as [UInt64] { found.append(table.section(at: address)) }
        #expect(found == [nil, 1, 1, nil])
    }

    /// Thread-local sections share addresses with others, and sections that are not in memory have arbitrary ones.
    @Test(arguments: [(0, false), (2, true), (3, true), (6, true), (0x400, false), (0x402, false), (0x403, false)])
    func `the section at an address is in memory, and not thread-local`(_ flags: UInt64, _ isFound: Bool) throws {
        let sound = Self.file.bytes
        var file = sound
        // Both lie at the same address; the first one is found unless it must not be.
        for (index, flags) in [(1, flags), (2, 3)] as [(Int, UInt64)] {
            let header = Int(sound.number(UInt64.self, at: 40)) + 64 * index
            file.put(flags, at: header + 8)
            file.put(0x1000 as UInt64, at: header + 16)
            file.put(16 as UInt64, at: header + 32)
        }
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        #expect(table.section(at: 0x1008) == (isFound ? 1 : 2))
    }

    @Test func `a name begins in the string table`() throws {
        let file = Self.file.bytes
        let names = Int(file.number(UInt64.self, at: 40)) + 64 * Int(file.number(UInt16.self, at: 62))
        let (start, size) = (file.number(UInt64.self, at: names + 24), file.number(UInt64.self, at: names + 32))
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        let last = table.nameOffset(ofName: UInt32(size) - 1)
        let beyond = table.nameOffset(ofName: UInt32(size))
        #expect(last == start + size - 1 && beyond == 0)
    }

    /// There is no section past the last, even if the bytes there look like a header.
    @Test func `a missing section has no name`() throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        // Another header of .text, after the last one.
        let file = sound + sound[header..<header + 64]
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        let count = UInt32(sound.number(UInt16.self, at: 60))
        let offsets = [0, 1, count - 1, count, count + 1, .max].map { table.nameOffset($0) > 0 }
        #expect(offsets == [false, true, true, false, false, false])
    }

    /// Sections as `objcopy --only-keep-debug` leaves them: nothing is read from their offsets.
    @Test(arguments: [(8, 0x1000), (8, 0), (1, 0), (2, 0), (3, 0), (7, 0), (14, 0)] as [(UInt32, UInt64)])
    func `sections without bytes in the file may point anywhere`(_ type: UInt32, _ size: UInt64) throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        for offset in [UInt64(sound.count), UInt64(sound.count) + 1, 1 << 40, .max] {
            let file = sound.putting(type, at: header + 4).putting(offset, at: header + 24).putting(
                size, at: header + 32)
            let view = ByteView(file.span.bytes)
            let table = try SectionTable(view, FileHeader(view))
            let count = try table.contents(1).count
            #expect(count == 0)
            #expect(table[1].fileStart == 0 && table[1].fileSize == 0)
            // Then there are no notes.
            var notes = try Notes(table, section: 1)
            let hasNone = try notes.next() == nil
            #expect(hasNone)
        }
        let file = sound.putting(UInt64(sound.count), at: header + 24).putting(1 as UInt64, at: header + 32)
        let found = fault {
            let view = ByteView(file.span.bytes)
            _ = try SectionTable(view, FileHeader(view)).contents(1)
        }
        let end = UInt64(sound.count)
        #expect(found == Fault(.sectionBeyondFile, .sectionHeader(1), value: end + 1, limit: end))
    }

    /// The table of `file`, or its fault.
    private static func refusal(_ file: [UInt8]) -> Fault? {
        fault {
            let view = ByteView(file.span.bytes)
            _ = try SectionTable(view, FileHeader(view))
        }
    }

    /// The header's fields for the table, each at the last right value and the first wrong one.
    @Test func `the table's place, size and names are checked`() throws {
        let sound = Self.file.bytes
        let (start, count) = (sound.number(UInt64.self, at: 40), sound.number(UInt16.self, at: 60))
        let end = start + UInt64(count) * 64
        #expect(Self.refusal(sound) == nil && end <= sound.count)
        #expect(Self.refusal(sound.putting(0 as UInt64, at: 40)) == Fault(.noSectionHeaders, .header))
        for size in [0, 63, 65] as [UInt16] {
            #expect(
                Self.refusal(sound.putting(size, at: 58))
                    == Fault(.badSectionHeaderSize, .header, value: UInt64(size), limit: 64))
        }
        // Cut after the last header, and one byte earlier.
        #expect(Self.refusal(Array(sound.prefix(Int(end)))) == nil)
        #expect(
            Self.refusal(Array(sound.prefix(Int(end - 1))))
                == Fault(.sectionHeadersBeyondFile, .header, value: end, limit: end - 1))
        // The index of the section of names: 0 means none.
        for (index, isRight) in [(0, true), (count - 1, true), (count, false), (0xfffe, false)] as [(UInt16, Bool)] {
            #expect(
                Self.refusal(sound.putting(index, at: 62))
                    == (isRight ? nil : Fault(.badSectionLink, .header, value: UInt64(index), limit: UInt64(count))))
        }
        let nameless = sound.putting(0 as UInt16, at: 62)
        #expect(try Self.name(nameless, 1) == nil)
        // The null section cannot hold the names, although it has a size if numbers are extended.
        var odd = nameless.putting(0 as UInt16, at: 60).putting(UInt64(count), at: Int(start) + 32)
        odd.put(64 as UInt64, at: Int(start) + 24)
        #expect(try Self.name(odd, 1) == nil && Self.name(odd, 2) == nil)
        // A number of 0 is in the first header, where it must not be 0.
        let extended = sound.putting(0 as UInt16, at: 60)
        for (number, expected) in [
            (0, Fault(.noSectionHeaders, .header)), (UInt64(count), nil),
            (1 << 32, Fault(.sectionHeadersBeyondFile, .header, value: .max, limit: UInt64(sound.count))),
            (.max, Fault(.sectionHeadersBeyondFile, .header, value: .max, limit: UInt64(sound.count))),
            (
                0xffff_ffff,
                Fault(.sectionHeadersBeyondFile, .header, value: start + 0xffff_ffff * 64, limit: UInt64(sound.count))
            ),
        ] as [(UInt64, Fault?)] {
            #expect(Self.refusal(extended.putting(number, at: Int(start) + 32)) == expected)
        }
        // SHN_XINDEX: the index is in sh_link there.
        let linked = sound.putting(0xffff as UInt16, at: 62)
        #expect(Self.refusal(linked.putting(UInt32(count) - 1, at: Int(start) + 40)) == nil)
        #expect(
            Self.refusal(linked.putting(UInt32(count), at: Int(start) + 40))
                == Fault(.badSectionLink, .header, value: UInt64(count), limit: UInt64(count)))
    }

    /// A table of records has a whole number of them, of the required size; if none is required, any size will do.
    @Test func `a table's entries have a size`() throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        for (entry, size, unit, rule) in [
            (24, 48, 24, nil), (24, 0, 24, nil), (16, 48, 24, .badEntrySize), (0, 48, 24, .badEntrySize),
            (24, 47, 24, .tableSizeNotMultiple), (24, 49, 24, .tableSizeNotMultiple), (7, 47, 0, nil),
        ] as [(UInt64, UInt64, UInt64, Rule?)] {
            let file = sound.putting(0 as UInt64, at: header + 24).putting(size, at: header + 32).putting(
                entry, at: header + 56)
            let found = fault {
                let view = ByteView(file.span.bytes)
                let count = try SectionTable(view, FileHeader(view)).table(1, unit).count
                #expect(count == size)
            }
            let value = rule == .badEntrySize ? entry : size
            #expect(found == rule.map { Fault($0, .sectionHeader(1), value: value, limit: unit) })
        }
    }

    @Test func `a section's type and flags have the gABI's meaning`() throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        for type in 0...20 as ClosedRange<UInt32> {
            for flags in [0, 1, 2, 3, 4, 0xfffd, .max] as [UInt64] {
                let file = sound.putting(type, at: header + 4).putting(flags, at: header + 8)
                let view = ByteView(file.span.bytes)
                let table = try SectionTable(view, FileHeader(view))
                #expect(table[1].holdsSymbols == [2, 11].contains(type))
                #expect(table[1].isLoaded == (flags / 2 % 2 == 1))
                // The first section precedes all others; the null section does not count.
                let first = table.first(of: type)
                #expect(first == 1)
            }
        }
        let file = sound
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        let none = table.first(of: 0x7777_7777)
        #expect(none == 0)
    }
}
