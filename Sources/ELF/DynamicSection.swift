// The dynamic section (gABI, chapter "Dynamic Section"): an array of tags and values, and the tables it names.

public import Bytes
public import Diagnostics

/// The tags (d_tag) that loading an image needs.
public enum DynamicTag {
    /// DT_NULL: the end.
    public static var end: UInt64 { 0 }
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
    /// DT_INIT: a function to call first.
    public static var initialiser: UInt64 { 12 }
    /// DT_FINI: a function to call last.
    public static var finaliser: UInt64 { 13 }
    /// DT_SONAME: the name of a shared object.
    public static var name: UInt64 { 14 }
    /// DT_SYMBOLIC: symbols are looked for in the file itself first.
    public static var symbolic: UInt64 { 16 }
    /// DT_REL: relocations with the addend in place.
    public static var rel: UInt64 { 17 }
    /// DT_RELSZ: bytes of the table at DT_REL.
    public static var relSize: UInt64 { 18 }
    /// DT_RELENT: bytes of one of its entries.
    public static var relEntrySize: UInt64 { 19 }
    /// DT_PLTREL: DT_RELA or DT_REL, the form of the table at DT_JMPREL.
    public static var pltRelocationKind: UInt64 { 20 }
    /// DT_JMPREL: the relocations of the procedure linkage table.
    public static var pltRelocations: UInt64 { 23 }
    /// DT_INIT_ARRAY: functions to call first.
    public static var initialisers: UInt64 { 25 }
    /// DT_FINI_ARRAY: functions to call last.
    public static var finalisers: UInt64 { 26 }
    /// DT_INIT_ARRAYSZ: bytes of the array at DT_INIT_ARRAY.
    public static var initialisersSize: UInt64 { 27 }
    /// DT_FINI_ARRAYSZ: bytes of the array at DT_FINI_ARRAY.
    public static var finalisersSize: UInt64 { 28 }
    /// DT_FLAGS: its bit DF_SYMBOLIC, 2, means the same as DT_SYMBOLIC.
    public static var flags: UInt64 { 30 }
    /// DT_RELRSZ: bytes of the table at DT_RELR.
    public static var relrSize: UInt64 { 35 }
    /// DT_RELR: packed relative relocations.
    public static var relr: UInt64 { 36 }
    /// DT_RELRENT: bytes of one of its words.
    public static var relrEntrySize: UInt64 { 37 }
    /// DT_RELACOUNT: how many entries at the start of DT_RELA are relative.
    public static var relativeCount: UInt64 { 0x6fff_fff9 }
    /// DT_VERSYM: the version of each symbol.
    public static var versions: UInt64 { 0x6fff_fff0 }
    /// DT_VERDEF: the versions that the file defines.
    public static var definedVersions: UInt64 { 0x6fff_fffc }
    /// DT_VERNEED: the versions that it needs from other files.
    public static var neededVersions: UInt64 { 0x6fff_fffe }
    /// DT_GNU_HASH: the GNU hash table.
    public static var gnuHash: UInt64 { 0x6fff_fef5 }
    /// DT_ANDROID_REL: relocations in Android's packed form, with the addend in place.
    public static var androidRel: UInt64 { 0x6000_000f }
    /// DT_ANDROID_RELA: the same with addends.
    public static var androidRela: UInt64 { 0x6000_0011 }
    /// DT_ANDROID_RELR: DT_RELR before the gABI adopted it.
    public static var androidRelr: UInt64 { 0x6fff_e000 }
    /// DT_CREL: compact relocations. The number is LLVM's, until the gABI has one.
    public static var crel: UInt64 { 0x4000_0026 }
}

/// The values of the dynamic section that loading an image needs. If a tag has several entries the last one counts, except that the
/// first DT_NEEDED is kept.
public struct DynamicSection: Sendable {
    /// The values, each in its tag's slot, and a bit for each slot that is in use.
    private var values = InlineArray<56, UInt64>(repeating: 0)
    private var present: UInt64 = 0

    /// The slot of a tag; nil for a tag that is not kept. The gABI's tags come first, then the GNU hash table, then the GNU tags for
    /// counts and versions.
    private static func slot(_ tag: UInt64) -> UInt64? {
        if tag < 38 { return tag }
        if tag == DynamicTag.gnuHash { return 38 }
        return tag & ~0xf == 0x6fff_fff0 ? 40 &+ (tag & 0xf) : nil
    }

    /// The value of `tag`; nil if there is no such entry, or the tag is not kept.
    public func value(_ tag: UInt64) -> UInt64? {
        guard let slot = DynamicSection.slot(tag), present >> slot & 1 != 0 else { return nil }
        return values.span[Int(truncatingIfNeeded: slot)]
    }

    /// The value of `tag`; 0 if it has none.
    public subscript(tag: UInt64) -> UInt64 { value(tag) ?? 0 }

    /// Whether there is an entry with one of two tags, both defined by the gABI.
    public func hasAny(_ tag: UInt64, _ other: UInt64) -> Bool { present & (1 << tag | 1 << other) != 0 }

    /// DT_NEEDED, as an offset in the string table.
    public var needed: UInt64? { value(DynamicTag.needed) }
    /// DT_STRTAB.
    public var stringTable: UInt64? { value(DynamicTag.stringTable) }
    /// DT_STRSZ.
    public var stringTableSize: UInt64? { value(DynamicTag.stringTableSize) }
    /// DT_SYMTAB.
    public var symbolTable: UInt64? { value(DynamicTag.symbolTable) }
    /// DT_SYMENT.
    public var symbolEntrySize: UInt64? { value(DynamicTag.symbolEntrySize) }
    /// DT_HASH.
    public var hash: UInt64? { value(DynamicTag.hash) }
    /// DT_GNU_HASH.
    public var gnuHash: UInt64? { value(DynamicTag.gnuHash) }
    /// DT_RELACOUNT.
    public var relativeCount: UInt64? { value(DynamicTag.relativeCount) }
    /// DT_JMPREL.
    public var pltRelocations: UInt64? { value(DynamicTag.pltRelocations) }
    /// DT_PLTRELSZ.
    public var pltRelocationSize: UInt64? { value(DynamicTag.pltRelocationSize) }
    /// DT_PLTREL.
    public var pltRelocationKind: UInt64? { value(DynamicTag.pltRelocationKind) }

    /// No entries. The structure is large, so it is filled in place.
    public init() {}

    /// Adds the entries in `bytes` up to DT_NULL or their end. Throws `dynamicMisaligned` if `bytes` has no DT_NULL and is not a whole
    /// number of entries, and `relocationFormUnknown` for relocations that would otherwise be ignored silently.
    public mutating func read(_ bytes: borrowing ByteView) throws(Fault) {
        let count = Int(truncatingIfNeeded: bytes.count / 16)
        var slots = values.mutableSpan
        for index in 0..<count {
            let entry = bytes.entry(index, size: 16)
            let tag = entry.u64(0)
            if tag == DynamicTag.end { return }
            guard let slot = DynamicSection.slot(tag) else {
                switch tag {
                case DynamicTag.androidRel, DynamicTag.androidRela, DynamicTag.androidRelr, DynamicTag.crel:
                    throw Fault(.relocationFormUnknown, .dynamic(tag))
                default: continue
                }
            }
            if tag == DynamicTag.needed, present >> slot & 1 != 0 { continue }
            present |= 1 << slot
            slots[Int(truncatingIfNeeded: slot)] = entry.u64(8)
        }
        guard bytes.count % 16 == 0 else { throw Fault(.dynamicMisaligned, .none, value: bytes.count) }
    }
}
