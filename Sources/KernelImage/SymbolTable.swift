// The dynamic symbol table and the string table, found without section headers.

import Bytes
import Diagnostics
public import ELF

/// The dynamic symbols of an image.
public struct SymbolTable: ~Escapable, Sendable {
    private var symbols: ByteView
    /// Where the string table lies in the file.
    private var stringsOffset: UInt64 = 0, stringsSize: UInt64 = 0
    /// The number of symbols.
    public private(set) var count: UInt64 = 0

    /// No symbols; `none` is no byte.
    @_lifetime(copy none)
    init(_ none: ByteView) { symbols = none }

    /// Finds the table that `section` of `image` names, if it does. Its length is that of DT_HASH or DT_GNU_HASH; without
    /// either, what its segment has room for, and where the latter is empty, what lies in front of the names.
    @_lifetime(self: copy image)
    mutating func find(in image: borrowing KernelImage, _ section: borrowing DynamicSection) throws(Fault) {
        guard let address = section.symbolTable else { return }
        guard section.symbolEntrySize ?? Symbol.size == Symbol.size else {
            throw Fault(
                .badEntrySize, .dynamic(DynamicTag.symbolEntrySize), value: section.symbolEntrySize ?? 0,
                limit: Symbol.size)
        }
        let place = Place.dynamic(DynamicTag.symbolTable)
        let (start, room) = try image.fileOffset(of: address, size: 0, place)
        var length = room / Symbol.size
        let isGNU = section.hash == nil
        let hash = isGNU ? section.gnuHash : section.hash
        if let hash {
            let place = Place.dynamic(isGNU ? DynamicTag.gnuHash : DynamicTag.hash)
            let table = try image.contents(at: hash, place)
            guard let number = isGNU ? SymbolCount.ofGNUHash(table) : SymbolCount.ofHash(table) else {
                throw Fault(.hashTableMalformed, place)
            }
            if !isGNU || number > 1 {
                length = number
            } else if let names = section.stringTable, names > address {
                // GNU ld's table for no exported symbol says nothing of those that are only referred to; names follow them.
                length = min(length, (names &- address) / Symbol.size)
            }
        }
        // Both hash tables count with 32 bits, and `room` is a file's.
        let size = length &* Symbol.size
        guard size <= room else { throw Fault(.dynamicAddressOutsideFile, place, value: address, limit: size) }
        symbols = image.file.part(at: start, size: size)
        count = length
        if let stringTable = section.stringTable {
            stringsSize = section.stringTableSize ?? 0
            stringsOffset = try image.fileOffset(
                of: stringTable, size: stringsSize, .dynamic(DynamicTag.stringTable)
            ).start
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
        symbol.name != 0 && UInt64(symbol.name) < stringsSize ? stringsOffset &+ UInt64(symbol.name) : 0
    }
}
