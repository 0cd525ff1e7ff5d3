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

    /// Which group begins or ends there, in the order of the cases: its mark in `GroupBounds`, of which "a" is the first; "." stands
    /// for none.
    private static var marks: Text { ".abbqqq..ijklmn." }

    /// The index of its mark among those of groups.
    fileprivate var mark: UInt8 { LinkerSymbol.marks[Int(rawValue)] &- UInt8(ascii: "a") }

    /// The one that the undefined symbol whose name is at `name` of the string table is, nil where it is not a linker's.
    @inline(never)
    init?(named name: UInt32, in image: borrowing ObjectImage) {
        var names = LinkerSymbol.names
        var number: UInt8 = 0
        while names.count > 0 {
            let end = names.index(of: UInt8(ascii: " "))
            if image.isName(name, names[0, end]) {
                self.init(rawValue: number)
                return
            }
            names = names[end &+ 1, names.count]
            number &+= 1
        }
        return nil
    }
}

extension ObjectImage {
    /// The link address that linkers give to `symbol`; for the beginning of the block of thread-local storage, which has none, the
    /// offset in the block that code of the local dynamic model takes it for: that of TP, where its call has been replaced.
    func address(of symbol: LinkerSymbol) -> UInt64 {
        switch symbol {
        case .globalOffsetTable: layout.tableStart
        case .end, .oldEnd: layout.programEnd
        case .blockBase: layout.hasTLSFunction ? 0 : layout.blockDistance
        default: placed.bounds[symbol.mark]
        }
    }

    /// How many different `__start_NAME` and `__stop_NAME` are looked for: each search goes through all sections.
    static var searchLimit: UInt64 { 64 }

    /// The link address that linkers give to the symbol of the relocation at hand, undefined, for the beginning or the end of
    /// the sections whose name it has behind `__start_` or `__stop_`; nil where it has no such name, or no section has. Throws
    /// `sectionsApart` or `tooManySectionNames`.
    @inline(never)
    func sectionBound(_ state: inout ObjectRelocator, in memory: inout ByteRegion) throws(Fault) -> UInt64? {
        guard let wanted = sectionName(of: state.symbol.entry.name) else { return nil }
        guard state.searches < ObjectImage.searchLimit else {
            throw Fault(.tooManySectionNames, state.relocations.place, limit: ObjectImage.searchLimit)
        }
        state.searches &+= 1
        var (start, end) = (UInt64.max, UInt64(0))
        var numbers = sections.numbers
        while let number = numbers.next() {
            let section = sections[number]
            guard case .memory(let address) = layout.scratch.home(of: number, in: &memory),
                sections.isCalled(wanted, section)
            else { continue }
            start = min(start, address)
            end = max(end, address &+ section.size)
        }
        guard start <= end else { return nil }
        // Nothing else lies between them.
        numbers = sections.numbers
        while let number = numbers.next() {
            let section = sections[number]
            guard case .memory(let address) = layout.scratch.home(of: number, in: &memory), section.size > 0,
                address >= start, address < end, !sections.isCalled(wanted, section)
            else { continue }
            throw Fault(.sectionsApart)
        }
        return wanted.isStart ? start : end
    }
}

/// The name of sections, as the symbol tells it that is named for where they begin or end.
struct SectionName {
    /// Where the file holds it, and its size, a NUL included.
    let offset: UInt64, size: UInt64
    /// Whether the symbol is named for where they begin.
    let isStart: Bool

    /// How many bytes of names are compared: they can be as long as the file, and each section's the same.
    static var limit: UInt64 { 256 }
}

extension ObjectImage {
    /// The name of the sections that the symbol is named for whose name is at `name` of the string table, by `__start_` or
    /// `__stop_`; nil for any other name, and where nothing, or too much, follows.
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
    /// Whether `section` is called `name`.
    @inline(never)
    func isCalled(_ name: SectionName, _ section: SectionHeader) -> Bool {
        let own = nameOffset(section)
        return own != 0 && file.areSame(name.offset, own, count: name.size)
    }
}
