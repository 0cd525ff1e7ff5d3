// The relocation tables of a linked file, as its dynamic section names them (gABI, chapter "Dynamic Section").

public import Bytes
public import Diagnostics
public import ELF

/// One table of Elf64_Rela or Elf64_Rel entries.
public struct RelocationTable: ~Escapable, Sendable {
    /// The table's bytes, a whole number of entries.
    public let bytes: ByteView
    /// Whether the entries carry their addend (Elf64_Rela).
    public let hasAddends: Bool
    /// The dynamic entry that names the table: DT_RELA, DT_REL or DT_JMPREL.
    public let tag: UInt64
    /// The number of entries.
    public var count: Int { bytes.span.byteCount / (hasAddends ? 24 : 16) }

    @_lifetime(copy bytes)
    init(_ bytes: ByteView, hasAddends: Bool, tag: UInt64) {
        self.bytes = bytes
        self.hasAddends = hasAddends
        self.tag = tag
    }

    /// Whether one of the entries from the one at `first` on is a TLS descriptor.
    func hasDescriptor(from first: Int) -> Bool {
        let size = hasAddends ? 24 : 16
        let count = count
        var index = first
        while index < count {
            if bytes.entry(index, size: size).u32(8) == 36 { return true }
            index &+= 1
        }
        return false
    }

    /// The entry at `index`, below `count`.
    @inlinable
    public subscript(index: Int) -> RelocationEntry {
        hasAddends
            ? RelocationEntry(rela: bytes.entry(index, size: 24))
            : RelocationEntry(rel: bytes.entry(index, size: 16))
    }
}

/// Walks the words of a DT_RELR table and tells the addresses that they stand for.
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

    /// The link address of the next word to relocate, nil behind the last. Throws `relativeRelocationMisplaced`.
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

    /// Adds `bias` to every word that the table stands for. Returns how many there are; throws
    /// `relativeRelocationMisplaced` or `relocationOutsideImage`.
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

/// The dynamic section's tables, checked to lie inside the file's segments. An image without PT_DYNAMIC has none.
public struct DynamicTables: ~Escapable, Sendable {
    /// The dynamic section, which `section` reads again: its values are too many to be carried about.
    private var entries: ByteView
    /// DT_RELACOUNT, 0 where it is absent.
    private(set) var relativeCount: UInt64 = 0
    /// Whether there is a DT_NEEDED.
    private(set) var needsLibraries = false
    private var pltHasAddends = true
    private var relaBytes: ByteView, relBytes: ByteView, pltBytes: ByteView
    /// The words at DT_RELR.
    public private(set) var relr: ByteView
    /// The dynamic symbols.
    public private(set) var symbols: SymbolTable

    /// The table at DT_RELA.
    public var rela: RelocationTable {
        @_lifetime(copy self) get { RelocationTable(relaBytes, hasAddends: true, tag: DynamicTag.rela) }
    }
    /// The table at DT_REL.
    public var rel: RelocationTable {
        @_lifetime(copy self) get { RelocationTable(relBytes, hasAddends: false, tag: DynamicTag.rel) }
    }
    /// The table at DT_JMPREL.
    public var plt: RelocationTable {
        @_lifetime(copy self) get {
            RelocationTable(pltBytes, hasAddends: pltHasAddends, tag: DynamicTag.pltRelocations)
        }
    }
    /// The table that is the one at `index`, below 3, to be applied.
    subscript(index: Int) -> RelocationTable {
        @_lifetime(copy self) get { index == 0 ? rela : index == 1 ? rel : plt }
    }
    /// The addresses that DT_RELR stands for.
    public var packed: PackedRelocations {
        @_lifetime(copy self) get { PackedRelocations(relr) }
    }

    /// The values of the dynamic section.
    public func section() throws(Fault) -> DynamicSection { try DynamicSection(entries) }

    /// Reads the dynamic section of `image`. Throws the faults of malformed tables.
    @_lifetime(copy image)
    public init(_ image: borrowing KernelImage) throws(Fault) {
        self = image.tables
        if !image.hasSoundTables { try find(in: image) }
    }

    /// No tables; `none` is no byte.
    @_lifetime(copy none)
    init(_ none: ByteView) {
        entries = none
        relaBytes = none
        relBytes = none
        pltBytes = none
        relr = none
        symbols = SymbolTable(none)
    }

    /// Reads the dynamic section of `image`, whose segments are known, if it has one. Throws the faults of malformed tables.
    @_lifetime(self: copy image)
    @inline(never)
    mutating func find(in image: borrowing KernelImage) throws(Fault) {
        guard let index = image.dynamicIndex else { return }
        let segment = image.programHeaders[index]
        let bytes = image.file.part(at: segment.offset, size: segment.filesz)
        let section = try DynamicSection(bytes)
        entries = bytes
        relativeCount = section.relativeCount ?? 0
        needsLibraries = section.needed != nil
        relaBytes = try image.table(section, DynamicTag.rela, DynamicTag.relaSize, DynamicTag.relaEntrySize, 24)
        if section.hasAny(DynamicTag.rel, DynamicTag.relSize) {
            relBytes = try image.table(section, DynamicTag.rel, DynamicTag.relSize, DynamicTag.relEntrySize, 16)
        }
        if section.hasAny(DynamicTag.relr, DynamicTag.relrSize) {
            relr = try image.table(section, DynamicTag.relr, DynamicTag.relrSize, DynamicTag.relrEntrySize, 8)
        }

        let hasPLT = section.pltRelocations != nil && section.pltRelocationSize ?? 0 > 0
        let kind = section.pltRelocationKind ?? (hasPLT ? 0 : DynamicTag.rela)
        guard kind == DynamicTag.rela || kind == DynamicTag.rel else {
            throw Fault(.badPLTRelocationKind, .dynamic(DynamicTag.pltRelocationKind), value: kind)
        }
        pltHasAddends = kind == DynamicTag.rela
        if section.hasAny(DynamicTag.pltRelocations, DynamicTag.pltRelocationSize) {
            pltBytes = try image.table(
                section, DynamicTag.pltRelocations, DynamicTag.pltRelocationSize, 0, pltHasAddends ? 24 : 16)
        }
        try symbols.find(in: image, section)
    }

    /// Whether a TLS descriptor wants the code it calls. The entries that DT_RELACOUNT says are relative are not read.
    var needDescriptorCode: Bool {
        var first = Int(truncatingIfNeeded: min(relativeCount, UInt64(rela.count)))
        for index in 0..<3 {
            if self[index].hasDescriptor(from: first) { return true }
            first = 0
        }
        return false
    }
}

extension KernelImage {
    /// The bytes of the table that the entries of `section` with these tags describe, in units of `unit` bytes; `entrySize` is
    /// 0 where none tells the unit.
    @inline(never)
    @_lifetime(copy self)
    fileprivate borrowing func table(
        _ section: borrowing DynamicSection, _ address: UInt64, _ size: UInt64, _ entrySize: UInt64, _ unit: UInt64
    ) throws(Fault) -> ByteView {
        let listed = section.value(size)
        guard let start = section.value(address) else {
            guard listed ?? 0 == 0 else { throw Fault(.dynamicMissing, .dynamic(address)) }
            return nothing
        }
        guard var bytes = listed else { throw Fault(.dynamicMissing, .dynamic(size)) }
        if let found = section.value(entrySize), found != unit {
            throw Fault(.badEntrySize, .dynamic(entrySize), value: found, limit: unit)
        }
        if address != DynamicTag.relr, address != DynamicTag.pltRelocations {
            bytes = section.size(bytes, ofTable: start)
        }
        guard bytes % unit == 0 else { throw Fault(.tableSizeNotMultiple, .dynamic(size), value: bytes, limit: unit) }
        guard bytes > 0 else { return nothing }
        return try contents(at: start, size: bytes, .dynamic(address))
    }

    /// No byte of the file.
    private var nothing: ByteView {
        @_lifetime(copy self) get { file.part(at: 0, size: 0) }
    }

    /// Throws `needsLibrary` where the image cannot do without other files.
    public func requireNoLibrary() throws(Fault) {
        guard needsLibraries else { return }
        let section = try tables.section()
        let strings = try fileOffset(of: section.stringTable ?? 0, .dynamic(DynamicTag.stringTable))
        throw Fault(.needsLibrary, .none, nameOffset: strings &+ (section.needed ?? 0))
    }
}

extension DynamicSection {
    /// How many of the `size` bytes of a table at `table` come before DT_JMPREL: all of them, unless that is its tail, as the
    /// gABI permits. Entries with their addend in place must not be applied twice.
    fileprivate func size(_ size: UInt64, ofTable table: UInt64) -> UInt64 {
        guard let plt = pltRelocations, let pltSize = pltRelocationSize, pltSize > 0, plt >= table else { return size }
        let head = plt &- table
        return head < size && pltSize == size &- head ? head : size
    }
}
