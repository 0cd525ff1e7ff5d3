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
    /// Behind the sections and the common symbols.
    var memoryEnd: UInt64 = 0
    /// Whether a section is both written and executed.
    var hasWrittenCode = false
    /// Whether there is a .ctors or .dtors.
    var hasOldArrays = false
    /// Whether stubs or the code of TLS descriptors follow.
    var hasGeneratedCode = false
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
    /// The block of thread-local storage: how many bytes of its template are initialised, its size and its alignment.
    var templateSize: UInt64 = 0, blockSize: UInt64 = 0, blockAlignment: UInt64 = 1
    /// Where the groups of sections begin and end.
    var bounds = GroupBounds()
    /// The link address of `_start`.
    var entry: UInt64 = 0
    /// Whether the file brings its own __tls_get_addr, so that its code for the general and local dynamic models works
    /// as it stands.
    var hasTLSFunction = false

    /// The link address of the block's template.
    var templateStart: UInt64 { bounds.start(.threadLocalData) }

    /// The link address of `section`, of a thread-local one that of its bytes in the template.
    func address(of section: PlacedSection) -> UInt64 {
        section.group.isThreadLocal ? templateStart &+ section.address : section.address
    }

    /// How far below TP the block begins (variant II; its first byte is a multiple of its alignment).
    var blockDistance: UInt64 { (blockSize &+ (blockAlignment &- 1)) & ~(blockAlignment &- 1) }

    /// Plans the memory of a file with these sections and symbols.
    @inline(never)
    mutating func plan(_ sections: SectionTable, _ symbols: borrowing ObjectSymbols) throws(Fault) {
        let needs = SymbolNeeds(symbols)
        guard let start = needs.entry, let startSymbol = symbols[start] else {
            throw Fault(.entrySymbolMissing, .sectionHeader(UInt64(symbols.section)))
        }
        guard case .section(let startSection) = symbols.definition(of: startSymbol, at: start) else {
            throw Fault(
                .entrySymbolMissing, .entry(section: UInt64(symbols.section), index: UInt64(start)))
        }
        hasTLSFunction = needs.hasTLSFunction

        var placed = PlacedSections(sections)
        try placed.survey(blockAlignment: needs.commonBlockAlignment)
        var hasEntry = false
        while let section = try placed.next() {
            if section.isWrittenCode { hasWrittenCode = true }
            guard section.index == startSection, !section.group.isThreadLocal else { continue }
            guard startSymbol.value < section.size else {
                throw Fault(
                    .entryOutsideSection, .sectionHeader(UInt64(startSection)), value: startSymbol.value,
                    limit: section.size)
            }
            entry = section.address &+ startSymbol.value
            hasEntry = true
        }
        guard hasEntry else {
            throw Fault(.entryOutsideSection, .sectionHeader(UInt64(startSection)), value: startSymbol.value)
        }
        if needs.hasCommon {
            var numbers = symbols.numbers
            while let index = numbers.next() {
                guard let symbol = symbols[index], symbols.definition(of: symbol, at: index) == .common else {
                    continue
                }
                _ = try placed.place(common: symbol, at: index, symbols.section)
            }
        }
        templateSize = placed.templateSize
        blockSize = placed.block.address
        blockAlignment = placed.block.alignment
        bounds = placed.bounds
        hasOldArrays = placed.hasOldArrays

        var cursor = placed.memory
        memoryEnd = cursor.address
        let table = try TableNeeds(sections, symbols, indirectFunctions: needs.indirectFunctions)
        hasGeneratedCode = needs.indirectFunctions > 0 || table.hasDescriptors
        // Code gets pages of its own, so that nothing else need be executable or code writable.
        if hasGeneratedCode { cursor.align(0x1000) }
        tableStart = try cursor.place(table.size, 16, else: .sectionAlignment, .none)
        tableEnd = cursor.address
        if table.hasDescriptors, let code = Supplement(behind: cursor.address) {
            supplement = code
            cursor.address = code.end
        }
        programEnd = cursor.address
        notebook = Notebook(behind: try cursor.place(0, 8, else: .sectionAlignment, .none), sections, symbols)
        end = notebook.end
        alignment = max(cursor.alignment, blockAlignment)
    }
}

/// What a look at every symbol tells.
private struct SymbolNeeds {
    /// The index of `_start`.
    var entry: UInt32?
    var hasTLSFunction = false
    var hasCommon = false
    var commonBlockAlignment: UInt64 = 1
    var indirectFunctions: UInt64 = 0

    init(_ symbols: borrowing ObjectSymbols) {
        var numbers = symbols.numbers
        while let index = numbers.next() {
            guard let symbol = symbols[index], !symbol.isUndefined else { continue }
            if symbol.isIndirectFunction { indirectFunctions &+= 1 }
            if symbols.definition(of: symbol, at: index) == .common {
                hasCommon = true
                // A power of two is checked when the symbol is placed.
                if symbol.isThreadLocal { commonBlockAlignment = max(commonBlockAlignment, symbol.value) }
            }
            guard symbol.binding != 0 else { continue }
            if entry == nil, symbols.isNamed(symbol, "_start") {
                entry = index
            } else if symbols.isNamed(symbol, "__tls_get_addr") {
                hasTLSFunction = true
            }
        }
    }
}

/// How much room the GOT needs at the most: a slot for each symbol, but no more than there are relocations that want one.
private struct TableNeeds {
    var size: UInt64
    var hasDescriptors = false

    init(
        _ sections: SectionTable, _ symbols: borrowing ObjectSymbols, indirectFunctions: UInt64
    ) throws(Fault) {
        var counts = InlineArray<4, UInt64>(repeating: 0)
        var reading = BytesRead(limit: sections.file.count)
        var relocations = ObjectRelocations(sections)
        while try relocations.nextSection() {
            let index = relocations.section
            try reading.add(sections[index].size, .sectionHeader(UInt64(index)))
            while let type = try relocations.next()?.type {
                if type == 36 { hasDescriptors = true }
                guard let kind = RelocationMeaning(type)?.formula.slot else { continue }
                counts[Int(kind.rawValue)] &+= 1
            }
        }
        hasDescriptors = hasDescriptors || counts[Int(SlotKind.descriptor.rawValue)] > 0
        // Counts of entries and symbols in a file: sums and products stay far below 2^64.
        size = GlobalOffsetTable.reservedSize &+ indirectFunctions &* GlobalOffsetTable.stubSize
        for raw in 0..<UInt8(4) {
            guard let kind = SlotKind(rawValue: raw) else { continue }
            size &+= min(counts[Int(kind.rawValue)], UInt64(symbols.count)) &* kind.size
        }
    }
}
