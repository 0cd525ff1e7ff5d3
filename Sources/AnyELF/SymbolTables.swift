// All symbol tables of a file, by its section headers or else by its dynamic section (gABI, chapter "Symbol Table").

public import Bytes
public import Diagnostics
public import ELF

/// One symbol table with what its symbols refer to.
public struct SymbolTableListing: ~Escapable, Sendable {
    /// The table's section, or DT_SYMTAB.
    public let name: ByteView
    /// The names of the symbols.
    public let strings: ByteView
    /// Their versions.
    public let versions: SymbolVersions
    /// How many symbols there are.
    public let count: Int
    /// Whether all symbols are here, rather than those that other files see.
    public let isComplete: Bool
    @usableFromInline let form: FileForm
    @usableFromInline let bytes: ByteView

    @_lifetime(copy name, copy strings, copy versions, copy bytes)
    fileprivate init(
        _ name: ByteView, _ bytes: ByteView, _ strings: ByteView, _ versions: SymbolVersions, _ form: FileForm,
        isComplete: Bool
    ) {
        self.name = name
        self.bytes = bytes
        self.strings = strings
        self.versions = versions
        self.form = form
        self.isComplete = isComplete
        count = Int(bytes.count / form.symbolSize)
    }

    /// The symbol at `index`, below `count`.
    @inlinable @inline(__always)
    public subscript(index: Int) -> Symbol { form.symbol(bytes, index) }

    /// The name of `symbol`, which one of a section has from its section among `sections`.
    @_lifetime(copy self, copy sections)
    public func name(of symbol: Symbol, _ sections: SectionListing) -> ByteView {
        if symbol.name == 0, symbol.type == Symbol.Kind.section, Int(symbol.shndx) < sections.count {
            return sections.name(sections[Int(symbol.shndx)])
        }
        return strings.string(at: UInt64(symbol.name))
    }

    /// Calls `body` with each table of `file`, whose sections are `sections`: those that section headers name, or where there
    /// are none, the one that the dynamic section names. Throws what reading those throws, and what `body` does.
    public static func forEach(
        of file: ByteView, _ header: AnyFileHeader, _ sections: SectionListing,
        _ body: (SymbolTableListing) throws(Fault) -> Void
    ) throws(Fault) {
        var hasTable = false
        for number in 0..<sections.count where sections[number].holdsSymbols {
            hasTable = true
            let section = sections[number]
            let bytes = try sections.contents(number)
            guard section.link < UInt32(sections.count) else { continue }
            let strings = try sections.contents(Int(section.link))
            try body(
                SymbolTableListing(
                    sections.name(section), bytes, strings,
                    SymbolVersions(of: number, sections, header.form, file), header.form,
                    isComplete: section.type == SectionHeader.Kind.symbolTable))
        }
        guard !hasTable, !header.isObject, let dynamic = try DynamicListing.first(file, header) else { return }
        try body(
            SymbolTableListing(
                ByteView("DT_SYMTAB"), try dynamic.symbols(machine: header.machine), dynamic.strings,
                SymbolVersions(dynamic, header.form, file), header.form, isComplete: false))
    }
}
