// Applies the dynamic relocations of a linked image to its bytes in memory.

public import Bytes
public import Diagnostics
import ELF

/// How many relocations of each type were applied; those of DT_RELR count as RELATIVE.
public struct RelocationCounts: Equatable, Sendable {
    private var counts = InlineArray<52, UInt64>(repeating: 0)

    /// No relocations.
    public init() {}

    /// The number of all of them.
    public private(set) var total: UInt64 = 0

    /// The number of relocations of type `type`, 0 to 51.
    public subscript(type: UInt32) -> UInt64 { counts[Int(type)] }

    /// Counts `number` relocations of type `type`, 0 to 51.
    mutating func add(_ number: UInt64, _ type: UInt32) {
        counts[Int(type)] &+= number
        total &+= number
    }

    /// Whether both counted the same.
    public static func == (left: RelocationCounts, right: RelocationCounts) -> Bool {
        for type in 0...RelocationMeaning.lastNumber where left[type] != right[type] { return false }
        return true
    }
}

/// Applies relocations to an image that was loaded with a given bias.
public struct Relocator: ~Escapable {
    private let tables: DynamicTables
    private let symbols: SymbolTable
    private let bias: UInt64

    /// Prepares to relocate `image` for link address + `bias`.
    @_lifetime(copy image)
    public init(_ image: KernelImage, bias: UInt64) throws(Fault) {
        let tables = try DynamicTables(image)
        symbols = try SymbolTable(image, tables.section)
        self.tables = tables
        self.bias = bias
    }

    /// Applies all tables to `memory`, whose addresses are link addresses: packed relative ones first, then DT_RELA,
    /// DT_REL and DT_JMPREL. Returns how many there were of each type; throws at the first that cannot be applied.
    public func apply(to memory: inout ByteRegion) throws(Fault) -> RelocationCounts {
        var counts = RelocationCounts()
        var packed = tables.packed
        while let address = try packed.nextAddress() {
            guard let addend = memory.load(UInt64.self, at: address) else {
                let place = Place.relocation(table: DynamicTag.relr, index: packed.wordsRead &- 1)
                throw outside(memory, address, place)
            }
            memory.store(addend &+ bias, at: address)
            counts.add(1, 8)
        }
        try apply(tables.rela, to: &memory, &counts)
        try apply(tables.rel, to: &memory, &counts)
        try apply(tables.plt, to: &memory, &counts)
        return counts
    }

    private func apply(
        _ table: RelocationTable, to memory: inout ByteRegion, _ counts: inout RelocationCounts
    ) throws(Fault) {
        var relative: UInt64 = 0
        for index in 0..<table.count {
            let entry = table[index]
            // Nearly all entries of a static-pie are R_X86_64_RELATIVE with an addend.
            if entry.info & 0xffff_ffff == 8, let addend = entry.addend,
                memory.store(addend &+ bias, at: entry.offset)
            {
                relative &+= 1
            } else {
                try apply(entry, .relocation(table: table.tag, index: UInt64(index)), to: &memory)
                counts.add(1, entry.type)
            }
        }
        counts.add(relative, 8)
    }

    private func apply(_ entry: RelocationEntry, _ place: Place, to memory: inout ByteRegion) throws(Fault) {
        guard let meaning = RelocationMeaning(entry.type) else {
            throw Fault(.relocationTypeUnknown, place, value: UInt64(entry.type), limit: entry.offset)
        }
        let addend = try addend(of: entry, meaning, place, in: memory)
        if let value = try value(of: entry, meaning, addend, place) {
            guard meaning.field.represents(value) else {
                throw Fault(
                    .relocationOverflow, place, value: value, limit: entry.offset, nameOffset: nameOffset(entry.symbol))
            }
            guard Relocator.store(value, meaning.field, at: entry.offset, in: &memory) else {
                throw outside(memory, entry.offset, place)
            }
        }
    }

    /// The addend: the entry's, or else what lies at the place, as wide as the field.
    private func addend(
        of entry: RelocationEntry, _ meaning: RelocationMeaning, _ place: Place, in memory: borrowing ByteRegion
    ) throws(Fault) -> UInt64 {
        if let addend = entry.addend { return addend }
        guard let addend = Relocator.load(meaning.field, at: entry.offset, in: memory) else {
            throw outside(memory, entry.offset, place)
        }
        return addend
    }

    /// The value to store, nil where nothing is. Arithmetic wraps at 64 bits, as the psABI's does.
    private func value(
        of entry: RelocationEntry, _ meaning: RelocationMeaning, _ addend: UInt64, _ place: Place
    ) throws(Fault) -> UInt64? {
        switch meaning.formula {
        case .none: return nil
        case .bias: return bias &+ addend
        case .absolute: return try symbolValue(entry, place) &+ addend
        case .symbol: return try symbolValue(entry, place)
        case .pcRelative: return try symbolValue(entry, place) &+ addend &- (entry.offset &+ bias)
        default:
            throw Fault(
                .relocationTypeUnsupported, place, value: UInt64(entry.type), limit: entry.offset,
                nameOffset: nameOffset(entry.symbol))
        }
    }

    /// S: the address of the entry's symbol; 0 for no symbol and for a weak one that nobody defines.
    private func symbolValue(_ entry: RelocationEntry, _ place: Place) throws(Fault) -> UInt64 {
        guard entry.symbol != 0 else { return 0 }
        guard let symbol = symbols[entry.symbol] else {
            throw Fault(.symbolIndexOutsideTable, place, value: UInt64(entry.symbol), limit: symbols.count)
        }
        if symbol.isUndefined {
            guard symbol.isWeak else {
                throw Fault(.symbolUndefined, place, value: entry.offset, nameOffset: symbols.nameOffset(of: symbol))
            }
            return 0
        }
        guard !symbol.isIndirectFunction, !symbol.isThreadLocal else {
            throw Fault(
                .symbolSpecial, place, value: UInt64(symbol.type), nameOffset: symbols.nameOffset(of: symbol))
        }
        return symbol.isAbsolute ? symbol.value : symbol.value &+ bias
    }

    private func nameOffset(_ index: UInt32) -> UInt64 { symbols[index].map { symbols.nameOffset(of: $0) } ?? 0 }

    private func outside(_ memory: borrowing ByteRegion, _ offset: UInt64, _ place: Place) -> Fault {
        Fault(.relocationOutsideImage, place, value: offset, limit: memory.address &+ memory.count)
    }

    /// Stores the low bits of `value` that make up `field`; false where they do not fit in `memory`.
    static func store(_ value: UInt64, _ field: Field, at address: UInt64, in memory: inout ByteRegion) -> Bool {
        switch field {
        case .none, .object, .pair64: true
        case .word64: memory.store(value, at: address)
        case .unsigned32, .signed32: memory.store(UInt32(truncatingIfNeeded: value), at: address)
        case .either16, .signed16: memory.store(UInt16(truncatingIfNeeded: value), at: address)
        case .either8, .signed8: memory.store(UInt8(truncatingIfNeeded: value), at: address)
        }
    }

    /// What lies at the place, extended as the field's range says; nil where it is not all in `memory`.
    static func load(_ field: Field, at address: UInt64, in memory: borrowing ByteRegion) -> UInt64? {
        switch field {
        case .none, .object, .pair64: 0
        case .word64: memory.load(UInt64.self, at: address)
        case .unsigned32: memory.load(UInt32.self, at: address).map { UInt64($0) }
        case .signed32: memory.load(Int32.self, at: address).map { UInt64(bitPattern: Int64($0)) }
        case .either16, .signed16: memory.load(Int16.self, at: address).map { UInt64(bitPattern: Int64($0)) }
        case .either8, .signed8: memory.load(Int8.self, at: address).map { UInt64(bitPattern: Int64($0)) }
        }
    }
}
