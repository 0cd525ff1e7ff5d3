// The symbols of an object file (gABI, chapter "Symbol Table").

import Bytes
public import Diagnostics
public import ELF

/// SHT_SYMTAB, its names, and the section indices of symbols that need more than 16 bits for theirs.
public struct ObjectSymbols: ~Escapable {
    private let symbols: ByteView
    private let strings: ByteView
    private let stringsOffset: UInt64
    private let extended: ByteView
    /// The index of the section that holds the table.
    public let section: UInt32
    /// The number of symbols.
    public let count: UInt32

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

    /// Finds the table among `sections`.
    ///
    /// Throws `noSymbolTable`, `badEntrySize`, `tableSizeNotMultiple`, `badSectionLink` or `sectionBeyondFile`.
    @_lifetime(copy sections)
    public init(_ sections: borrowing SectionTable) throws(Fault) {
        var found: UInt32 = 0
        var indices: UInt32 = 0
        var numbers = sections.numbers
        while let index = numbers.next() {
            switch sections[index].type {
            case SectionHeader.Kind.symbolTable where found == 0: found = index
            case SectionHeader.Kind.extendedIndices where indices == 0: indices = index
            default: break
            }
        }
        guard found != 0 else { throw Fault(.noSymbolTable, .header) }
        let table = sections[found]
        let place = Place.sectionHeader(UInt64(found))
        guard table.entsize == Symbol.size else {
            throw Fault(.badEntrySize, place, value: table.entsize, limit: Symbol.size)
        }
        guard table.size % Symbol.size == 0 else {
            throw Fault(.tableSizeNotMultiple, place, value: table.size, limit: Symbol.size)
        }
        guard table.link < sections.count, sections[table.link].type == SectionHeader.Kind.stringTable else {
            throw Fault(.badSectionLink, place, value: UInt64(table.link), limit: UInt64(sections.count))
        }
        symbols = try sections.contents(found)
        guard let count = UInt32(exactly: symbols.count / Symbol.size) else {
            throw Fault(.sectionTooLarge, place, value: table.offset, limit: table.size)
        }
        self.count = count
        strings = try sections.contents(table.link)
        stringsOffset = sections[table.link].offset
        section = found
        if indices != 0 {
            guard sections[indices].link == found else {
                throw Fault(
                    .badSectionLink, .sectionHeader(UInt64(indices)), value: UInt64(sections[indices].link),
                    limit: UInt64(sections.count))
            }
            extended = try sections.contents(indices)
        } else {
            extended = sections.file.part(at: 0, size: 0)
        }
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
