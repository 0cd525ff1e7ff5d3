// The dynamic symbol table and the string table, found without section headers.

import Bytes
import Diagnostics
public import ELF

/// The dynamic symbols of an image.
public struct SymbolTable: ~Escapable, Sendable {
    private let symbols: ByteView
    private let strings: ByteView
    private let stringsOffset: UInt64
    /// The number of symbols.
    public let count: UInt64

    /// Finds the table that `section` of `file`, whose program headers are `headers`, names; empty where there is none. Its
    /// length is that of DT_HASH or DT_GNU_HASH; without either, what its segment has room for, and where the latter is
    /// empty, what lies in front of the names.
    @_lifetime(copy file)
    init(_ file: ByteView, _ headers: ProgramHeaders, _ section: borrowing DynamicSection) throws(Fault) {
        let none = ByteView(file.span.extracting(first: 0))
        guard let address = section.symbolTable else {
            symbols = none
            strings = none
            stringsOffset = 0
            count = 0
            return
        }
        guard section.symbolEntrySize ?? Symbol.size == Symbol.size else {
            throw Fault(
                .badEntrySize, .dynamic(DynamicTag.symbolEntrySize), value: section.symbolEntrySize ?? 0,
                limit: Symbol.size)
        }
        let room = try headers.contents(at: address, in: file, .dynamic(DynamicTag.symbolTable))
        var length = room.count / Symbol.size
        if let hash = section.hash {
            let table = try headers.contents(at: hash, in: file, .dynamic(DynamicTag.hash))
            guard let number = SymbolCount.ofHash(table) else {
                throw Fault(.hashTableMalformed, .dynamic(DynamicTag.hash))
            }
            length = number
        } else if let hash = section.gnuHash {
            let table = try headers.contents(at: hash, in: file, .dynamic(DynamicTag.gnuHash))
            guard let number = SymbolCount.ofGNUHash(table) else {
                throw Fault(.hashTableMalformed, .dynamic(DynamicTag.gnuHash))
            }
            if number > 1 {
                length = number
            } else if let names = section.stringTable, names > address {
                // GNU ld's table for no exported symbol says nothing of those that are only referred to; names follow them.
                length = min(length, (names &- address) / Symbol.size)
            }
        }
        // Both hash tables count with 32 bits, and `room` is a file's.
        symbols = try headers.contents(
            at: address, size: length &* Symbol.size, in: file, .dynamic(DynamicTag.symbolTable))
        count = length
        if let stringTable = section.stringTable {
            strings = try headers.contents(
                at: stringTable, size: section.stringTableSize ?? 0, in: file, .dynamic(DynamicTag.stringTable))
            stringsOffset = try headers.fileOffset(of: stringTable, .dynamic(DynamicTag.stringTable)).start
        } else {
            strings = none
            stringsOffset = 0
        }
    }

    /// The symbol at `index`, nil where the table is shorter.
    public subscript(index: UInt32) -> Symbol? {
        guard UInt64(index) < count else { return nil }
        return Symbol(symbols.entry(Int(index), size: Int(Symbol.size)))
    }

    /// The run-time address of the symbol at `index`, with the image at link address + `bias`; nil where there is none, or
    /// it is undefined or not simply an address.
    func address(_ index: UInt32, bias: UInt64) -> UInt64? {
        guard index > 0, UInt64(index) < count else { return nil }
        let record = symbols.entry(Int(index), size: Int(Symbol.size))
        let shndx = record.u16(6)
        let type = record.u8(4) & 0xf
        guard type < 6, shndx != 0 else { return nil }
        return shndx == 0xfff1 ? record.u64(8) : record.u64(8) &+ bias
    }

    /// The file offset of `symbol`'s name, 0 where it has none or it is outside the string table.
    public func nameOffset(of symbol: Symbol) -> UInt64 {
        symbol.name != 0 && UInt64(symbol.name) < strings.count ? stringsOffset &+ UInt64(symbol.name) : 0
    }
}
