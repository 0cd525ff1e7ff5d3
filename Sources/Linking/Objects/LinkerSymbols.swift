// The symbols that no file defines, but every linker does.

import Bytes
import Diagnostics
import ELF

/// The symbols that linkers define if a file only refers to them.
enum LinkerSymbol: UInt8 {
    case globalOffsetTable, executableStart, etext, oldEtext, edata, oldEdata, bssStart, end, oldEnd
    case preinitArrayStart, preinitArrayEnd, initArrayStart, initArrayEnd, finiArrayStart, finiArrayEnd, blockBase

    /// The symbol's name.
    private var name: Text {
        switch self {
        case .globalOffsetTable: "_GLOBAL_OFFSET_TABLE_"
        case .executableStart: "__executable_start"
        case .etext: "_etext"
        case .oldEtext: "etext"
        case .edata: "_edata"
        case .oldEdata: "edata"
        case .bssStart: "__bss_start"
        case .end: "_end"
        case .oldEnd: "end"
        case .preinitArrayStart: "__preinit_array_start"
        case .preinitArrayEnd: "__preinit_array_end"
        case .initArrayStart: "__init_array_start"
        case .initArrayEnd: "__init_array_end"
        case .finiArrayStart: "__fini_array_start"
        case .finiArrayEnd: "__fini_array_end"
        case .blockBase: "_TLS_MODULE_BASE_"
        }
    }

    /// The symbol whose name is at `name` of the string table; nil if it is not a linker's.
    init?(named name: UInt32, in image: borrowing ObjectImage) {
        var number: UInt8 = 0
        while let symbol = LinkerSymbol(rawValue: number) {
            if image.isName(name, symbol.name) {
                self = symbol
                return
            }
            number &+= 1
        }
        return nil
    }
}

extension ObjectImage {
    /// The link address that linkers give to `symbol`. The beginning of the block of thread-local storage has no link address: for it
    /// this is the offset in the block that code of the local dynamic model expects, which is that of TP after its call is replaced.
    func address(of symbol: LinkerSymbol) -> UInt64 {
        switch symbol {
        case .globalOffsetTable: layout.tableStart
        case .executableStart: placed.bounds.start(.code)
        case .etext, .oldEtext: placed.bounds.end(.code)
        case .edata, .oldEdata, .bssStart: placed.bounds.start(.zero)
        case .end, .oldEnd: layout.programEnd
        case .preinitArrayStart: placed.bounds.start(.preinitArray)
        case .preinitArrayEnd: placed.bounds.end(.preinitArray)
        case .initArrayStart: placed.bounds.start(.initArray)
        case .initArrayEnd: placed.bounds.end(.initArray)
        case .finiArrayStart: placed.bounds.start(.finiArray)
        case .finiArrayEnd: placed.bounds.end(.finiArray)
        case .blockBase: layout.hasTLSFunction ? 0 : layout.blockDistance
        }
    }

    /// The largest number of different `__start_NAME` and `__stop_NAME` looked up: each search goes through all sections.
    static var searchLimit: UInt64 { 64 }

    /// The link address that linkers give to the undefined symbol of the current relocation, if its name is `__start_` or `__stop_` and the
    /// name of sections: their start or end. Nil if it has no such name, or there are no such sections. Throws `sectionsApart` or
    /// `tooManySectionNames`.
    func sectionBound(_ state: inout ObjectRelocator, in memory: borrowing ByteRegion) throws(Fault) -> UInt64? {
        guard let wanted = sectionName(of: state.symbol.entry.name) else { return nil }
        guard state.searches < ObjectImage.searchLimit else {
            throw Fault(.tooManySectionNames, state.relocations.location, limit: ObjectImage.searchLimit)
        }
        state.searches &+= 1
        var (start, end) = (UInt64.max, UInt64(0))
        var numbers = sections.numbers
        while let number = numbers.next() {
            let section = sections[number]
            guard case .memory(let address) = layout.scratch.home(of: number, in: memory),
                sections.isCalled(wanted, section)
            else { continue }
            start = min(start, address)
            end = max(end, address &+ section.size)
        }
        guard start <= end else { return nil }
        // No other section may lie between them.
        numbers = sections.numbers
        while let number = numbers.next() {
            let section = sections[number]
            guard case .memory(let address) = layout.scratch.home(of: number, in: memory), section.size > 0,
                address >= start, address < end, !sections.isCalled(wanted, section)
            else { continue }
            throw Fault(.sectionsApart)
        }
        return wanted.isStart ? start : end
    }
}

/// The name of sections, as part of the name of a symbol for their start or end.
struct SectionName {
    /// The file offset of the name, and its size, including a NUL.
    let offset: UInt64, size: UInt64
    /// Whether the symbol is their start.
    let isStart: Bool

    /// The number of bytes of a name that are compared: each section's name can be as long as the file.
    static var limit: UInt64 { 256 }
}

extension ObjectImage {
    /// The name of sections that follows `__start_` or `__stop_` at `name` of the string table. Nil for any other name, and if the rest is
    /// empty or too long.
    @inline(never)
    func sectionName(of name: UInt32) -> SectionName? {
        let isStart = isName(name, beginningWith: "__start_")
        guard isStart || isName(name, beginningWith: "__stop_") else { return nil }
        let offset = symbols.nameOffset(ofName: name) &+ (isStart ? 8 : 7)
        guard let length = file.stringLength(at: offset, limit: SectionName.limit), length > 0 else { return nil }
        return SectionName(offset: offset, size: length &+ 1, isStart: isStart)
    }
}

extension SectionTable {
    /// Whether `section` has the name `name`.
    @inline(never)
    func isCalled(_ name: SectionName, _ section: SectionHeader) -> Bool {
        let own = nameOffset(section)
        return own != 0 && file.areSame(name.offset, own, count: name.size)
    }
}
