// Symbols in another order than the file's.

import ArgumentParser
import Bytes
import Diagnostics
import ELF
import Linking

/// What symbols are sorted by.
enum SymbolOrder: String, CaseIterable, ExpressibleByArgument {
    /// The tables' own order.
    case file
    /// The lowest address first.
    case address
    /// The largest first.
    case size
    case name

    /// Whether `left` comes before `right`; symbols that are alike in that keep the order of addresses, then of names.
    func precedes(_ left: SymbolRow, _ right: SymbolRow) -> Bool {
        switch self {
        case .size where left.symbol.size != right.symbol.size: return left.symbol.size > right.symbol.size
        case .name where left.name != right.name: return left.name < right.name
        default: break
        }
        let (first, second) = (left.symbol.value, right.symbol.value)
        return first != second ? first < second : (left.name, left.index) < (right.name, right.index)
    }
}

/// A symbol that is kept until all are known.
struct SymbolRow {
    let index: UInt64
    /// The section of its table, or DT_SYMTAB.
    let table: String
    let symbol: Symbol
    let name: String

    /// All symbols of `file`, whose sections are `sections`, or where no section holds any, those of its dynamic section.
    static func all(of file: ByteView, _ sections: SectionListing) throws(Fault) -> [SymbolRow] {
        var rows: [SymbolRow] = []
        for number in 0..<sections.count
        where [SectionHeader.Kind.symbolTable, SectionHeader.Kind.dynamicSymbols].contains(sections[number].type) {
            let section = sections[number]
            let bytes = try sections.contents(number)
            guard section.link < UInt32(sections.count) else { continue }
            let strings = try sections.contents(Int(section.link))
            let table = sections.name(section).text
            for index in 0..<Int(bytes.count / Symbol.size) {
                let symbol = Symbol(bytes.entry(index, size: Int(Symbol.size)))
                let isSection =
                    symbol.name == 0 && symbol.type == Symbol.Kind.section && Int(symbol.shndx) < sections.count
                let name =
                    isSection ? sections.name(sections[Int(symbol.shndx)]) : strings.string(at: UInt64(symbol.name))
                rows.append(SymbolRow(index: UInt64(index), table: table, symbol: symbol, name: name.wholeText))
            }
        }
        guard rows.isEmpty, try FileHeader(ofAnyMachine: file).type != .relocatable else { return rows }
        let relocator = try Relocator(LinkedImage(file, as: .library), bias: 0, as: .library)
        try relocator.requireSymbols()
        var index: UInt32 = 0
        while let (symbol, nameOffset) = relocator.symbol(at: index) {
            let name = nameOffset > 0 ? file.string(at: nameOffset).wholeText : ""
            rows.append(SymbolRow(index: UInt64(index), table: "DT_SYMTAB", symbol: symbol, name: name))
            index += 1
        }
        return rows
    }
}

extension ByteView {
    /// All of it as text, without what a terminal could take for a command.
    fileprivate var wholeText: String {
        // Read only, within the closure.
        printable(unsafe span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
    }
}

extension SectionHeader {
    /// Whether the section lies in `segment`, in memory and where it has bytes also in the file. What is thread-local without
    /// bytes takes no room in a loaded segment: its address is that of what follows it.
    func isInside(_ segment: ProgramHeader) -> Bool {
        guard flags & Flags.alloc != 0 else { return false }
        let isThreadLocal = flags & Flags.threadLocal != 0
        let hasBytes = type != Kind.nobits
        if isThreadLocal {
            let kinds =
                [ProgramHeader.Kind.tls] + (hasBytes ? [ProgramHeader.Kind.load, ProgramHeader.Kind.relro] : [])
            guard kinds.contains(segment.type) else { return false }
        } else if segment.type == ProgramHeader.Kind.tls || segment.type == ProgramHeader.Kind.programHeaders {
            return false
        }
        func lies(_ start: UInt64, _ size: UInt64, in other: UInt64, _ otherSize: UInt64) -> Bool {
            guard start >= other, start - other <= otherSize else { return false }
            return otherSize - (start - other) >= size && (size > 0 || start - other < otherSize)
        }
        return lies(addr, size, in: segment.vaddr, segment.memsz)
            && (!hasBytes || lies(offset, size, in: segment.offset, segment.filesz))
    }
}
