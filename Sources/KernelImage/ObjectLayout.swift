// The plan of an object file's memory: what a linker would have decided.

import Bytes
import Diagnostics
import ELF

/// Where everything lies, as link addresses: the image begins at 0.
///
///     code | constants | TLS template | arrays of functions, data | zeros | common symbols | GOT, stubs |
///     descriptor code | notebook
///
/// There is no PLT: in one image every function is within reach of every call, so L, the PLT entry's address, is S.
struct ObjectLayout {
    /// The walk through the sections, behind all of them and the common symbols.
    var placed = PlacedSections(blockAlignment: 1)
    /// The alignment of the block of thread-local storage.
    var blockAlignment: UInt64 = 1
    /// Whether a section is both written and executed.
    var hasWrittenCode = false
    /// Whether a relocation wants a TLS descriptor.
    var hasDescriptors = false
    /// Whether stubs or the code of TLS descriptors follow.
    var hasGeneratedCode = false
    /// Whether the file brings its own __tls_get_addr, so that its code for the general and local dynamic models works
    /// as it stands.
    var hasTLSFunction = false
    /// The GOT, with the stubs of functions that choose an implementation.
    var tableStart: UInt64 = 0, tableEnd: UInt64 = 0
    /// The code that TLS descriptors call; nil where there are no descriptors.
    var supplement: Supplement?
    /// Behind all that the program knows of: its `_end`.
    var programEnd: UInt64 = 0
    /// What the loader remembers while it loads: a word for each section, then a record for each symbol.
    var notebook = Notebook()
    /// Behind everything.
    var end: UInt64 = 0
    /// The largest alignment.
    var alignment: UInt64 = 1
    /// The link address of `_start`.
    var entry: UInt64 = 0

    /// Behind the sections and the common symbols.
    var memoryEnd: UInt64 { placed.memory.address }
    /// Where the groups of sections begin and end.
    var bounds: GroupBounds { placed.bounds }
    /// The link address of the block's template.
    var templateStart: UInt64 { placed.bounds.start(.threadLocalData) }

    /// How far below TP the block begins (variant II; its first byte is a multiple of its alignment).
    var blockDistance: UInt64 {
        var cursor = placed.block
        cursor.align(blockAlignment)
        return cursor.address
    }
}

extension ObjectImage {
    /// Plans the memory of the file, whose sections and symbols are known.
    @inline(never)
    mutating func plan() throws(Fault) {
        let (start, indirectFunctions) = surveySymbols()
        let table = Place.sectionHeader(UInt64(symbols.section))
        guard start != 0, let startSymbol = symbols[start] else { throw Fault(.entrySymbolMissing, table) }
        guard case .section(let startSection) = symbols.definition(of: startSymbol, at: start) else {
            throw Fault(.entrySymbolMissing, .entry(section: UInt64(symbols.section), index: UInt64(start)))
        }
        try surveySections()

        var placed = place()
        var startSize: UInt64 = 0
        while try placed.next(in: sections) {
            if placed.isWrittenCode { layout.hasWrittenCode = true }
            guard placed.index == startSection, !placed.group.isThreadLocal else { continue }
            startSize = placed.size
            layout.entry = placed.offset &+ startSymbol.value
        }
        guard startSymbol.value < startSize else {
            throw Fault(
                .entryOutsideSection, .sectionHeader(UInt64(startSection)), value: startSymbol.value,
                limit: startSize)
        }
        // There is no memory yet: what is noted is lost.
        var nowhere = ByteRegion(MutableRawSpan(), at: 0)
        try placeCommon(&placed, in: &nowhere)
        layout.placed = placed

        var cursor = placed.memory
        let size = try surveyRelocations() &+ indirectFunctions &* GlobalOffsetTable.stubSize
        layout.hasGeneratedCode = indirectFunctions > 0 || layout.hasDescriptors
        // Code gets pages of its own, so that nothing else need be executable or code writable.
        if layout.hasGeneratedCode { cursor.align(0x1000) }
        layout.tableStart = try cursor.place(size, 16, else: .sectionAlignment, .none)
        layout.tableEnd = cursor.address
        if layout.hasDescriptors, let code = Supplement(behind: cursor.address) {
            layout.supplement = code
            cursor.address = code.end
        }
        layout.programEnd = cursor.address
        layout.notebook = Notebook(behind: try cursor.place(0, 8, else: .sectionAlignment, .none), sections, symbols)
        layout.end = layout.notebook.end
        layout.alignment = max(cursor.alignment, layout.blockAlignment)
    }

    /// Looks at every symbol: finds `_start`, 0 where there is none, and counts functions that choose an implementation.
    private mutating func surveySymbols() -> (start: UInt32, indirectFunctions: UInt64) {
        var start: UInt32 = 0
        var indirectFunctions: UInt64 = 0
        var numbers = symbols.numbers
        while let index = numbers.next() {
            guard let symbol = symbols[index], !symbol.isUndefined else { continue }
            if symbol.isIndirectFunction { indirectFunctions &+= 1 }
            // That it is a power of two is checked when the symbol is placed.
            if symbol.isThreadLocal, symbols.definition(of: symbol, at: index) == .common {
                layout.blockAlignment = max(layout.blockAlignment, symbol.value)
            }
            guard symbol.binding != 0 else { continue }
            if start == 0, symbols.isNamed(symbol, "_start") { start = index }
            if symbols.isNamed(symbol, "__tls_get_addr") { layout.hasTLSFunction = true }
        }
        return (start, indirectFunctions)
    }

    /// Looks at every section's header. Throws `sectionAlignment` or `sectionCompressed`.
    private mutating func surveySections() throws(Fault) {
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard let group = SectionGroup(section) else { continue }
            let place = Place.sectionHeader(UInt64(index))
            guard section.addralign & (section.addralign &- 1) == 0 || section.addralign == 0 else {
                throw Fault(.sectionAlignment, place, value: section.addralign)
            }
            guard section.flags & SectionHeader.Flags.compressed == 0 else {
                throw Fault(.sectionCompressed, place)
            }
            if group.isThreadLocal { layout.blockAlignment = max(layout.blockAlignment, section.addralign) }
        }
    }

    /// Looks at every relocation: how much room the GOT needs at the most, which is a slot for each symbol, but no more than there
    /// are relocations that want one. Throws what reading them does, and `bytesListedTwice`.
    private mutating func surveyRelocations() throws(Fault) -> UInt64 {
        var counts = InlineArray<4, UInt64>(repeating: 0)
        var reading = BytesRead(limit: sections.file.count)
        var relocations = ObjectRelocations(sections)
        while try relocations.nextSection(of: sections) {
            let index = relocations.section
            try reading.add(sections[index].size, .sectionHeader(UInt64(index)))
            while try relocations.next() {
                guard let formula = RelocationMeaning(relocations.entry.type)?.formula else { continue }
                let kind = formula.slot
                if formula == .tlsDescriptor || kind == .descriptor { layout.hasDescriptors = true }
                guard let kind else { continue }
                var counts = counts.mutableSpan
                counts[Int(kind.rawValue)] &+= 1
            }
        }
        // Counts of entries and symbols in a file: sums and products stay far below 2^64.
        var size = GlobalOffsetTable.reservedSize
        var raw: UInt8 = 0
        while let kind = SlotKind(rawValue: raw) {
            size &+= min(counts.span[Int(raw)], UInt64(symbols.count)) &* kind.size
            raw &+= 1
        }
        return size
    }
}
