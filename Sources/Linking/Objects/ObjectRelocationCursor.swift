// The relocation sections of an object file (gABI, chapter "Relocation").

import Bytes
import Diagnostics
import ELF

/// The SHT_RELA, SHT_REL and SHT_CREL sections whose target is in memory at run time, one after the other.
struct ObjectRelocationCursor: ~Escapable {
    /// The index of the current section, and of the section that it changes.
    private(set) var section: UInt32 = 0, target: UInt32 = 0
    /// The index of the symbol table that it refers to.
    private(set) var symbolTable: UInt32 = 0
    /// Its entries, and the number of entries read so far.
    private var entries: RelocationSection
    private(set) var count: UInt64 = 0

    /// The location of the current entry.
    var location: FaultLocation { .entry(section: UInt64(section), index: count &- 1) }

    /// The current entry.
    var entry: RelocationEntry { entries.entry }

    /// The relocation sections among `sections`, before the first.
    @_lifetime(copy sections)
    @inline(never)
    init(_ sections: borrowing SectionTable) {
        entries = RelocationSection(sections.file.part(at: 0, size: 0), .none)
    }

    /// Goes to the next section; false after the last. Throws as `begin` does.
    @_lifetime(self: copy sections)
    @inline(never)
    mutating func nextSection(of sections: borrowing SectionTable) throws(Fault) -> Bool {
        while section &+ 1 < sections.count {
            if try begin(section &+ 1, of: sections) { return true }
        }
        return false
    }

    /// Goes to the section at `index`, below the number of sections; false if it holds no relocations, or its target is not loaded.
    ///
    /// Throws `badSectionLink`, `badEntrySize`, `tableSizeNotMultiple` or `sectionBeyondFile`.
    @_lifetime(self: copy sections)
    @inline(never)
    mutating func begin(_ index: UInt32, of sections: borrowing SectionTable) throws(Fault) -> Bool {
        section = index
        let header = sections[index]
        let hasAddends = header.type == SectionHeader.Kind.rela
        let isCompact = header.type == SectionHeader.Kind.crel
        guard hasAddends || isCompact || header.type == SectionHeader.Kind.rel else { return false }
        guard header.info < sections.count, header.info > 0 else {
            throw sections.badLink(index, header.info)
        }
        guard SectionGroup(sections[header.info]) != nil else { return false }
        let entrySize = isCompact ? 0 : hasAddends ? RelocationEntry.relaSize : RelocationEntry.relSize
        entries = RelocationSection(
            try sections.table(index, entrySize), .sectionHeader(UInt64(index)), entrySize: entrySize)
        count = 0
        target = header.info
        symbolTable = header.link
        return true
    }

    /// Goes to the next entry of the current section; false after the last. Throws `compactRelocationsMalformed`.
    @inline(never)
    mutating func next() throws(Fault) -> Bool {
        guard try entries.next() else { return false }
        count &+= 1
        return true
    }
}
