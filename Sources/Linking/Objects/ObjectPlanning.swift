// Plans the memory of an object file, as a linker would: sections, common symbols, GOT and stubs.

import Architecture
import Bytes
import Diagnostics
import ELF

extension ObjectImage {
    /// Plans the memory of the file, whose sections and symbols have been found.
    mutating func plan() throws(Fault) {
        let (entryIndex, indirectFunctions) = try surveySymbols()
        guard entryIndex != 0 else { throw Fault(.entrySymbolMissing, .sectionHeader(UInt64(symbols.section))) }
        var start = ObjectSymbol()
        guard start.read(entryIndex, of: symbols), case .section(let startSection) = start.definition else {
            throw Fault(.entrySymbolMissing, .entry(section: UInt64(symbols.section), index: UInt64(entryIndex)))
        }
        try surveySections()

        var placed = walk()
        var startSize: UInt64 = 0
        while try placed.next(in: sections) {
            if placed.isWrittenCode { layout.hasWrittenCode = true }
            guard placed.index == startSection, !placed.group.isThreadLocal else { continue }
            guard !placed.group.isZero else {
                throw Fault(
                    .entryWithoutBytes, .sectionHeader(UInt64(startSection)), value: start.entry.value)
            }
            startSize = placed.size
            layout.entry = placed.offset &+ start.entry.value
        }
        guard start.entry.value < startSize else {
            throw Fault(
                .entryOutsideSection, .sectionHeader(UInt64(startSection)), value: start.entry.value,
                limit: startSize)
        }
        // There is no memory yet, so nothing is recorded.
        var nowhere = ByteRegion(MutableRawSpan(), at: 0)
        try placeCommon(&placed, in: &nowhere)
        self.placed = placed
        layout.templateStart = placed.bounds.start(.threadLocalData)
        var block = placed.block
        block.align(layout.blockAlignment)
        layout.blockDistance = block.address

        var cursor = placed.memory
        let size = try surveyRelocations() &+ indirectFunctions &* GlobalOffsetTable.stubSize
        layout.hasGeneratedCode = indirectFunctions > 0 || layout.hasDescriptors
        // Code gets pages of its own, so that nothing else is executable, and code is not writable.
        if layout.hasGeneratedCode { cursor.align(PageSize.size4KiB.rawValue) }
        layout.tableStart = try cursor.place(size, 16, else: .sectionAlignment, .none)
        layout.tableEnd = cursor.address
        if layout.hasDescriptors, let code = DescriptorThunks(after: cursor.address) {
            layout.descriptorThunks = code
            cursor.address = code.end
        }
        layout.programEnd = cursor.address
        layout.scratch = LinkScratch(at: try cursor.place(0, 8, else: .sectionAlignment, .none), sections, symbols)
        layout.end = layout.scratch.end
        layout.alignment = max(cursor.alignment, layout.blockAlignment)
    }

    /// Looks at every symbol: finds `_start`, whose index is 0 if there is none, counts STT_GNU_IFUNC symbols, and finds the
    /// alignment of thread-local storage. Throws `commonAlignment` or `sectionTooLarge`.
    private mutating func surveySymbols() throws(Fault) -> (start: UInt32, indirectFunctions: UInt64) {
        var start: UInt32 = 0
        var indirectFunctions: UInt64 = 0
        var symbol = ObjectSymbol()
        while next(&symbol) {
            let entry = symbol.entry
            guard !entry.isUndefined else { continue }
            if entry.isIndirectFunction { indirectFunctions &+= 1 }
            if entry.isThreadLocal, symbol.definition == .common {
                var cursor = PlacementCursor()
                let place = FaultLocation.entry(section: UInt64(symbols.section), index: UInt64(symbol.index))
                _ = try cursor.place(0, entry.value, else: .commonAlignment, place)
                layout.blockAlignment = max(layout.blockAlignment, entry.value)
            }
            guard entry.binding != 0 else { continue }
            if start == 0, isName(entry.name, "_start") { start = symbol.index }
            if isName(entry.name, "__tls_get_addr") { layout.hasTLSFunction = true }
        }
        return (start, indirectFunctions)
    }

    /// Looks at every section's header. Throws `sectionAlignment`, `sectionTooLarge` or `sectionCompressed`.
    private mutating func surveySections() throws(Fault) {
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard let group = sections.home(section) else { continue }
            let place = FaultLocation.sectionHeader(UInt64(index))
            var cursor = PlacementCursor()
            _ = try cursor.place(0, section.addralign, else: .sectionAlignment, place)
            guard section.flags & SectionHeader.Flags.compressed == 0 else {
                throw Fault(.sectionCompressed, place)
            }
            if group.isThreadLocal { layout.blockAlignment = max(layout.blockAlignment, section.addralign) }
            if group.isArray { layout.arrayAlignment = max(layout.arrayAlignment, section.addralign) }
        }
    }

    /// Looks at every relocation, to find the largest size that the GOT can have: a slot for each symbol, but no more than there are
    /// relocations that need one. Throws as reading them does, and `bytesListedTwice`.
    private mutating func surveyRelocations() throws(Fault) -> UInt64 {
        var counts = InlineArray<4, UInt64>(repeating: 0)
        var reading = ReadBudget(limit: sections.file.count)
        var relocations = ObjectRelocationCursor(sections)
        while try relocations.nextSection(of: sections) {
            let index = relocations.section
            try reading.add(sections[index].size, .sectionHeader(UInt64(index)))
            while try relocations.next() {
                guard let formula = RelocationType(relocations.entry.type)?.formula else { continue }
                let kind = formula.slot
                if formula == .tlsDescriptor || kind == .descriptor { layout.hasDescriptors = true }
                guard let kind else { continue }
                var counts = counts.mutableSpan
                counts[Int(kind.rawValue)] &+= 1
            }
        }
        // These are numbers of entries and symbols in a file: sums and products stay far below 2^64.
        var size = GlobalOffsetTable.reservedSize
        var raw: UInt8 = 0
        while let kind = SlotKind(rawValue: raw) {
            size &+= min(counts.span[Int(raw)], UInt64(symbols.count)) &* kind.size
            raw &+= 1
        }
        return size
    }
}
