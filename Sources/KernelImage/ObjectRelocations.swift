// The relocation sections of an object file (gABI, chapter "Relocation").

import Bytes
import Diagnostics
import ELF

/// The SHT_RELA, SHT_REL and SHT_CREL sections whose target is in memory at run time, one after the other, and their entries
/// one by one.
struct ObjectRelocations: ~Escapable {
    private let sections: SectionTable
    /// The index of the section at hand, and of the section it changes.
    private(set) var section: UInt32 = 0, target: UInt32 = 0
    /// The index of the symbol table it refers to.
    private(set) var symbolTable: UInt32 = 0
    /// Its bytes, and how many entries have been read; the size of an entry, 0 where they are compact.
    private var bytes: ByteView
    private var position = 0
    private var entrySize: UInt64 = 0
    private var compact: CompactRelocations

    /// Those of `sections`; none is at hand yet.
    @_lifetime(copy sections)
    @inline(never)
    init(_ sections: SectionTable) {
        self.sections = sections
        bytes = sections.file.part(at: 0, size: 0)
        compact = CompactRelocations(bytes, .none)
    }

    /// Goes on to the next section, false behind the last. Throws what `begin` does.
    mutating func nextSection() throws(Fault) -> Bool {
        while section &+ 1 < sections.count {
            if try begin(section &+ 1) { return true }
        }
        return false
    }

    /// Goes to the section at `index`, below the number of sections; false where that holds no relocations, or only for what
    /// is not loaded.
    ///
    /// Throws `badSectionLink`, `badEntrySize`, `tableSizeNotMultiple` or `sectionBeyondFile`.
    @_lifetime(self: copy self)
    @inline(never)
    mutating func begin(_ index: UInt32) throws(Fault) -> Bool {
        section = index
        let header = sections[index]
        let place = Place.sectionHeader(UInt64(index))
        switch header.type {
        case SectionHeader.Kind.rela: entrySize = RelocationEntry.relaSize
        case SectionHeader.Kind.rel: entrySize = RelocationEntry.relSize
        case SectionHeader.Kind.crel: entrySize = 0
        default: return false
        }
        guard header.info < sections.count, header.info > 0 else {
            throw Fault(.badSectionLink, place, value: UInt64(header.info), limit: UInt64(sections.count))
        }
        guard SectionGroup(sections[header.info]) != nil else { return false }
        if entrySize > 0 {
            guard header.entsize == entrySize else {
                throw Fault(.badEntrySize, place, value: header.entsize, limit: entrySize)
            }
            guard header.size % entrySize == 0 else {
                throw Fault(.tableSizeNotMultiple, place, value: header.size, limit: entrySize)
            }
        }
        bytes = try sections.contents(index)
        position = 0
        target = header.info
        symbolTable = header.link
        compact = CompactRelocations(bytes, place)
        return true
    }

    /// The next entry of the section at hand, nil behind the last. Throws `compactRelocationsMalformed`.
    @inline(never)
    mutating func next() throws(Fault) -> RelocationEntry? {
        guard entrySize > 0 else { return try compact.next() }
        let size = Int(truncatingIfNeeded: entrySize)
        // A whole number of entries.
        guard position < Int(truncatingIfNeeded: bytes.count) / size else { return nil }
        let record = bytes.entry(position, size: size)
        position &+= 1
        return entrySize == RelocationEntry.relaSize ? RelocationEntry(rela: record) : RelocationEntry(rel: record)
    }
}
