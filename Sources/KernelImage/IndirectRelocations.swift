// Relocations one by one: all of them to look at, and those that wait for a resolver function to apply.

public import Bytes
public import Diagnostics
public import ELF

/// One relocation and where it is listed.
public struct ListedRelocation: Equatable, Sendable {
    /// The entry; an address of DT_RELR appears as R_X86_64_RELATIVE with its addend in place.
    public let entry: RelocationEntry
    /// The table and the index of the entry, for DT_RELR of the word.
    public let place: Place
}

/// All relocations of an image, in the order in which they are applied.
public struct ListedRelocations: ~Escapable {
    private let tables: DynamicTables
    private var packed: PackedRelocations
    private var index = 0
    private var table = 0

    @_lifetime(copy relocator)
    init(_ relocator: borrowing Relocator, packed: Bool) {
        tables = relocator.tables
        self.packed = relocator.tables.packed
        table = packed ? 0 : 1
    }

    /// The next one, nil behind the last. Throws `relativeRelocationMisplaced`.
    @inline(never)
    public mutating func next() throws(Fault) -> ListedRelocation? {
        if table == 0 {
            if let address = try packed.nextAddress() {
                return ListedRelocation(
                    entry: RelocationEntry(offset: address, info: 8, addend: nil),
                    place: .relocation(table: DynamicTag.relr, index: packed.wordsRead &- 1))
            }
            table = 1
        }
        while table < 4 {
            if let listed = entry(table, index) {
                index &+= 1
                return listed
            }
            table &+= 1
            index = 0
        }
        return nil
    }

    private func entry(_ table: Int, _ index: Int) -> ListedRelocation? {
        switch table {
        case 1: ListedRelocations.entry(tables.rela, index)
        case 2: ListedRelocations.entry(tables.rel, index)
        default: ListedRelocations.entry(tables.plt, index)
        }
    }

    private static func entry(_ table: borrowing RelocationTable, _ index: Int) -> ListedRelocation? {
        guard index < table.count else { return nil }
        return ListedRelocation(
            entry: table[index], place: .relocation(table: table.tag, index: UInt64(index)))
    }
}

extension Relocator {
    /// All relocations.
    public var listed: ListedRelocations {
        @_lifetime(copy self) get { ListedRelocations(self, packed: true) }
    }

    /// The symbol at `index` of the dynamic symbol table, and the file offset of its name; nil where there is none.
    public func symbol(at index: UInt32) -> (symbol: Symbol, nameOffset: UInt64)? {
        symbols[index].map { ($0, symbols.nameOffset(of: $0)) }
    }

    /// Whether `relocation` depends on a resolver function.
    private func isIndirect(
        _ relocation: ListedRelocation, _ search: inout SymbolSearch
    ) throws(Fault) -> Bool {
        let entry = relocation.entry
        if entry.type == 37 { return true }
        guard entry.symbol != 0, RelocationMeaning(entry.type)?.formula.usesSymbolValue == true else { return false }
        if scope == nil { return symbols[entry.symbol]?.isIndirectFunction == true }
        return try definition(of: entry, relocation.place, &search)?.symbol.isIndirectFunction == true
    }

    /// The fault of `rule` at the first relocation that depends on a resolver function: value is the function's address.
    public func firstIndirect(in memory: borrowing ByteRegion, _ rule: Rule) throws(Fault) -> Fault {
        var relocations = ListedRelocations(self, packed: false)
        var search = search
        while let relocation = try relocations.next() {
            guard try isIndirect(relocation, &search) else { continue }
            let outcome = try outcome(of: relocation.entry, relocation.place, in: memory, &search)
            if case .indirect(let resolver) = outcome {
                return Fault(rule, relocation.place, value: resolver)
            }
        }
        return Fault(rule)
    }

    /// Second pass, for an image that `apply` has relocated except for what depends on resolver functions: calls them in
    /// order, by their run-time address, through `resolve`, and stores what they return. Where `resolve` returns nil the
    /// place stays as it is.
    public func resolveIndirect(
        in memory: inout ByteRegion, _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) {
        var relocations = ListedRelocations(self, packed: false)
        var search = search
        while let relocation = try relocations.next() {
            let entry = relocation.entry
            // Nothing else is evaluated again: an addend that was in place is gone.
            guard try isIndirect(relocation, &search), let meaning = RelocationMeaning(entry.type) else { continue }
            let outcome = try outcome(of: entry, relocation.place, in: memory, &search)
            guard case .indirect(let resolver) = outcome else { continue }
            // The addend before the call: it may be in place.
            let addend = entry.addend ?? Relocator.load(meaning.field, at: entry.offset, in: memory) ?? 0
            guard let result = resolve(resolver, relocation) else { continue }
            let value = try value(meaning, result, addend, entry, relocation.place)
            guard Relocator.store(value, meaning.field, at: entry.offset, in: &memory) else {
                throw outside(memory, entry, relocation.place)
            }
        }
    }
}
