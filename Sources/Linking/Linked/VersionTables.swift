// Symbol versions (Linux Standard Base, "Symbol Versioning"): DT_VERSYM has a number for each symbol; DT_VERDEF and DT_VERNEED give the
// numbers their names.

import Bytes
import ELF

/// A symbol's version, defined or required.
struct SymbolVersion: Equatable, Sendable {
    /// The hash of its name.
    var hash: UInt32 = 0
    /// Its name, and the name of the file that should define it, as offsets in the string table; the latter is 0 for a version that the
    /// file itself defines.
    var name: UInt32 = 0, file: UInt32 = 0
    /// Its number in DT_VERSYM; 0 if there is no version.
    var number: UInt16 = 0
    fileprivate var flags: UInt16 = 0

    /// VER_FLG_BASE: the version of the file itself.
    private static var baseFlag: UInt16 { 1 }
    /// VER_FLG_WEAK: it may be missing.
    private static var weakFlag: UInt16 { 2 }

    /// Whether it may be missing.
    var isWeak: Bool { flags & SymbolVersion.weakFlag != 0 }
    /// Whether it is the version of the file itself, which no symbol has.
    var isBase: Bool { flags & SymbolVersion.baseFlag != 0 }
}

/// The location of a file's version tables. Offsets count in `files`, the view of all files.
struct VersionTables: Equatable, Sendable {
    /// DT_VERSYM, two bytes for each symbol; 0 if there is none.
    var symbols: UInt64 = 0
    /// DT_VERDEF and DT_VERNEED, whose form has been checked; 0 if there is none.
    var defined: UInt64 = 0, needed: UInt64 = 0

    /// The version of the symbol at `index` in DT_VERSYM: its number, and bit 15 if it is hidden; 0 without a table.
    @inline(never)
    func number(_ index: UInt64, _ files: borrowing ByteView) -> UInt16 {
        guard symbols != 0, let low = files.byte(at: symbols &+ index &* 2),
            let high = files.byte(at: symbols &+ index &* 2 &+ 1)
        else { return 0 }
        return UInt16(low) | UInt16(high) << 8
    }

    /// The version of the symbol at `index`; none for a local symbol, and for the base version. Adds the cost to `steps`.
    @inline(never)
    func version(of index: UInt64, _ files: borrowing ByteView, _ steps: inout UInt64) -> SymbolVersion {
        let number = number(index, files)
        guard number & VersionIndex.number > VersionIndex.global else { return SymbolVersion() }
        for kind in 0..<2 {
            var list = kind == 0 ? definitions : needs
            while list.next(files) {
                steps &+= 1
                if (list.version.number ^ number) & VersionIndex.number == 0 { return list.version }
            }
        }
        return SymbolVersion()
    }

    /// The versions that the file defines.
    var definitions: VersionList { VersionList(.defined, at: defined) }
    /// The versions that it needs from other files.
    var needs: VersionList { VersionList(.needed, at: needed) }
}

/// Walks DT_VERDEF or DT_VERNEED: a list of entries, each of which has a list of items. An entry of DT_VERDEF is a version, and
/// its first item has the name; an entry of DT_VERNEED is a file, and its items are the versions needed from it.
struct VersionList {
    enum Kind { case defined, needed }

    private let kind: Kind
    /// The next entry, 0 after the last; the next item of the current entry, and the number of items left.
    private var entry: UInt64, item: UInt64 = 0, itemCount: UInt64 = 0
    /// The current version.
    private(set) var version = SymbolVersion()

    fileprivate init(_ kind: Kind, at start: UInt64) {
        self.kind = kind
        entry = start
    }

    /// Goes to the next version, skipping the base version; false after the last.
    @inline(never)
    mutating func next(_ files: borrowing ByteView) -> Bool {
        while itemCount == 0 {
            guard entry != 0, let first = files.word64(at: entry), let second = files.word64(at: entry &+ 8) else {
                return false
            }
            var distance = second >> 32
            if kind == .needed {
                // vn_version, vn_cnt, vn_file; vn_aux, vn_next.
                version.file = UInt32(truncatingIfNeeded: first >> 32)
                itemCount = first >> 16 & 0xffff
                item = entry &+ second & 0xffff_ffff
            } else {
                // vd_version, vd_flags, vd_ndx, vd_cnt; vd_hash, vd_aux; vd_next. vda_name is the item's first word.
                version.flags = UInt16(truncatingIfNeeded: first >> 16)
                version.number = UInt16(truncatingIfNeeded: first >> 32)
                version.hash = UInt32(truncatingIfNeeded: second)
                version.name = first >> 48 == 0 ? 0 : files.word32(at: entry &+ distance) ?? 0
                distance = UInt64(files.word32(at: entry &+ 16) ?? 0)
            }
            entry = distance == 0 ? 0 : entry &+ distance
            if kind == .defined, !version.isBase { return true }
        }
        guard let first = files.word64(at: item), let second = files.word64(at: item &+ 8) else { return false }
        // vna_hash, vna_flags, vna_other; vna_name, vna_next.
        version.hash = UInt32(truncatingIfNeeded: first)
        version.flags = UInt16(truncatingIfNeeded: first >> 32)
        version.number = UInt16(truncatingIfNeeded: first >> 48)
        version.name = UInt32(truncatingIfNeeded: second)
        item &+= second >> 32
        itemCount &-= 1
        return true
    }

    /// The offset of the first malformed entry in `table`: one that leaves it, goes back, or lists items that others have listed;
    /// nil if there is none.
    static func malformedEntry(of kind: Kind, in table: FileRange, _ files: borrowing ByteView) -> UInt64? {
        // The size of an entry, and the offsets in it of the distance to its items and to the next entry; then the same for an item.
        let (size, list, next): (UInt64, UInt64, UInt64) = kind == .needed ? (16, 8, 12) : (20, 12, 16)
        let (itemSize, itemNext): (UInt64, UInt64) = kind == .needed ? (16, 12) : (8, 4)
        var entry: UInt64 = 0
        var steps: UInt64 = 0
        while true {
            guard table.holds(entry, size) else { return entry }
            let start = table.start &+ entry
            // vn_cnt or vd_cnt.
            var remaining = files.field(at: start &+ (kind == .needed ? 0 : 4)) >> 16
            var item = entry &+ files.field(at: start &+ list)
            while remaining > 0 {
                steps &+= itemSize
                guard steps <= table.size, table.holds(item, itemSize) else { return item }
                let distance = files.field(at: table.start &+ item &+ itemNext)
                remaining &-= 1
                guard distance >= itemSize || remaining == 0 else { return item }
                item &+= distance
            }
            let distance = files.field(at: start &+ next)
            if distance == 0 { return nil }
            guard distance >= size else { return entry }
            entry &+= distance
        }
    }
}
