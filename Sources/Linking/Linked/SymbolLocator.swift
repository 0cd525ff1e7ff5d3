// Finds the function that an address belongs to, in whichever symbol table the file has.

import Bytes
import Diagnostics
import ELF

extension LinkedImage {
    /// A symbol, and how far into it an address lies.
    public struct Location: Equatable, Sendable {
        /// The file offset of the symbol's name.
        public var nameOffset: UInt64
        /// Bytes from the symbol's start.
        public var offset: UInt64
    }

    /// The function or object in SHT_SYMTAB, or else SHT_DYNSYM, that begins nearest below link address `address`; nil
    /// without section headers or where none fits. Linear in the number of symbols.
    public func locate(_ address: UInt64) -> Location? {
        guard header.sectionHeaderOffset != 0,
            let first = try? file.record(
                at: header.sectionHeaderOffset, size: SectionHeader.size, else: .fileTooShort, .header)
        else { return nil }
        let extended = SectionHeader(first).size
        let count = header.sectionHeaderCount == 0 ? extended : UInt64(header.sectionHeaderCount)
        guard count <= file.count / SectionHeader.size else { return nil }
        for table in 0..<2 {
            let wanted = table == 0 ? SectionHeader.Kind.symbolTable : SectionHeader.Kind.dynamicSymbols
            // A file has one section of each type (gABI); of a file that has more, only the first is searched.
            for index in 0..<count {
                guard let symbols = section(index), symbols.type == wanted else { continue }
                if let strings = section(UInt64(symbols.link)), let found = nearest(to: address, symbols, strings) {
                    return found
                }
                break
            }
        }
        return nil
    }

    private func section(_ index: UInt64) -> SectionHeader? {
        let (start, overflow) = header.sectionHeaderOffset.addingReportingOverflow(index &* SectionHeader.size)
        guard !overflow,
            let record = try? file.record(at: start, size: SectionHeader.size, else: .fileTooShort, .header)
        else { return nil }
        return SectionHeader(record)
    }

    private func nearest(to address: UInt64, _ section: SectionHeader, _ strings: SectionHeader) -> Location? {
        guard
            let symbols = try? file.slice(
                at: section.fileStart, size: section.fileSize, else: .fileTooShort, .header),
            file.contains(strings.fileStart, strings.fileSize)
        else { return nil }
        var best: Symbol?
        for index in 0..<Int(truncatingIfNeeded: symbols.count / Symbol.size) {
            let symbol = Symbol(symbols.entry(index, size: Int(Symbol.size)))
            guard symbol.isPlace, symbol.name != 0, !symbol.isUndefined, !symbol.isAbsolute, symbol.value <= address
            else { continue }
            // Of symbols at one address the last wins, a function over an object or a plain label.
            if let best, best.value > symbol.value || best.value == symbol.value && best.type == Symbol.Kind.function {
                continue
            }
            best = symbol
        }
        guard let best, UInt64(best.name) < strings.fileSize else { return nil }
        return Location(nameOffset: strings.fileStart &+ UInt64(best.name), offset: address &- best.value)
    }
}
