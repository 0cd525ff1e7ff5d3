// The dynamic symbol table and the string table, which `readTables` has found without section headers.

import Bytes
public import ELF

/// The dynamic symbols of an image.
public struct SymbolTable: ~Escapable, Sendable {
    private let symbols: ByteView
    /// The string table's range in the file.
    private let strings: FileRange
    /// The number of symbols.
    public let count: UInt64

    /// The table of `count` symbols, and their names.
    @_lifetime(copy symbols)
    init(_ symbols: ByteView, _ strings: FileRange, count: UInt64) {
        self.symbols = symbols
        self.strings = strings
        self.count = count
    }

    /// The symbol at `index`, nil if the table is shorter.
    public subscript(index: UInt32) -> Symbol? {
        guard UInt64(index) < count else { return nil }
        return Symbol(symbols.entry(Int(index), size: Int(Symbol.size)))
    }

    /// The run-time address of the symbol at `index`, with the image at link address + `bias`; nil if there is no such symbol, or it
    /// is undefined or not simply an address.
    func address(_ index: UInt32, bias: UInt64) -> UInt64? {
        guard index > 0, UInt64(index) < count else { return nil }
        let record = symbols.entry(Int(index), size: Int(Symbol.size))
        let shndx = record.u16(6)
        let type = record.u8(4) & 0xf
        guard type < Symbol.Kind.threadLocal, shndx != SectionIndex.undefined else { return nil }
        return shndx == SectionIndex.absolute ? record.u64(8) : record.u64(8) &+ bias
    }

    /// The file offset of `symbol`'s name, 0 if it has none or it is outside the string table.
    public func nameOffset(of symbol: Symbol) -> UInt64 {
        symbol.name != 0 && UInt64(symbol.name) < strings.size ? strings.start &+ UInt64(symbol.name) : 0
    }
}
