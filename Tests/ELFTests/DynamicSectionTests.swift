// The dynamic section: the entries that are kept, and the one that counts among several of a tag.

import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DynamicSectionTests {
    /// The section with these entries, and no other DT_NULL.
    static func section(_ entries: [(UInt64, UInt64)], rest: [UInt8] = []) throws -> DynamicSection {
        let bytes = entries.flatMap { littleEndian($0.0) + littleEndian($0.1) } + rest
        var section = DynamicSection()
        try section.read(ByteView(bytes.span.bytes))
        return section
    }

    /// The first and the last tag of each range that is kept.
    static let kept: [UInt64] = [1, 2, 36, 37, 0x6fff_fef5, 0x6fff_fff0, 0x6fff_fff1, 0x6fff_fffe, 0x6fff_ffff]
    static let others: [UInt64] = [
        38, 39, 40, 55, 56, 64, 0x6fff_fef4, 0x6fff_fef6, 0x6fff_ffef, 0x7000_0000, 1 << 32, 1 << 32 | 1, .max,
    ]

    @Test func `each tag keeps its own value`() throws {
        let tags = Self.kept + Self.others
        let section = try Self.section(tags.enumerated().map { ($1, 100 + UInt64($0)) })
        for (index, tag) in tags.enumerated() {
            let isKept = Self.kept.contains(tag)
            #expect(section.value(tag) == (isKept ? 100 + UInt64(index) : nil), "\(tag)")
            #expect(section[tag] == (isKept ? 100 + UInt64(index) : 0), "\(tag)")
        }
        // Each alone: the others have no value.
        for tag in tags {
            let section = try Self.section([(tag, 7)])
            for other in tags { #expect(section.value(other) == (other == tag && Self.kept.contains(tag) ? 7 : nil)) }
        }
    }

    @Test func `the last of several entries counts, but the first DT_NEEDED`() throws {
        for tag in Self.kept {
            let section = try Self.section([(tag, 11), (30, 5), (tag, 12), (tag, 13)])
            #expect(section.value(tag) == (tag == 1 ? 11 : 13), "\(tag)")
        }
        // Even if its value is 0.
        #expect(try Self.section([(1, 0), (1, 9)]).needed == 0)
    }

    @Test func `one of two tags is enough`() throws {
        for (tags, isThere) in [([17], true), ([18], true), ([17, 18], true), ([16, 19], false), ([], false)] {
            #expect(try Self.section(tags.map { (UInt64($0), 0) }).hasAny(17, 18) == isThere)
        }
    }

    @Test func `DT_NULL ends the section, and so do its bytes`() throws {
        let ended = try Self.section([(5, 1), (0, 0), (5, 2), (6, 3), (DynamicTag.crel, 4)], rest: [1, 2, 3])
        #expect(ended.stringTable == 1 && ended.symbolTable == nil)
        #expect(try Self.section([(6, 3)]).symbolTable == 3)
        for count in [1, 8, 15] {
            let rest = [UInt8](repeating: 0, count: count)
            let found = fault { _ = try Self.section([(6, 3)], rest: rest) }
            #expect(found == Fault(.dynamicMisaligned, .none, value: 16 + UInt64(count)))
        }
    }
}
