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
    public let count: Int

    @_lifetime(copy bytes)
    init(_ bytes: ByteView, hasAddends: Bool, tag: UInt64) {
        self.bytes = bytes
        self.hasAddends = hasAddends
        self.tag = tag
        count = Int(truncatingIfNeeded: bytes.count) / (hasAddends ? 24 : 16)
    }

    func hasDescriptor(from first: Int) -> Bool {
        let size = hasAddends ? 24 : 16
        for index in first..<count where bytes.entry(index, size: size).u32(8) == 36 { return true }
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
    private let entries: ByteView
    /// DT_RELACOUNT, 0 where it is absent.
    let relativeCount: UInt64
    /// Whether there is a DT_NEEDED.
    let needsLibraries: Bool
    /// The dynamic symbols.
    public let symbols: SymbolTable
    /// The table at DT_RELA.
    public let rela: RelocationTable
    /// The table at DT_REL.
    public let rel: RelocationTable
    /// The table at DT_JMPREL.
    public let plt: RelocationTable
    /// The words at DT_RELR.
    public let relr: ByteView

    /// The values of the dynamic section.
    public func section() throws(Fault) -> DynamicSection { try DynamicSection(entries) }

    /// The addresses that DT_RELR stands for.
    public var packed: PackedRelocations {
        @_lifetime(copy self) get { PackedRelocations(relr) }
    }

    /// Reads the dynamic section of `image`. Throws the faults of malformed tables.
    @_lifetime(copy image)
    public init(_ image: KernelImage) throws(Fault) {
        if let known = image.tables {
            self = known
        } else {
            self = try DynamicTables(image.file, image.programHeaders, image.dynamicIndex)
        }
    }

    /// Reads the dynamic section that the program header at `index` of `headers` tells, if one does.
    @_lifetime(copy file)
    init(_ file: ByteView, _ headers: ProgramHeaders, _ index: Int?) throws(Fault) {
        var bytes = ByteView(file.span.extracting(first: 0))
        if let index {
            let segment = headers[index]
            bytes = try file.slice(
                at: segment.offset, size: segment.filesz, else: .segmentBeyondFile, .programHeader(UInt64(index)))
        }
        entries = bytes
        let section = try DynamicSection(bytes)
        relativeCount = section.relativeCount ?? 0
        needsLibraries = section.needed != nil
        rela = RelocationTable(
            try DynamicTables.table(
                file, headers, section, DynamicTag.rela, DynamicTag.relaSize, DynamicTag.relaEntrySize, 24),
            hasAddends: true, tag: DynamicTag.rela)
        rel = RelocationTable(
            try DynamicTables.table(
                file, headers, section, DynamicTag.rel, DynamicTag.relSize, DynamicTag.relEntrySize, 16),
            hasAddends: false, tag: DynamicTag.rel)
        relr = try DynamicTables.table(
            file, headers, section, DynamicTag.relr, DynamicTag.relrSize, DynamicTag.relrEntrySize, 8)

        let hasPLT = section.pltRelocations != nil && section.pltRelocationSize ?? 0 > 0
        let kind = section.pltRelocationKind ?? (hasPLT ? 0 : DynamicTag.rela)
        guard kind == DynamicTag.rela || kind == DynamicTag.rel else {
            throw Fault(.badPLTRelocationKind, .dynamic(DynamicTag.pltRelocationKind), value: kind)
        }
        let pltHasAddends = kind == DynamicTag.rela
        plt = RelocationTable(
            try DynamicTables.table(
                file, headers, section, DynamicTag.pltRelocations, DynamicTag.pltRelocationSize, 0,
                pltHasAddends ? 24 : 16),
            hasAddends: pltHasAddends, tag: DynamicTag.pltRelocations)
        symbols = try SymbolTable(file, headers, section)
    }

    /// How many of the `size` bytes of a table at `table` come before DT_JMPREL: all of them, unless that is its tail, as the
    /// gABI permits. Entries with their addend in place must not be applied twice.
    private static func size(_ size: UInt64, of table: UInt64, in section: borrowing DynamicSection) -> UInt64 {
        guard let plt = section.pltRelocations, let pltSize = section.pltRelocationSize, pltSize > 0, plt >= table
        else { return size }
        let head = plt &- table
        return head < size && pltSize == size &- head ? head : size
    }

    /// Whether a TLS descriptor wants the code it calls. The entries that DT_RELACOUNT says are relative are not read.
    var needDescriptorCode: Bool {
        let relative = Int(truncatingIfNeeded: min(relativeCount, UInt64(rela.count)))
        return rela.hasDescriptor(from: relative) || rel.hasDescriptor(from: 0) || plt.hasDescriptor(from: 0)
    }

    /// The bytes of the table that the entries with these tags describe, in units of `unit` bytes; `entrySize` is 0 where none
    /// tells the unit.
    @inline(never)
    @_lifetime(copy file)
    private static func table(
        _ file: ByteView, _ headers: borrowing ProgramHeaders, _ section: borrowing DynamicSection, _ address: UInt64,
        _ size: UInt64, _ entrySize: UInt64, _ unit: UInt64
    ) throws(Fault) -> ByteView {
        let listed = section.value(size)
        guard let start = section.value(address) else {
            guard listed ?? 0 == 0 else { throw Fault(.dynamicMissing, .dynamic(address)) }
            return ByteView(file.span.extracting(first: 0))
        }
        guard var bytes = listed else { throw Fault(.dynamicMissing, .dynamic(size)) }
        if let found = section.value(entrySize), found != unit, entrySize != 0 {
            throw Fault(.badEntrySize, .dynamic(entrySize), value: found, limit: unit)
        }
        if address != DynamicTag.relr, address != DynamicTag.pltRelocations {
            bytes = DynamicTables.size(bytes, of: start, in: section)
        }
        guard bytes % unit == 0 else { throw Fault(.tableSizeNotMultiple, .dynamic(size), value: bytes, limit: unit) }
        guard bytes > 0 else { return ByteView(file.span.extracting(first: 0)) }
        return try headers.contents(at: start, size: bytes, in: file, .dynamic(address))
    }
}

extension KernelImage {
    /// Throws `needsLibrary` where the image cannot do without other files.
    public func requireNoLibrary() throws(Fault) {
        guard needsLibraries, let section = try tables?.section(), let needed = section.needed else { return }
        let strings = try fileOffset(of: section.stringTable ?? 0, .dynamic(DynamicTag.stringTable))
        throw Fault(.needsLibrary, .none, nameOffset: strings &+ needed)
    }

    /// The bytes of the file from link address `address` on: see `ProgramHeaders.contents`.
    @_lifetime(copy self)
    func contents(at address: UInt64, size: UInt64? = nil, _ place: Place) throws(Fault) -> ByteView {
        try programHeaders.contents(at: address, size: size, in: file, place)
    }

    /// The file offset of link address `address`. Throws `dynamicAddressOutsideFile` at `place`.
    @inline(never)
    func fileOffset(of address: UInt64, _ place: Place) throws(Fault) -> UInt64 {
        try programHeaders.fileOffset(of: address, place).start
    }
}
