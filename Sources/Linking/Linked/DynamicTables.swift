// The relocation tables of a linked file, as its dynamic section names them (gABI, chapter "Dynamic Section").

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// One table of Elf64_Rela or Elf64_Rel entries.
public struct RelocationTable: ~Escapable, Sendable {
    /// The table's bytes, a whole number of entries.
    public let bytes: ByteView
    /// The size of an entry.
    @usableFromInline let entrySize: UInt64
    /// The dynamic entry that names the table: DT_RELA, DT_REL or DT_JMPREL.
    public let tag: UInt64
    /// Whether the entries carry their addend (Elf64_Rela).
    @inlinable public var hasAddends: Bool { entrySize == RelocationEntry.relaSize }
    /// The number of entries.
    public var count: Int { Int(truncatingIfNeeded: bytes.count / entrySize) }

    @_lifetime(copy bytes)
    init(_ bytes: ByteView, hasAddends: Bool, tag: UInt64) {
        self.bytes = bytes
        entrySize = hasAddends ? RelocationEntry.relaSize : RelocationEntry.relSize
        self.tag = tag
    }

    /// Whether one of the entries from the one at `first` on is a TLS descriptor.
    func hasDescriptor(from first: Int) -> Bool {
        let count = count
        for index in first..<count {
            if self[index].type == RelocationNumber.tlsDesc { return true }
        }
        return false
    }

    /// The entry at `index`, below `count`.
    public subscript(index: Int) -> RelocationEntry {
        @inline(never) get {
            let record = bytes.entry(index, size: Int(truncatingIfNeeded: entrySize))
            return hasAddends ? RelocationEntry(rela: record) : RelocationEntry(rel: record)
        }
    }
}

/// Walks the words of a DT_RELR table, and returns the addresses that they encode.
public struct PackedRelocations: ~Escapable {
    private let bytes: ByteView
    private var index: UInt64 = 0
    private var bitmap: UInt64 = 0
    private var base: UInt64?
    private var next: UInt64 = 0

    @_lifetime(copy bytes)
    init(_ bytes: ByteView) {
        self.bytes = bytes
    }

    /// The link address of the next word to relocate; nil after the last. Throws `relativeRelocationMisplaced`.
    /// At most 63 addresses come from each word of the table.
    public mutating func nextAddress() throws(Fault) -> UInt64? {
        while bitmap == 0 {
            guard let word = bytes.word64(at: index &* 8) else { return nil }
            index += 1
            if word & 1 == 0 {
                base = word &+ 8
                return word
            }
            guard let base else {
                throw Fault(.relativeRelocationMisplaced, .relocation(table: DynamicTag.relr, index: index &- 1))
            }
            bitmap = word >> 1
            next = base
            self.base = base &+ 63 &* 8
        }
        let skip = UInt64(bitmap.trailingZeroBitCount)
        let address = next &+ skip &* 8
        bitmap = skip == 63 ? 0 : bitmap >> (skip &+ 1)
        next = address &+ 8
        return address
    }

    /// Adds `bias` to every word whose address the table encodes, and returns their number. Throws `relativeRelocationMisplaced` or
    /// `relocationOutsideImage`.
    mutating func apply(adding bias: UInt64, to memory: inout ByteRegion) throws(Fault) -> UInt64 {
        var count: UInt64 = 0
        while let word = bytes.word64(at: index &* 8) {
            if word & 1 == 0 {
                guard memory.add(bias, at: word) else { throw outside(memory, word) }
                base = word &+ 8
                count &+= 1
            } else {
                guard let base else {
                    throw Fault(.relativeRelocationMisplaced, .relocation(table: DynamicTag.relr, index: index))
                }
                guard let added = memory.add(bias, at: base, wherever: word >> 1) else {
                    throw firstOutside(memory, base, word >> 1)
                }
                count &+= added
                self.base = base &+ 63 &* 8
            }
            index &+= 1
        }
        return count
    }

    private func firstOutside(_ memory: borrowing ByteRegion, _ base: UInt64, _ bits: UInt64) -> Fault {
        var bits = bits
        while bits != 0 {
            let address = base &+ UInt64(bits.trailingZeroBitCount) &* 8
            if memory.offset(of: address, size: 8) == nil { return outside(memory, address) }
            bits &= bits &- 1
        }
        return outside(memory, base)
    }

    private func outside(_ memory: borrowing ByteRegion, _ address: UInt64) -> Fault {
        Fault(
            .relocationOutsideImage, .relocation(table: DynamicTag.relr, index: index), value: address,
            limit: memory.address &+ memory.count)
    }

    /// The number of words read so far.
    public var wordsRead: UInt64 { index }
}

/// The dynamic section's tables of an image, checked to lie inside the file's segments. An image without PT_DYNAMIC has none.
public struct DynamicTables: ~Escapable, Sendable {
    private let file: ByteView
    private let linkedFile: LinkedFile

    /// The tables of `image`. Throws the faults of malformed ones.
    @_lifetime(copy image)
    public init(_ image: borrowing LinkedImage) throws(Fault) {
        file = image.file
        linkedFile = image.properties
        try linkedFile.requireTables(file)
    }

    /// The values of the dynamic section.
    public func section() throws(Fault) -> DynamicSection {
        var section = DynamicSection()
        try section.read(file.part(linkedFile.dynamic))
        return section
    }

    /// The table at DT_RELA.
    public var rela: RelocationTable {
        @_lifetime(copy self) get { linkedFile.table(0, file) }
    }
    /// The table at DT_REL.
    public var rel: RelocationTable {
        @_lifetime(copy self) get { linkedFile.table(1, file) }
    }
    /// The table at DT_JMPREL.
    public var plt: RelocationTable {
        @_lifetime(copy self) get { linkedFile.table(2, file) }
    }
    /// The words at DT_RELR.
    public var relr: ByteView {
        @_lifetime(copy self) @inline(never) get { file.part(linkedFile.packed) }
    }
    /// The addresses that DT_RELR encodes.
    public var packed: PackedRelocations {
        @_lifetime(copy self) get { PackedRelocations(relr) }
    }
    /// The dynamic symbols.
    public var symbols: SymbolTable {
        @_lifetime(copy self) get { linkedFile.symbolTable(file) }
    }
}

extension LinkedFile {
    /// Finds the tables that the dynamic section names. Throws the faults of malformed ones, except those of symbols.
    mutating func readTables(_ files: ByteView) throws(Fault) {
        var section = DynamicSection()
        try section.read(files.part(dynamic))
        relativeCount = section[DynamicTag.relativeCount]
        needsLibraries = section.needed != nil
        rela = try table(section, DynamicTag.rela, DynamicTag.relaSize, DynamicTag.relaEntrySize, 24, files)
        if section.hasAny(DynamicTag.rel, DynamicTag.relSize) {
            rel = try table(section, DynamicTag.rel, DynamicTag.relSize, DynamicTag.relEntrySize, 16, files)
        }
        if section.hasAny(DynamicTag.relr, DynamicTag.relrSize) {
            packed = try table(section, DynamicTag.relr, DynamicTag.relrSize, DynamicTag.relrEntrySize, 8, files)
        }

        let hasPLT = section.pltRelocations != nil && section.pltRelocationSize ?? 0 > 0
        let kind = section.pltRelocationKind ?? (hasPLT ? 0 : DynamicTag.rela)
        guard kind == DynamicTag.rela || kind == DynamicTag.rel else {
            throw Fault(.badPLTRelocationKind, .dynamic(DynamicTag.pltRelocationKind), value: kind)
        }
        pltHasAddends = kind == DynamicTag.rela
        if section.hasAny(DynamicTag.pltRelocations, DynamicTag.pltRelocationSize) {
            plt = try table(
                section, DynamicTag.pltRelocations, DynamicTag.pltRelocationSize, 0, pltHasAddends ? 24 : 16, files)
        }
        do throws(Fault) {
            try readSymbols(section, files)
            hasSymbols = true
        } catch { (symbolCount, strings) = (0, FileRange()) }
        hasTables = true
    }

    /// Throws the fault of the tables, if they have one.
    @inline(never)
    func requireTables(_ files: ByteView) throws(Fault) {
        if hasTables { return }
        var again = self
        try again.readTables(files)
    }

    /// The bytes of the table that the entries of `section` with these tags describe, in units of `unit` bytes; `entrySize` is 0 if no
    /// entry gives the unit.
    @inline(never)
    private func table(
        _ section: borrowing DynamicSection, _ address: UInt64, _ size: UInt64, _ entrySize: UInt64, _ unit: UInt64,
        _ files: ByteView
    ) throws(Fault) -> FileRange {
        let listed = section.value(size)
        guard let start = section.value(address) else {
            guard listed ?? 0 == 0 else { throw Fault(.dynamicMissing, .dynamic(address)) }
            return FileRange()
        }
        guard var bytes = listed else { throw Fault(.dynamicMissing, .dynamic(size)) }
        if let found = section.value(entrySize), found != unit {
            throw Fault(.badEntrySize, .dynamic(entrySize), value: found, limit: unit)
        }
        if address != DynamicTag.relr, address != DynamicTag.pltRelocations {
            bytes = section.size(bytes, ofTable: start)
        }
        guard bytes % unit == 0 else { throw Fault(.tableSizeNotMultiple, .dynamic(size), value: bytes, limit: unit) }
        guard bytes > 0 else { return FileRange() }
        return FileRange(start: try fileRange(at: start, size: bytes, .dynamic(address), files).start, size: bytes)
    }

    /// Finds the symbols, if `section` names them. Their number is that of DT_HASH or DT_GNU_HASH; without either, as many as the
    /// segment has room for; and if DT_GNU_HASH is empty, as many as lie before the names.
    mutating func readSymbols(_ section: borrowing DynamicSection, _ files: ByteView) throws(Fault) {
        guard let address = section.symbolTable else { return }
        guard section.symbolEntrySize ?? Symbol.size == Symbol.size else {
            throw Fault(
                .badEntrySize, .dynamic(DynamicTag.symbolEntrySize), value: section.symbolEntrySize ?? 0,
                limit: Symbol.size)
        }
        let location = FaultLocation.dynamic(DynamicTag.symbolTable)
        let table = try fileRange(at: address, location, files)
        var length = table.size / Symbol.size
        let isGNU = section.hash == nil
        let hash = isGNU ? section.gnuHash : section.hash
        if let hash {
            let location = FaultLocation.dynamic(isGNU ? DynamicTag.gnuHash : DynamicTag.hash)
            let table = files.part(try fileRange(at: hash, location, files))
            guard let number = isGNU ? SymbolCount.ofGNUHash(table) : SymbolCount.ofHash(table) else {
                throw Fault(.hashTableMalformed, location)
            }
            if isGNU ? number > 1 : number > 0 {
                length = number
            } else if let names = section.stringTable, names > address {
                // If no symbol is exported, GNU ld's table does not count undefined ones. Neither does a table that was cut out of the
                // file, which reads as zeros. The names follow the symbols.
                length = min(length, (names &- address) / Symbol.size)
            }
        }
        // No overflow: both hash tables count with 32 bits, and the segment's room is limited by the file's size.
        let size = length &* Symbol.size
        guard size <= table.size else { throw Fault(.dynamicAddressOutsideFile, location, value: address, limit: size) }
        symbols = table.start
        symbolCount = length
        if let address = section.stringTable {
            strings.size = section[DynamicTag.stringTableSize]
            strings.start = try fileRange(
                at: address, size: strings.size, .dynamic(DynamicTag.stringTable), files
            ).start
        }
    }

    /// The table at `index`, below 3, in the order in which they are applied: DT_RELA, DT_REL, DT_JMPREL.
    @inline(never)
    @_lifetime(copy files)
    func table(_ index: Int, _ files: ByteView) -> RelocationTable {
        RelocationTable(
            files.part(range(index)), hasAddends: index == 0 || index == 2 && pltHasAddends,
            tag: index == 0 ? DynamicTag.rela : index == 1 ? DynamicTag.rel : DynamicTag.pltRelocations)
    }

    /// The entry at `location`; nil if that is in DT_RELR, or there is none.
    func entry(at location: FaultLocation, _ files: ByteView) -> RelocationEntry? {
        for index in 0..<3 {
            let table = table(index, files)
            if table.tag == UInt64(location.table), location.index < UInt64(truncatingIfNeeded: table.count) {
                return table[Int(truncatingIfNeeded: location.index)]
            }
        }
        return nil
    }

    /// The bytes of the table at `index`, below 3.
    func range(_ index: Int) -> FileRange { index == 0 ? rela : index == 1 ? rel : plt }

    /// Whether there is a TLS descriptor, which needs code to call. The entries that DT_RELACOUNT says are relative are not read.
    func needsDescriptorCode(_ files: ByteView) -> Bool {
        var first = Int(truncatingIfNeeded: min(relativeCount, rela.size / 24))
        for index in 0..<3 {
            if range(index).size > 0, table(index, files).hasDescriptor(from: first) { return true }
            first = 0
        }
        return false
    }

    /// Throws `needsLibrary` if the file needs others.
    func requireNoLibrary(_ files: ByteView) throws(Fault) {
        guard needsLibraries else { return }
        var section = DynamicSection()
        try section.read(files.part(dynamic))
        let strings = try fileRange(at: section[DynamicTag.stringTable], .dynamic(DynamicTag.stringTable), files)
        throw Fault(.needsLibrary, .none, nameOffset: strings.start &- bytes.start &+ section[DynamicTag.needed])
    }
}

extension DynamicSection {
    /// The number of the `size` bytes of the table at `table` that come before DT_JMPREL: all of them, unless that is the table's
    /// tail, as the gABI permits. Entries with their addend in place must not be applied twice.
    fileprivate func size(_ size: UInt64, ofTable table: UInt64) -> UInt64 {
        guard let plt = pltRelocations, let pltSize = pltRelocationSize, plt >= table else { return size }
        let head = plt &- table
        return head < size && pltSize == size &- head ? head : size
    }
}
