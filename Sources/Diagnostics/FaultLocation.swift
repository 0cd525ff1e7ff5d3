// The location of a fault.

/// The location of a fault: a place in the file, in memory, or nowhere in particular.
public struct FaultLocation: Equatable, Sendable {
    /// What the index counts.
    public enum Kind: UInt8, Sendable {
        /// Nothing: the location is nowhere in particular, or the file header.
        case none, header
        /// Bytes of the file.
        case offset
        /// Program headers, section headers.
        case programHeader, sectionHeader
        /// Nothing: the index is the tag of a dynamic entry.
        case dynamic
        /// Entries of the relocation table that a dynamic entry names, by `table`.
        case relocation
        /// Dynamic symbols.
        case symbol
        /// Entries of the section whose number is `table`.
        case entry
        /// Nothing: the index is an address in memory.
        case address
        /// Bytes of the unpacked archive that the file holds.
        case archive
    }

    /// The index, the offset, the tag or the address.
    public let index: UInt64
    /// The table that the index counts in: for `relocation` the tag of the dynamic entry that names it, for `entry` the number of
    /// the section; otherwise 0.
    public let table: UInt32
    /// What the index counts.
    public let kind: Kind

    /// A location of any kind.
    @inlinable
    public init(_ kind: Kind, table: UInt32 = 0, _ index: UInt64 = 0) {
        self.kind = kind
        self.table = table
        self.index = index
    }

    /// Whether it is an entry of a table.
    var isInTable: Bool { kind == .relocation || kind == .entry }

    /// Nowhere in particular.
    @inlinable public static var none: FaultLocation { FaultLocation(.none) }
    /// The ELF file header.
    @inlinable public static var header: FaultLocation { FaultLocation(.header) }
    /// A byte offset in the file.
    @inlinable public static func offset(_ offset: UInt64) -> FaultLocation { FaultLocation(.offset, offset) }
    /// A program header, by its index.
    @inlinable public static func programHeader(_ index: UInt64) -> FaultLocation {
        FaultLocation(.programHeader, index)
    }
    /// A section header, by its index.
    @inlinable public static func sectionHeader(_ index: UInt64) -> FaultLocation {
        FaultLocation(.sectionHeader, index)
    }
    /// A dynamic entry, by its tag.
    @inlinable public static func dynamic(_ tag: UInt64) -> FaultLocation { FaultLocation(.dynamic, tag) }
    /// An entry of a relocation table, by its index; `table` is the tag, of 32 bits, of the dynamic entry that names the table.
    @inlinable public static func relocation(table: UInt64, index: UInt64) -> FaultLocation {
        FaultLocation(.relocation, table: UInt32(truncatingIfNeeded: table), index)
    }
    /// A symbol of the dynamic symbol table, by its index.
    @inlinable public static func symbol(_ index: UInt64) -> FaultLocation { FaultLocation(.symbol, index) }
    /// An entry of a section that is a table, by its index and the section's, which has 32 bits.
    @inlinable public static func entry(section: UInt64, index: UInt64) -> FaultLocation {
        FaultLocation(.entry, table: UInt32(truncatingIfNeeded: section), index)
    }
    /// An address in memory.
    @inlinable public static func address(_ address: UInt64) -> FaultLocation { FaultLocation(.address, address) }

    /// A byte offset in the unpacked archive.
    @inlinable public static func archive(_ offset: UInt64) -> FaultLocation { FaultLocation(.archive, offset) }

    /// The beginning of a fault's sentence. %v, %d and %g are the index, %g as the tag of a dynamic entry; for an entry of a table
    /// they are the table, and %m is the index.
    var sentence: Text {
        switch kind {
        case .none: ""
        case .header: "ELF header"
        case .offset: "file offset %v"
        case .programHeader: "program header %d"
        case .sectionHeader: "section header %d"
        case .dynamic: "dynamic entry %g"
        case .relocation: "%g entry %m"
        case .symbol: "dynamic symbol %d"
        case .entry: "section %d entry %m"
        case .address: "address %v"
        case .archive: "archive offset %v"
        }
    }

    /// Writes the name of a dynamic entry's tag, or its number if faults have no name for it.
    static func write(tag: UInt64, to sink: inout some TextSink) {
        guard let name = name(ofTag: tag) else { return sink.write(hex: tag) }
        sink.write("DT_")
        sink.write(name)
    }

    /// The name of a dynamic entry's tag, without DT_; nil if no fault is at such an entry. Listings, which name all tags, take these from here.
    public static func name(ofTag tag: UInt64) -> Text? {
        switch tag {
        case 2: "PLTRELSZ"
        case 4: "HASH"
        case 5: "STRTAB"
        case 6: "SYMTAB"
        case 7: "RELA"
        case 8: "RELASZ"
        case 9: "RELAENT"
        case 10: "STRSZ"
        case 11: "SYMENT"
        case 17: "REL"
        case 18: "RELSZ"
        case 19: "RELENT"
        case 20: "PLTREL"
        case 23: "JMPREL"
        case 35: "RELRSZ"
        case 36: "RELR"
        case 37: "RELRENT"
        case 0x6fff_fef5: "GNU_HASH"
        default: nil
        }
    }
}
