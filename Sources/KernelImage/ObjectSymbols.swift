// The symbols of an object file (gABI, chapter "Symbol Table").

import Bytes
public import Diagnostics
public import ELF

/// SHT_SYMTAB, its names, and the section indices of symbols that need more than 16 bits for theirs.
public struct ObjectSymbols: ~Escapable {
    private var symbols: ByteView
    private var strings: ByteView
    private var stringsOffset: UInt64 = 0
    private var extended: ByteView
    /// The index of the section that holds the table.
    public private(set) var section: UInt32 = 0
    /// The number of symbols.
    public private(set) var count: UInt32 = 0

    /// What st_shndx says of a symbol.
    public enum Definition: Equatable, Sendable {
        /// SHN_UNDEF.
        case undefined
        /// SHN_ABS.
        case absolute
        /// SHN_COMMON, or SHN_X86_64_LCOMMON.
        case common
        /// The index of a section, which may be beyond the last one.
        case section(UInt32)
        /// An index that is reserved, for a purpose that is not known here.
        case reserved(UInt16)
    }

    /// No symbols; `none` is no byte.
    @_lifetime(copy none)
    init(_ none: ByteView) {
        symbols = none
        strings = none
        extended = none
    }

    /// Finds the table among `sections`.
    ///
    /// Throws `noSymbolTable`, `badEntrySize`, `tableSizeNotMultiple`, `badSectionLink` or `sectionBeyondFile`.
    @_lifetime(self: copy sections)
    mutating func find(in sections: borrowing SectionTable) throws(Fault) {
        section = sections.first(of: SectionHeader.Kind.symbolTable)
        guard section != 0 else { throw Fault(.noSymbolTable, .header) }
        symbols = try sections.table(section, Symbol.size)
        count = UInt32(truncatingIfNeeded: symbols.count / Symbol.size)
        guard symbols.count < Symbol.size << 32 else {
            throw Fault(
                .sectionTooLarge, .sectionHeader(UInt64(section)), value: sections[section].offset,
                limit: symbols.count)
        }
        let names = sections[section].link
        guard names < sections.count, sections[names].type == SectionHeader.Kind.stringTable else {
            throw sections.badLink(section, names)
        }
        strings = try sections.contents(names)
        stringsOffset = sections[names].offset
        let indices = sections.first(of: SectionHeader.Kind.extendedIndices)
        guard indices != 0 else { return }
        guard sections[indices].link == section else { throw sections.badLink(indices, sections[indices].link) }
        extended = try sections.contents(indices)
    }

    /// The numbers of the symbols.
    var numbers: EntryNumbers { EntryNumbers(below: count) }

    /// The symbol at `index`, nil where the table is shorter.
    public subscript(index: UInt32) -> Symbol? {
        @inline(never) get {
            guard index < count else { return nil }
            return Symbol(symbols.entry(Int(index), size: Int(Symbol.size)))
        }
    }

    /// Where `symbol`, the one at `index`, is defined.
    @inline(never)
    public func definition(of symbol: Symbol, at index: UInt32) -> Definition {
        switch symbol.shndx {
        case 0: .undefined
        case 0xfff1: .absolute
        case 0xfff2, 0xff02: .common
        case 0xffff: extended.word32(at: UInt64(index) &* 4).map { .section($0) } ?? .reserved(0xffff)
        case 0xff00...: .reserved(symbol.shndx)
        default: .section(UInt32(symbol.shndx))
        }
    }

    /// The file offset of `symbol`'s name, 0 where it has none or it is outside the string table.
    public func nameOffset(of symbol: Symbol) -> UInt64 {
        symbol.name != 0 && UInt64(symbol.name) < strings.count ? stringsOffset &+ UInt64(symbol.name) : 0
    }

    /// Whether `symbol`'s name is `name`.
    @inline(never)
    public func isNamed(_ symbol: Symbol, _ name: Text) -> Bool {
        isNamed(symbol, beginningWith: name)
            && strings.byte(at: UInt64(symbol.name) &+ UInt64(truncatingIfNeeded: name.count)) == 0
    }

    /// Whether `symbol`'s name begins with `name`.
    @inline(never)
    func isNamed(_ symbol: Symbol, beginningWith name: Text) -> Bool {
        guard symbol.name != 0 else { return false }
        var index = 0
        while index < name.count {
            let byte = strings.byte(at: UInt64(symbol.name) &+ UInt64(truncatingIfNeeded: index))
            guard byte == name[index] else { return false }
            index &+= 1
        }
        return true
    }
}
