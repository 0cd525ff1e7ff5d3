// Functions and objects by address: only those that really contain the address.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF

/// The symbols of a file by section and value.
struct AddressSymbols {
    /// A symbol that contains an address.
    struct Match {
        /// The name as it stands in the file.
        let name: String
        /// The address's offset in it.
        let offset: UInt64
    }

    private struct Entry {
        let symbol: Symbol
        /// Its index in the table.
        let number: Int
        let nameOffset: UInt64

        /// The section and the address in it, for comparisons.
        var place: (section: UInt16, value: UInt64) { (symbol.shndx, symbol.value) }

        /// Whether it comes before `other`, by section and value; of symbols at one address the one that names it best comes last.
        func precedes(_ other: Entry) -> Bool {
            guard place == other.place else { return place < other.place }
            return number < other.number
                ? other.symbol.tells(betterThan: symbol) : !symbol.tells(betterThan: other.symbol)
        }
    }

    private struct Section {
        let index: Int
        let addr: UInt64, size: UInt64
        let name: String
    }

    /// Whether the table is .symtab rather than .dynsym.
    private(set) var isComplete = false
    /// Whether there is DWARF.
    private(set) var hasLines = false
    private var entries: [Entry] = []
    private var sections: [Section] = []

    /// The symbols of `file`, of any form; empty if its header or its sections cannot be read.
    init(_ file: ByteView) {
        guard let header = try? AnyFileHeader(file), let table = try? SectionListing(file, header) else { return }
        var symbols: Int?
        for index in 0..<table.count {
            let section = table[index]
            let name = table.name(section).text
            if name == ".debug_info" || name == ".zdebug_info" { hasLines = true }
            // SHT_SYMTAB and SHT_DYNSYM.
            if section.type == SectionHeader.Kind.symbolTable {
                symbols = index
                isComplete = true
            } else if section.type == SectionHeader.Kind.dynamicSymbols, symbols == nil {
                symbols = index
            }
            // Sections without memory have no addresses, and those of thread-local sections are of another kind.
            guard section.isLoaded, section.flags & SectionHeader.Flags.threadLocal == 0 else { continue }
            sections.append(Section(index: index, addr: section.addr, size: section.size, name: name))
        }
        guard let symbols, table[symbols].link < table.count, let contents = try? table.contents(symbols) else {
            return
        }
        let strings = table[Int(table[symbols].link)]
        for index in 0..<Int(truncatingIfNeeded: contents.count / header.form.symbolSize) {
            let symbol = header.form.symbol(contents, index)
            guard symbol.tellsPlace, !symbol.isUndefined, symbol.shndx < SectionIndex.firstReserved,
                UInt64(symbol.name) < strings.fileSize
            else { continue }
            entries.append(
                Entry(symbol: symbol, number: index, nameOffset: strings.fileStart &+ UInt64(symbol.name)))
        }
        entries.sort { $0.precedes($1) }
    }

    /// The section that link address `address` is in.
    func section(at address: UInt64) -> (index: Int, name: String, offset: UInt64)? {
        sections.first { address >= $0.addr && address &- $0.addr < $0.size }
            .map { ($0.index, $0.name, address &- $0.addr) }
    }

    /// The symbol that `value` is within, an address or in object files an offset in the section number `section`. One without a size
    /// reaches to the next.
    func find(_ value: UInt64, inSection section: Int, of file: ByteView) -> Match? {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            let entry = entries[middle].place
            if (Int(entry.section), entry.value) <= (section, value) { low = middle + 1 } else { high = middle }
        }
        // The nearest that reaches so far; before it there may be a larger one around it.
        var nearest: UInt64?
        for entry in entries[..<low].reversed().prefix(256) {
            let symbol = entry.symbol
            guard Int(symbol.shndx) == section else { return nil }
            let offset = value &- symbol.value
            let reaches = symbol.size == 0 ? nearest == nil || nearest == symbol.value : offset < symbol.size
            if reaches {
                // In full: part of a mangled name is useless.
                let name = file.string(at: entry.nameOffset, limit: Demangler.longestSymbol).wholeText
                return Match(name: name, offset: offset)
            }
            if nearest == nil { nearest = symbol.value }
        }
        return nil
    }
}
