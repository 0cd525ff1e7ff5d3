// Applies the dynamic relocations of a linked image to its bytes in memory.

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// Applies relocations to an image that was loaded with a given bias. If the image is alone, symbols are its own; otherwise they
/// are searched in all files of its link map.
public struct Relocator: ~Escapable, Sendable {
    /// The image.
    let own: LinkedFile
    @usableFromInline let bias: UInt64
    /// Where symbols are searched, unless the image is alone.
    let scope: SymbolScope
    /// The index of the image in the link map.
    let linkIndex: Int

    /// Prepares to relocate `image` alone for link address + `bias`. Throws the faults of malformed tables, and `needsLibrary` for an
    /// application that needs other files.
    @_lifetime(copy image)
    public init(_ image: borrowing LinkedImage, bias: UInt64, as role: LinkedImage.Role = .application) throws(Fault) {
        try image.properties.requireTables(image.file)
        self.init(image.properties, 0, of: SymbolScope(LinkMap(), image.file, bias: bias))
        if role == .application { try own.requireNoLibrary(scope.files) }
    }

    /// Prepares to relocate `file`, whose tables are sound, the one at `index` of the files in `scope`.
    @_lifetime(copy scope)
    init(_ file: LinkedFile, _ index: Int, of scope: SymbolScope) {
        own = file
        bias = scope.bias &+ file.displacement
        self.scope = scope
        linkIndex = index
    }

    /// The symbol at `index`, nil if the table is shorter.
    @inline(never)
    func symbol(_ index: UInt32) -> Symbol? { own.symbol(UInt64(index), scope.files) }

    /// Applies all tables to `memory`, whose addresses are link addresses: packed relative ones first, then DT_RELA, DT_REL and
    /// DT_JMPREL. Relocations that depend on resolver functions are counted, but left for `resolveIndirect`. Returns the numbers of
    /// relocations by type; throws at the first that cannot be applied.
    public func apply(to memory: inout ByteRegion) throws(Fault) -> RelocationCounts {
        var counts = RelocationCounts()
        var search = search
        try apply(to: &memory, &counts, &search)
        return counts
    }

    /// Applies all tables, and adds to `counts`.
    @inline(never)
    func apply(
        to memory: inout ByteRegion, _ counts: inout RelocationCounts, _ search: inout SymbolSearch
    ) throws(Fault) {
        var packed = PackedRelocations(scope.files.part(own.packed))
        counts.add(try packed.apply(adding: bias, to: &memory), RelocationNumber.relative)
        for index in 0..<3 where own.range(index).size > 0 {
            try apply(own.table(index, scope.files), to: &memory, &counts, &search)
        }
    }

    private func apply(
        _ table: RelocationTable, to memory: inout ByteRegion, _ counts: inout RelocationCounts,
        _ search: inout SymbolSearch
    ) throws(Fault) {
        let count = table.count
        var index = 0
        while index < count {
            if table.hasAddends {
                let first = index
                index = applyCommon(table, from: first, to: &memory, &counts)
                if index > first { continue }
            }
            let entry = table[index]
            do throws(Fault) {
                if try apply(entry, to: &memory, &search) { counts.indirect &+= 1 }
            } catch { throw error.at(.relocation(table: table.tag, index: UInt64(index))) }
            counts.add(1, entry.type)
            index &+= 1
        }
    }

    /// Applies entries with addends, from the one at index `first` on, as long as they are of the usual kinds: RELATIVE, or 64,
    /// GLOB_DAT and JUMP_SLOT against a defined symbol that is an address. Returns the index of the first other entry, or of the
    /// first whose place is outside.
    private func applyCommon(
        _ table: borrowing RelocationTable, from first: Int, to memory: inout ByteRegion,
        _ counts: inout RelocationCounts
    ) -> Int {
        // The dynamic linkers of operating systems trust DT_RELACOUNT unchecked.
        let relative = table.tag == DynamicTag.rela ? own.relativeCount : 0
        var index = memory.storeSums(
            of: table.bytes, from: first, tagged: UInt64(RelocationNumber.relative), plus: bias,
            vouched: Int(truncatingIfNeeded: min(relative, UInt64(table.count))))
        counts.add(UInt64(index &- first), RelocationNumber.relative)
        // A library's own definitions may be preempted; the application's never are.
        guard linkIndex == 0 else { return index }
        let symbols = own.symbolTable(scope.files)
        var words: UInt64 = 0
        var slots: UInt64 = 0
        var jumps: UInt64 = 0
        let count = table.count
        while index < count {
            let record = table.bytes.entry(index, size: 24)
            let type = record.u32(8)
            guard let value = commonValue(type, record.u32(12), record.u64(16), symbols),
                memory.store(value, at: record.u64(0))
            else { break }
            switch type {
            case RelocationNumber.absolute64: words &+= 1
            case RelocationNumber.globDat: slots &+= 1
            default: jumps &+= 1
            }
            index &+= 1
        }
        counts.add(words, RelocationNumber.absolute64)
        counts.add(slots, RelocationNumber.globDat)
        counts.add(jumps, RelocationNumber.jumpSlot)
        return index
    }

    /// The value that a relocation of type 64, GLOB_DAT or JUMP_SLOT stores, if its symbol is defined and an address; otherwise nil.
    @inline(__always)
    private func commonValue(
        _ type: UInt32, _ symbol: UInt32, _ addend: UInt64, _ symbols: borrowing SymbolTable
    ) -> UInt64? {
        let isWord = type == RelocationNumber.absolute64
        guard isWord || type == RelocationNumber.globDat || type == RelocationNumber.jumpSlot,
            let address = symbols.address(symbol, bias: bias)
        else { return nil }
        return isWord ? address &+ addend : address
    }

    /// The value that `outcome` would return for the usual entries of an image that is alone, without a search; nil for others.
    public func commonValue(of entry: RelocationEntry) -> UInt64? {
        guard linkIndex == 0, let addend = entry.addend else { return nil }
        return commonValue(entry.type, entry.symbol, addend, own.symbolTable(scope.files))
    }

    /// Applies one entry, and returns whether its resolver must be called first.
    private func apply(
        _ entry: RelocationEntry, to memory: inout ByteRegion, _ search: inout SymbolSearch
    ) throws(Fault) -> Bool {
        switch try outcome(of: entry, in: memory, &search) {
        case .nothing, .copy: return false
        case .indirect: return true
        case .value(let value):
            guard Relocator.store(value, RelocationType(entry.type)?.field ?? .none, at: entry.offset, in: &memory)
            else { throw outside(memory, entry) }
            return false
        case .descriptor(let resolver, let argument):
            guard memory.offset(of: entry.offset, size: 16) != nil else { throw outside(memory, entry) }
            memory.put(resolver, at: entry.offset)
            memory.put(argument, at: entry.offset &+ 8)
            return false
        }
    }

    /// Stores the low bits of `value` in `field`, which has at most one word; false if it does not fit in `memory`.
    @inline(never)
    static func store(_ value: UInt64, _ field: Field, at address: UInt64, in memory: inout ByteRegion) -> Bool {
        if field == .word64 { return memory.put(value, at: address) }
        let size = field.size
        guard size == 0 || memory.offset(of: address, size: size) != nil else { return false }
        for index in 0..<size {
            memory.store(UInt8(truncatingIfNeeded: value &>> (index &* 8)), at: address &+ index)
        }
        return true
    }

    /// The value of the field at the place, extended as its range says, or the argument of a descriptor; nil if the field is not
    /// all in `memory`.
    @inline(never)
    static func load(_ field: Field, at address: UInt64, in memory: borrowing ByteRegion) -> UInt64? {
        let size = field.size
        guard size > 0 else { return 0 }
        guard memory.offset(of: address, size: size) != nil else { return nil }
        if size >= 8 { return memory.load(UInt64.self, at: address &+ size &- 8) }
        var value: UInt64 = 0
        for index in (0..<size).reversed() {
            value = value << 8 | UInt64(memory.load(UInt8.self, at: address &+ index) ?? 0)
        }
        let unused = 64 &- size &* 8
        return field == .unsigned32
            ? value : UInt64(bitPattern: Int64(bitPattern: value &<< unused) &>> Int64(truncatingIfNeeded: unused))
    }
}
