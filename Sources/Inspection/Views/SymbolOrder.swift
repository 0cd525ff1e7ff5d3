// Symbols in another order than the file's.

import AnyELF
import ArgumentParser
import Bytes
import Diagnostics
import ELF

/// The keys by which symbols are sorted.
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

    /// `@VERSION` or `@@VERSION`; nil if it has none.
    let version: String?

    /// All symbols of `file`, whose sections are `sections`.
    static func all(of file: ByteView, _ header: AnyFileHeader, _ sections: SectionListing) throws(Fault) -> [SymbolRow]
    {
        var rows: [SymbolRow] = []
        try SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            let tableName = table.name.text
            for index in 0..<table.count {
                let symbol = table[index]
                rows.append(
                    SymbolRow(
                        index: UInt64(index), table: tableName, symbol: symbol,
                        name: table.name(of: symbol, sections).wholeText,
                        version: table.versions.version(of: symbol, at: index)))
            }
        }
        return rows
    }
}

extension ByteView {
    /// All of it as text, without bytes that a terminal could take for a command.
    fileprivate var wholeText: String {
        // Read only, within the closure.
        printable(unsafe span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
    }
}

extension SectionHeader {
    /// Whether `segment` contains the section in memory, and, if it has bytes, in the file. A thread-local section without bytes occupies
    /// nothing of a loaded segment: its address is also the next section's.
    func isInside(_ segment: ProgramHeader) -> Bool {
        guard flags & Flags.alloc != 0 else { return isStored(in: segment) }
        let isThreadLocal = flags & Flags.threadLocal != 0
        let hasBytes = type != Kind.nobits
        if isThreadLocal {
            let kinds =
                [ProgramHeader.Kind.tls] + (hasBytes ? [ProgramHeader.Kind.load, ProgramHeader.Kind.relro] : [])
            guard kinds.contains(segment.type) else { return false }
        } else if segment.type == ProgramHeader.Kind.tls || segment.type == ProgramHeader.Kind.programHeaders {
            return false
        }
        return SectionHeader.lies(addr, size, in: segment.vaddr, segment.memsz)
            && (!hasBytes || SectionHeader.lies(offset, size, in: segment.offset, segment.filesz))
    }
    /// Whether a section that is not in memory lies in `segment`, whose kind is not about memory (a processor's attributes).
    private func isStored(in segment: ProgramHeader) -> Bool {
        typealias Segment = ProgramHeader.Kind
        let inMemory = [
            Segment.load, Segment.dynamic, Segment.programHeaders, Segment.tls, Segment.stack, Segment.relro,
            Segment.unwinding,
        ]
        guard type != Kind.null, type != Kind.nobits, !inMemory.contains(segment.type) else { return false }
        return SectionHeader.lies(offset, size, in: segment.offset, segment.filesz)
    }

    private static func lies(_ start: UInt64, _ size: UInt64, in other: UInt64, _ otherSize: UInt64) -> Bool {
        guard start >= other, start - other <= otherSize else { return false }
        return otherSize - (start - other) >= size && (size > 0 || start - other < otherSize)
    }
}
