// The symbols that no file defines and every linker does.

import Bytes
import Diagnostics
import ELF

extension ObjectLayout {
    /// The link address that linkers give to the undefined symbol `symbol`, nil for one that is not theirs.
    func linkerDefined(_ symbol: Symbol, _ symbols: borrowing ObjectSymbols) -> UInt64? {
        // Reserved names only: they begin with an underscore, or are the ancient end, edata and etext.
        if symbols.isNamed(symbol, "_GLOBAL_OFFSET_TABLE_") { return tableStart }
        if symbols.isNamed(symbol, "__executable_start") { return 0 }
        if symbols.isNamed(symbol, "_etext") || symbols.isNamed(symbol, "etext") { return codeEnd }
        if symbols.isNamed(symbol, "_edata") || symbols.isNamed(symbol, "edata") { return zeroStart }
        if symbols.isNamed(symbol, "__bss_start") { return zeroStart }
        if symbols.isNamed(symbol, "_end") || symbols.isNamed(symbol, "end") { return programEnd }
        if symbols.isNamed(symbol, "__preinit_array_start") { return preinitArray.start }
        if symbols.isNamed(symbol, "__preinit_array_end") { return preinitArray.end }
        if symbols.isNamed(symbol, "__init_array_start") { return initArray.start }
        if symbols.isNamed(symbol, "__init_array_end") { return initArray.end }
        if symbols.isNamed(symbol, "__fini_array_start") { return finiArray.start }
        if symbols.isNamed(symbol, "__fini_array_end") { return finiArray.end }
        return nil
    }

    /// Whether `symbol` is the one for the beginning of the block of thread-local storage.
    func isBlockBase(_ symbol: Symbol, _ symbols: borrowing ObjectSymbols) -> Bool {
        symbols.isNamed(symbol, "_TLS_MODULE_BASE_")
    }
}

extension ObjectRelocator {
    /// How many different `__start_NAME` and `__stop_NAME` are looked for: each search goes through all sections.
    private static var searchLimit: Int { 64 }

    /// The link address that linkers give to the undefined symbol `symbol`, the one at `entry.symbol`, for the beginning or
    /// the end of the sections whose name it has behind `__start_` or `__stop_`; nil where it has no such name, or no
    /// section has. Throws `sectionsApart`.
    func sectionBound(
        _ symbol: Symbol, _ entry: RelocationEntry, _ place: Place, _ table: inout GlobalOffsetTable,
        in memory: inout ByteRegion
    ) throws(Fault) -> UInt64? {
        let known = layout.notebook.address(ofSymbol: entry.symbol, in: memory)
        if known != 0 { return known &- 1 }
        let isStart = symbols.isNamed(symbol, beginningWith: "__start_")
        guard isStart || symbols.isNamed(symbol, beginningWith: "__stop_") else { return nil }
        guard table.searches < ObjectRelocator.searchLimit else { return nil }
        table.searches &+= 1
        let wanted = symbols.nameOffset(of: symbol) &+ (isStart ? 8 : 7)
        var start: UInt64?
        var end: UInt64 = 0
        var isBehind = false
        var placed = try PlacedSections(sections, blockAlignment: layout.blockAlignment)
        while let section = try placed.next() {
            guard !section.group.isThreadLocal else { continue }
            guard isSameString(sections.nameOffset(section.index), wanted) else {
                if start != nil, section.header.size > 0 { isBehind = true }
                continue
            }
            guard !isBehind else { throw fault(.sectionsApart, entry, place) }
            if start == nil { start = section.address }
            end = section.address &+ section.header.size
        }
        guard let start else { return nil }
        let address = isStart ? start : end
        layout.notebook.remember(address &+ 1, ofSymbol: entry.symbol, in: &memory)
        return address
    }

    /// Whether the NUL-terminated strings at two offsets of the file are the same.
    private func isSameString(_ first: UInt64, _ second: UInt64) -> Bool {
        guard first != 0 else { return false }
        var index: UInt64 = 0
        while let byte = sections.file.byte(at: first &+ index), byte == sections.file.byte(at: second &+ index) {
            if byte == 0 { return index > 0 }
            index &+= 1
        }
        return false
    }
}
