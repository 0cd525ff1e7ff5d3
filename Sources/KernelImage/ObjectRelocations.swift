// The relocation sections of an object file (gABI, chapter "Relocation").

import Bytes
import Diagnostics
import ELF

/// One SHT_RELA, SHT_REL or SHT_CREL section whose target is in memory at run time.
struct ObjectRelocations: ~Escapable {
    /// What its entries are.
    enum Form: UInt8 {
        case rela, rel, compact
    }

    fileprivate let bytes: ByteView
    fileprivate let form: Form
    /// Its own index and that of the section it changes.
    let section: UInt32, target: UInt32
    /// The index of the symbol table it refers to.
    let symbolTable: UInt32

    /// The section at `index`, nil where that holds no relocations, or only for what is not loaded.
    ///
    /// Throws `badSectionLink`, `badEntrySize`, `tableSizeNotMultiple` or `sectionBeyondFile`.
    @_lifetime(copy sections)
    init?(_ sections: SectionTable, _ index: UInt32) throws(Fault) {
        let header = sections[index]
        let place = Place.sectionHeader(UInt64(index))
        switch header.type {
        case SectionHeader.Kind.rela: form = .rela
        case SectionHeader.Kind.rel: form = .rel
        case SectionHeader.Kind.crel: form = .compact
        default: return nil
        }
        guard header.info < sections.count, header.info > 0 else {
            throw Fault(.badSectionLink, place, value: UInt64(header.info), limit: UInt64(sections.count))
        }
        guard SectionGroup(sections[header.info]) != nil else { return nil }
        if form != .compact {
            let unit = form == .rela ? RelocationEntry.relaSize : RelocationEntry.relSize
            guard header.entsize == unit else {
                throw Fault(.badEntrySize, place, value: header.entsize, limit: unit)
            }
            guard header.size % unit == 0 else {
                throw Fault(.tableSizeNotMultiple, place, value: header.size, limit: unit)
            }
        }
        bytes = try sections.contents(index)
        section = index
        target = header.info
        symbolTable = header.link
    }

    /// Whether its entries are differences, so that none can be read without those before.
    var isCompact: Bool { form == .compact }
}

/// Reads the entries of a section one by one.
struct ObjectRelocationReader: ~Escapable {
    private let bytes: ByteView
    private let form: ObjectRelocations.Form
    private var index: UInt64 = 0
    private var compact: CompactRelocations

    /// Begins with the first entry. Throws `compactRelocationsMalformed`.
    @_lifetime(copy relocations)
    init(_ relocations: borrowing ObjectRelocations) throws(Fault) {
        form = relocations.form
        let place = Place.sectionHeader(UInt64(relocations.section))
        let none = try relocations.bytes.slice(at: 0, size: 0, else: .sectionBeyondFile, place)
        bytes = relocations.isCompact ? none : relocations.bytes
        compact = try CompactRelocations(relocations.isCompact ? relocations.bytes : none, place)
    }

    /// The next entry, nil behind the last. Throws `compactRelocationsMalformed`.
    mutating func next() throws(Fault) -> RelocationEntry? {
        guard form != .compact else { return try compact.next() }
        let size = form == .rela ? RelocationEntry.relaSize : RelocationEntry.relSize
        guard index < bytes.count else { return nil }
        // A whole number of entries.
        let record = try bytes.record(at: index, size: size, else: .sectionBeyondFile, .none)
        index &+= size
        return form == .rela ? RelocationEntry(rela: record) : RelocationEntry(rel: record)
    }
}
