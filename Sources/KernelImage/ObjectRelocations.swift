// The relocation sections of an object file (gABI, chapter "Relocation").

import Bytes
import Diagnostics
import ELF

/// One SHT_RELA or SHT_REL section whose target is in memory at run time.
struct ObjectRelocations: ~Escapable {
    private let bytes: ByteView
    private let hasAddends: Bool
    /// Its own index and that of the section it changes.
    let section: UInt32, target: UInt32
    /// The index of the symbol table it refers to.
    let symbolTable: UInt32

    /// The section at `index`, nil where that holds no relocations, or only for what is not loaded.
    ///
    /// Throws `badSectionLink`, `relocationFormUnknown`, `badEntrySize`, `tableSizeNotMultiple` or `sectionBeyondFile`.
    @_lifetime(copy sections)
    init?(_ sections: SectionTable, _ index: UInt32) throws(Fault) {
        let header = sections[index]
        let place = Place.sectionHeader(UInt64(index))
        let isKnown = header.type == SectionHeader.Kind.rela || header.type == SectionHeader.Kind.rel
        guard isKnown || header.type == SectionHeader.Kind.crel else { return nil }
        guard header.info < sections.count, header.info > 0 else {
            throw Fault(.badSectionLink, place, value: UInt64(header.info), limit: UInt64(sections.count))
        }
        guard SectionGroup(sections[header.info]) != nil else { return nil }
        guard isKnown else { throw Fault(.relocationFormUnknown, place, value: UInt64(header.type)) }

        hasAddends = header.type == SectionHeader.Kind.rela
        let unit = hasAddends ? RelocationEntry.relaSize : RelocationEntry.relSize
        guard header.entsize == unit else {
            throw Fault(.badEntrySize, place, value: header.entsize, limit: unit)
        }
        guard header.size % unit == 0 else {
            throw Fault(.tableSizeNotMultiple, place, value: header.size, limit: unit)
        }
        bytes = try sections.contents(index)
        section = index
        target = header.info
        symbolTable = header.link
    }

    /// The number of entries.
    var count: Int {
        Int(truncatingIfNeeded: bytes.count / (hasAddends ? RelocationEntry.relaSize : RelocationEntry.relSize))
    }

    /// The entry at `index`, below `count`.
    subscript(index: Int) -> RelocationEntry {
        hasAddends
            ? RelocationEntry(rela: bytes.entry(index, size: Int(RelocationEntry.relaSize)))
            : RelocationEntry(rel: bytes.entry(index, size: Int(RelocationEntry.relSize)))
    }
}
