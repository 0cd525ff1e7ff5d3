// The dynamic section (gABI, chapter "Dynamic Section"): an array of tags and values, and the tables it names.

public import Bytes
public import Diagnostics

/// The tags (d_tag) that loading an image needs.
public enum DynamicTag {
    /// DT_NEEDED: a shared library, by name.
    public static var needed: UInt64 { 1 }
    /// DT_PLTRELSZ: bytes of the table at DT_JMPREL.
    public static var pltRelocationSize: UInt64 { 2 }
    /// DT_HASH: the System V hash table.
    public static var hash: UInt64 { 4 }
    /// DT_STRTAB: the string table.
    public static var stringTable: UInt64 { 5 }
    /// DT_SYMTAB: the symbol table.
    public static var symbolTable: UInt64 { 6 }
    /// DT_RELA: relocations with addend.
    public static var rela: UInt64 { 7 }
    /// DT_RELASZ: bytes of the table at DT_RELA.
    public static var relaSize: UInt64 { 8 }
    /// DT_RELAENT: bytes of one of its entries.
    public static var relaEntrySize: UInt64 { 9 }
    /// DT_STRSZ: bytes of the string table.
    public static var stringTableSize: UInt64 { 10 }
    /// DT_SYMENT: bytes of one symbol.
    public static var symbolEntrySize: UInt64 { 11 }
    /// DT_REL: relocations with the addend in place.
    public static var rel: UInt64 { 17 }
    /// DT_RELSZ: bytes of the table at DT_REL.
    public static var relSize: UInt64 { 18 }
    /// DT_RELENT: bytes of one of its entries.
    public static var relEntrySize: UInt64 { 19 }
    /// DT_PLTREL: DT_RELA or DT_REL, the form of the table at DT_JMPREL.
    public static var pltRelocationKind: UInt64 { 20 }
    /// DT_TEXTREL: relocations may change read-only segments.
    public static var textRelocations: UInt64 { 22 }
    /// DT_JMPREL: the relocations of the procedure linkage table.
    public static var pltRelocations: UInt64 { 23 }
    /// DT_RELRSZ: bytes of the table at DT_RELR.
    public static var relrSize: UInt64 { 35 }
    /// DT_RELR: packed relative relocations.
    public static var relr: UInt64 { 36 }
    /// DT_RELRENT: bytes of one of its words.
    public static var relrEntrySize: UInt64 { 37 }
    /// DT_RELACOUNT: how many entries at the start of DT_RELA are R_X86_64_RELATIVE.
    public static var relativeCount: UInt64 { 0x6fff_fff9 }
    /// DT_GNU_HASH: the GNU hash table.
    public static var gnuHash: UInt64 { 0x6fff_fef5 }
}

/// The values of the dynamic section that loading an image needs; nil where an entry is absent. Of several entries with
/// one tag the last counts, except for DT_NEEDED, where the first is kept.
public struct DynamicSection: Equatable, Sendable {
    /// DT_NEEDED, as an offset in the string table.
    public var needed: UInt64?
    /// DT_STRTAB and DT_STRSZ.
    public var stringTable: UInt64?, stringTableSize: UInt64?
    /// DT_SYMTAB and DT_SYMENT.
    public var symbolTable: UInt64?, symbolEntrySize: UInt64?
    /// DT_HASH and DT_GNU_HASH.
    public var hash: UInt64?, gnuHash: UInt64?
    /// DT_RELA, DT_RELASZ, DT_RELAENT.
    public var rela: UInt64?, relaSize: UInt64?, relaEntrySize: UInt64?
    /// DT_RELACOUNT.
    public var relativeCount: UInt64?
    /// DT_REL, DT_RELSZ, DT_RELENT.
    public var rel: UInt64?, relSize: UInt64?, relEntrySize: UInt64?
    /// DT_JMPREL, DT_PLTRELSZ, DT_PLTREL.
    public var pltRelocations: UInt64?, pltRelocationSize: UInt64?, pltRelocationKind: UInt64?
    /// DT_RELR, DT_RELRSZ, DT_RELRENT.
    public var relr: UInt64?, relrSize: UInt64?, relrEntrySize: UInt64?
    /// Whether DT_TEXTREL is there.
    public var hasTextRelocations = false

    /// Reads the section's bytes up to DT_NULL or their end. Throws `dynamicMisaligned` where `bytes` is not a whole
    /// number of entries and has no DT_NULL.
    public init(_ bytes: borrowing ByteView) throws(Fault) {
        var offset: UInt64 = 0
        while bytes.count - offset >= 16 {
            let record = try bytes.record(at: offset, size: 16, else: .dynamicMisaligned, .none)
            let value = record.u64(8)
            switch record.u64(0) {
            case 0: return
            case DynamicTag.needed: needed = needed ?? value
            case DynamicTag.stringTable: stringTable = value
            case DynamicTag.stringTableSize: stringTableSize = value
            case DynamicTag.symbolTable: symbolTable = value
            case DynamicTag.symbolEntrySize: symbolEntrySize = value
            case DynamicTag.hash: hash = value
            case DynamicTag.gnuHash: gnuHash = value
            case DynamicTag.rela: rela = value
            case DynamicTag.relaSize: relaSize = value
            case DynamicTag.relaEntrySize: relaEntrySize = value
            case DynamicTag.relativeCount: relativeCount = value
            case DynamicTag.rel: rel = value
            case DynamicTag.relSize: relSize = value
            case DynamicTag.relEntrySize: relEntrySize = value
            case DynamicTag.pltRelocations: pltRelocations = value
            case DynamicTag.pltRelocationSize: pltRelocationSize = value
            case DynamicTag.pltRelocationKind: pltRelocationKind = value
            case DynamicTag.relr: relr = value
            case DynamicTag.relrSize: relrSize = value
            case DynamicTag.relrEntrySize: relrEntrySize = value
            case DynamicTag.textRelocations: hasTextRelocations = true
            default: break
            }
            offset += 16
        }
        guard offset == bytes.count else { throw Fault(.dynamicMisaligned, .none, value: bytes.count) }
    }
}
