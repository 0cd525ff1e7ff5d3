// The symbols that no file defines and every linker does.

import Bytes
import Diagnostics
import ELF

/// The symbols that linkers define where a file only refers to them.
enum LinkerSymbol: UInt8 {
    case globalOffsetTable, executableStart, etext, oldEtext, edata, oldEdata, bssStart, end, oldEnd
    case preinitArrayStart, preinitArrayEnd, initArrayStart, initArrayEnd, finiArrayStart, finiArrayEnd, blockBase

    /// In the order of the cases.
    private static var names: Text {
        """
        _GLOBAL_OFFSET_TABLE_ __executable_start _etext etext _edata edata __bss_start _end end __preinit_array_start \
        __preinit_array_end __init_array_start __init_array_end __fini_array_start __fini_array_end _TLS_MODULE_BASE_
        """
    }

    /// The one that the undefined symbol `symbol` is, nil where it is not a linker's.
    init?(_ symbol: Symbol, _ symbols: borrowing ObjectSymbols) {
        var names = LinkerSymbol.names
        var number: UInt8 = 0
        while names.count > 0 {
            let end = names.index(of: UInt8(ascii: " "))
            if symbols.isNamed(symbol, names[0, end]) {
                self.init(rawValue: number)
                return
            }
            names = names[end &+ 1, names.count]
            number &+= 1
        }
        return nil
    }
}

extension ObjectLayout {
    /// The link address that linkers give to `symbol`; for the beginning of the block of thread-local storage, which has none, the
    /// offset in the block that code of the local dynamic model takes it for: that of TP, where its call has been replaced.
    func address(of symbol: LinkerSymbol) -> UInt64 {
        switch symbol {
        case .globalOffsetTable: tableStart
        case .end, .oldEnd: programEnd
        case .blockBase: hasTLSFunction ? 0 : blockDistance
        case .executableStart: 0
        case .etext, .oldEtext: bounds.end(.code)
        case .edata, .oldEdata, .bssStart: bounds.start(.zero)
        case .preinitArrayStart: bounds.start(.preinitArray)
        case .preinitArrayEnd: bounds.end(.preinitArray)
        case .initArrayStart: bounds.start(.initArray)
        case .initArrayEnd: bounds.end(.initArray)
        case .finiArrayStart: bounds.start(.finiArray)
        case .finiArrayEnd: bounds.end(.finiArray)
        }
    }
}

extension ObjectImage {
    /// How many different `__start_NAME` and `__stop_NAME` are looked for: each search goes through all sections.
    static var searchLimit: UInt64 { 64 }

    /// The link address that linkers give to the undefined symbol `symbol`, that of the relocation at hand, for the beginning or
    /// the end of the sections whose name it has behind `__start_` or `__stop_`; nil where it has no such name, or no
    /// section has. Throws `sectionsApart` or `tooManySectionNames`.
    func sectionBound(
        _ symbol: Symbol, _ state: inout ObjectRelocation, in memory: inout ByteRegion
    ) throws(Fault) -> UInt64? {
        let index = state.relocations.entry.symbol
        let known = layout.notebook.address(ofSymbol: index, in: memory)
        if known != 0 { return known &- 1 }
        guard let wanted = symbols.sectionNameOffset(of: symbol) else { return nil }
        guard state.searches < ObjectImage.searchLimit else {
            throw Fault(.tooManySectionNames, state.relocations.place, limit: ObjectImage.searchLimit)
        }
        state.searches &+= 1
        var start: UInt64?
        var end: UInt64 = 0
        var isBehind = false
        var placed = place()
        while try placed.next(in: sections) {
            guard !placed.group.isThreadLocal else { continue }
            guard sections.isSameString(sections.nameOffset(placed.index), wanted.offset) else {
                if start != nil, placed.size > 0 { isBehind = true }
                continue
            }
            guard !isBehind else { throw Fault(.sectionsApart, state.relocations.place) }
            if start == nil { start = placed.offset }
            end = placed.offset &+ placed.size
        }
        guard let start else { return nil }
        let address = wanted.isStart ? start : end
        layout.notebook.remember(address &+ 1, ofSymbol: index, in: &memory)
        return address
    }
}

extension ObjectSymbols {
    /// The file offset of the name of the sections whose beginning or end `symbol` is named for, by `__start_` or
    /// `__stop_`; nil for any other name.
    func sectionNameOffset(of symbol: Symbol) -> (offset: UInt64, isStart: Bool)? {
        let isStart = isNamed(symbol, beginningWith: "__start_")
        guard isStart || isNamed(symbol, beginningWith: "__stop_") else { return nil }
        return (nameOffset(of: symbol) &+ (isStart ? 8 : 7), isStart)
    }
}

extension SectionTable {
    /// How many bytes of names are compared: they can be as long as the file, and each section's the same.
    static var nameLimit: UInt64 { 256 }

    /// Whether the NUL-terminated strings at two offsets of the file, of at most `nameLimit` bytes, are the same.
    @inline(never)
    func isSameString(_ first: UInt64, _ second: UInt64) -> Bool {
        guard first != 0 else { return false }
        var index: UInt64 = 0
        while index <= SectionTable.nameLimit, let byte = file.byte(at: first &+ index),
            byte == file.byte(at: second &+ index)
        {
            if byte == 0 { return index > 0 }
            index &+= 1
        }
        return false
    }
}
