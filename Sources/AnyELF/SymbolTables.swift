// All symbol tables of a file, by its section headers or else by its dynamic section (gABI, chapter "Symbol Table").

public import Bytes
public import Diagnostics
public import ELF

/// One symbol table, with its names and versions.
public struct SymbolTableListing: ~Escapable, Sendable {
    /// The table's section, or DT_SYMTAB.
    public let name: ByteView
    /// The names of the symbols.
    public let strings: ByteView
    /// Their versions.
    public let versions: SymbolVersions
    /// The number of symbols.
    public let count: Int
    /// Whether this is .symtab rather than .dynsym.
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

    /// The name of `symbol`; a section symbol has the name of its section.
    @_lifetime(copy self, copy sections)
    public func name(of symbol: Symbol, _ sections: SectionListing) -> ByteView {
        if symbol.name == 0, symbol.type == Symbol.Kind.section, Int(symbol.shndx) < sections.count {
            return sections.name(sections[Int(symbol.shndx)])
        }
        return strings.string(at: UInt64(symbol.name))
    }

    /// Calls `body` with each table of `file`, whose sections are `sections`: the ones that section headers name, or if there are none, the
    /// one that the dynamic section names. Throws the faults of reading them, and the errors of `body`.
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
