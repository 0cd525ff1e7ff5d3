// Where a rule was broken, in two words.

/// Where a rule was broken.
public struct FaultLocation: Equatable, Sendable {
    /// What it counts.
    package enum Kind: UInt8 {
        case none, header, offset, programHeader, sectionHeader, dynamic, relocation, symbol, entry, address
    }

    /// The kind in bits 0 to 7, room for a rule in bits 8 to 15 and for a file's number in bits 16 to 23, and the number of the
    /// table in bits 32 to 63.
    private var bits: UInt64
    /// The index, the offset or the address.
    public let index: UInt64

    @usableFromInline
    init(kind: UInt64, table: UInt64 = 0, _ index: UInt64 = 0) {
        bits = kind | table << 32
        self.index = index
    }

    /// What it counts.
    var kind: Kind { Kind(rawValue: UInt8(truncatingIfNeeded: bits)) ?? .none }
    /// Of an entry of a relocation table the tag of the dynamic entry that names it, of one of a section the section's index.
    public var table: UInt64 { bits >> 32 }
    /// Whether it is an entry of a relocation table that a dynamic entry names.
    public var isRelocation: Bool { kind == .relocation }
    /// Whether it is an entry of a section that is a table.
    public var isEntry: Bool { kind == .entry }
    /// Where a fault keeps its rule.
    var rule: UInt8 {
        get { UInt8(truncatingIfNeeded: bits >> 8) }
        set { bits = bits & ~0xff00 | UInt64(newValue) << 8 }
    }

    /// This place, which keeps no rule yet, and a rule.
    func with(_ rule: UInt8) -> FaultLocation {
        var place = self
        place.bits |= UInt64(rule) << 8
        return place
    }

    /// Where a fault keeps which of several files it is in.
    var file: UInt8 {
        get { UInt8(truncatingIfNeeded: bits >> 16) }
        set { bits = bits & ~0xff_0000 | UInt64(newValue) << 16 }
    }

    /// Nowhere in particular.
    @inlinable public static var none: FaultLocation { FaultLocation(kind: 0) }
    /// The ELF file header.
    @inlinable public static var header: FaultLocation { FaultLocation(kind: 1) }
    /// A byte offset in the file.
    @inlinable public static func offset(_ offset: UInt64) -> FaultLocation { FaultLocation(kind: 2, offset) }
    /// A program header, by its index.
    @inlinable public static func programHeader(_ index: UInt64) -> FaultLocation { FaultLocation(kind: 3, index) }
    /// A section header, by its index.
    @inlinable public static func sectionHeader(_ index: UInt64) -> FaultLocation { FaultLocation(kind: 4, index) }
    /// A dynamic entry, by its tag.
    @inlinable public static func dynamic(_ tag: UInt64) -> FaultLocation { FaultLocation(kind: 5, tag) }
    /// An entry of a relocation table, by its index; the tag, of 32 bits, is that of the dynamic entry that names the table.
    @inlinable public static func relocation(table: UInt64, index: UInt64) -> FaultLocation {
        FaultLocation(kind: 6, table: table, index)
    }
    /// A symbol of the dynamic symbol table, by its index.
    @inlinable public static func symbol(_ index: UInt64) -> FaultLocation { FaultLocation(kind: 7, index) }
    /// An entry of a section that is a table, by its index and the section's, which has 32 bits.
    @inlinable public static func entry(section: UInt64, index: UInt64) -> FaultLocation {
        FaultLocation(kind: 8, table: section, index)
    }
    /// An address in memory.
    @inlinable public static func address(_ address: UInt64) -> FaultLocation { FaultLocation(kind: 9, address) }

    /// What a sentence about it begins with: the blanks are the place's index, %g as the tag of a dynamic entry. Of an entry of a
    /// table the index is %m, and the others are the table.
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
        }
    }

    /// Writes the name of a dynamic entry's tag, or else its number.
    static func write(tag: UInt64, to sink: inout some TextSink) {
        let name = tag == 0x6fff_fef5 ? "GNU_HASH" : tagNames.word(Int(min(tag, 38)))
        guard name.count > 1 else { return sink.write(hex: tag) }
        sink.write("DT_")
        sink.write(name)
    }

    /// The names, without DT_, that faults need, from the tag 0 on.
    private static var tagNames: Text {
        """
        - - PLTRELSZ - HASH STRTAB SYMTAB RELA RELASZ RELAENT STRSZ SYMENT - - - - - REL RELSZ RELENT PLTREL - - JMPREL - \
        - - - - - - - - - - RELRSZ RELR RELRENT
        """
    }
}
