// Section headers: where names are, and sections without bytes in the file.

import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SectionTableTests {
    /// The name of the section at `index`, nil if it has none.
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
        // sh_info of header 0 means something else.
        for info in [0, 1, 3, .max] as [UInt32] {
            file.put(info, at: headers + 44)
            #expect(try Self.name(file, 1) == ".text" && Self.name(file, 2) == ".bss" && Self.name(file, 0) == nil)
        }
    }

    @Test func `numbers go from the one after the null section to the last`() {
        for count in [0, 1, 2, 5] as [UInt32] {
            var numbers = EntryNumbers(below: count)
            var found: [UInt32] = []
            while let number = numbers.next() { found.append(number) }
            #expect(found == Array(1..<max(count, 1)))
        }
    }

    @Test func `a section holds its first byte and its last one, and no other`() throws {
        let sound = Self.file.bytes
        let header = Int(sound.number(UInt64.self, at: 40)) + 64
        let file = sound.putting(0x1000 as UInt64, at: header + 16).putting(16 as UInt64, at: header + 32)
        let view = ByteView(file.span.bytes)
        let table = try SectionTable(view, FileHeader(view))
        var found: [UInt32?] = []
        for address in [0xfff, 0x1000, 0x100f, 0x1010] as [UInt64] { found.append(table.section(at: address)) }
        #expect(found == [nil, 1, 1, nil])
    }

    /// Thread-local sections have the addresses of others, and those that are not in memory have any.
    @Test(arguments: [(0, false), (2, true), (3, true), (6, true), (0x400, false), (0x402, false), (0x403, false)])
    func `the section at an address is in memory, and not thread-local`(_ flags: UInt64, _ isFound: Bool) throws {
        let sound = Self.file.bytes
        var file = sound
        // Both lie at the same address; whichever comes first is found unless it must not be.
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

    /// As `objcopy --only-keep-debug` leaves them: nothing is read from where they point.
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
            // Of notes there are none then.
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
}
