// The symbols of an object file (gABI, chapter "Symbol Table").

import Architecture
import Bytes
import Diagnostics
public import ELF

/// The symbol table, SHT_SYMTAB, its names, and the section indices that need more than 16 bits.
public struct ObjectSymbols: ~Escapable {
    fileprivate var symbols: ByteView
    /// The string table that holds their names.
    private(set) var strings: ByteView
    /// The file offset of their names.
    private(set) var namesStart: UInt64 = 0
    private var extended: ByteView
    /// The index of the section that holds the table.
    public private(set) var section: UInt32 = 0
    /// The number of symbols.
    public private(set) var count: UInt32 = 0

    /// The place where a symbol is defined: st_shndx.
    public enum Definition: Equatable, Sendable {
        /// SHN_UNDEF.
        case undefined
        /// SHN_ABS.
        case absolute
        /// SHN_COMMON, or SHN_X86_64_LCOMMON.
        case common
        /// The index of a section, which may be past the last one.
        case section(UInt32)
        /// A reserved index of unknown meaning.
        case reserved(UInt16)
    }

    /// No symbols; `none` is an empty view.
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
                .sectionTooLarge, .sectionHeader(UInt64(section)), value: sections[section].fileStart,
                limit: symbols.count)
        }
        let link = sections[section].link
        guard link < sections.count else { throw sections.badLink(section, link) }
        let names = sections[link]
        guard names.type == SectionHeader.Kind.stringTable else { throw sections.badLink(section, link) }
        strings = try sections.contents(link)
        namesStart = names.fileStart
        let indices = sections.first(of: SectionHeader.Kind.extendedIndices)
        guard indices != 0 else { return }
        let indicesLink = sections[indices].link
        guard indicesLink == section else { throw sections.badLink(indices, indicesLink) }
        extended = try sections.contents(indices)
    }

    /// The symbol at `index`, nil if the table is shorter.
    public subscript(index: UInt32) -> Symbol? {
        var symbol = ObjectSymbol()
        return symbol.read(index, of: self) ? symbol.entry : nil
    }

    /// The place where `symbol`, the one at `index`, is defined.
    fileprivate func definition(of symbol: Symbol, at index: UInt32) -> Definition {
        switch symbol.shndx {
        case SectionIndex.undefined: .undefined
        case SectionIndex.absolute: .absolute
        case SectionIndex.common, SectionIndex.largeCommon: .common
        case SectionIndex.extended:
            extended.word32(at: UInt64(index) &* 4).map { .section($0) } ?? .reserved(symbol.shndx)
        case SectionIndex.firstReserved...: .reserved(symbol.shndx)
        default: .section(UInt32(symbol.shndx))
        }
    }

    /// The file offset of `symbol`'s name, 0 if it has none or it is outside the string table.
    public func nameOffset(of symbol: Symbol) -> UInt64 { nameOffset(ofName: symbol.name) }

    /// The file offset of the name at `name` of the string table, 0 if that is 0 or outside.
    @inline(never)
    func nameOffset(ofName name: UInt32) -> UInt64 {
        name != 0 && UInt64(name) < strings.count ? namesStart &+ UInt64(name) : 0
    }
}

/// A symbol of an object file, read one after the other or by its index.
public struct ObjectSymbol {
    /// Its index; 0 before the first.
    public private(set) var index: UInt32 = 0
    /// The symbol's entry: Elf64_Sym.
    public private(set) var entry = Symbol(function: 0)
    /// The place of its definition.
    public private(set) var definition = ObjectSymbols.Definition.undefined

    /// The state before the first symbol.
    @inline(never)
    public init() {}

    /// Reads the symbol at `index`; false if `symbols` has fewer.
    @inline(never)
    public mutating func read(_ index: UInt32, of symbols: borrowing ObjectSymbols) -> Bool {
        guard index < symbols.count else { return false }
        self.index = index
        entry = Symbol(symbols.symbols.entry(Int(index), size: Int(Symbol.size)))
        definition = symbols.definition(of: entry, at: index)
        return true
    }
}
