// Finds the function that an address belongs to, in the symbol table that the file has.

import Bytes
import Diagnostics
import ELF

/// The function or object, among many symbols, that begins nearest at or below an address.
struct NearestSymbol {
    private let address: UInt64
    private var best: Symbol?

    /// No symbol yet.
    init(below address: UInt64) { self.address = address }

    /// Considers `symbol`, which is defined in the same address space.
    mutating func consider(_ symbol: Symbol) {
        guard symbol.tellsPlace, symbol.value <= address else { return }
        if let best, best.value > symbol.value || best.value == symbol.value && !symbol.tells(betterThan: best) {
            return
        }
        best = symbol
    }

    /// The result; nil if it has no name among the `size` bytes of names at `names` of the file.
    func location(names: UInt64, size: UInt64) -> LinkedImage.Location? {
        guard let best, UInt64(best.name) < size else { return nil }
        return LinkedImage.Location(nameOffset: names &+ UInt64(best.name), offset: address &- best.value)
    }
}

extension LinkedImage {
    /// A symbol, and the offset of an address in it.
    public struct Location: Equatable, Sendable {
        /// The file offset of the symbol's name.
        public var nameOffset: UInt64
        /// The number of bytes from the symbol's start.
        public var offset: UInt64
    }

    /// The function or object in SHT_SYMTAB, or else SHT_DYNSYM, that begins nearest at or below link address `address`; nil
    /// without section headers or if none fits. Linear in the number of symbols.
    public func locate(_ address: UInt64) -> Location? {
        guard let sections = try? SectionTable(file, header) else { return nil }
        // A file has one section of each type (gABI); of a file that has more, only the first is searched.
        return nearest(to: address, sections.first(of: SectionHeader.Kind.symbolTable), sections)
            ?? nearest(to: address, sections.first(of: SectionHeader.Kind.dynamicSymbols), sections)
    }

    private func nearest(to address: UInt64, _ table: UInt32, _ sections: borrowing SectionTable) -> Location? {
        // Without such a section this is the null section, which has no bytes.
        let link = sections[table].link
        guard link < sections.count, let symbols = try? sections.contents(table), (try? sections.contents(link)) != nil
        else { return nil }
        var nearest = NearestSymbol(below: address)
        for index in 0..<Int(truncatingIfNeeded: symbols.count / Symbol.size) {
            let symbol = Symbol(symbols.entry(index, size: Int(Symbol.size)))
            if !symbol.isUndefined, !symbol.isAbsolute { nearest.consider(symbol) }
        }
        return nearest.location(names: sections[link].fileStart, size: sections[link].fileSize)
    }
}
