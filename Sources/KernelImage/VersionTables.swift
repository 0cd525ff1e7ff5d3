// Symbol versions (Linux Standard Base, "Symbol Versioning"): DT_VERSYM has a number for each symbol, DT_VERDEF and DT_VERNEED
// say what the numbers stand for.

import Bytes
import Diagnostics
import ELF

/// A version that a symbol has, or is wanted with.
struct SymbolVersion: Equatable, Sendable {
    /// The hash of its name.
    var hash: UInt32
    /// Whether it is no default: only who asks for the version gets the symbol.
    var isHidden: Bool
    /// VER_FLG_WEAK: it may be missing.
    var isWeak = false
    /// Its name, and that of the file that shall define it, as offsets in the string table; 0 for a version of the file's own.
    var name: UInt64, file: UInt64
    /// Its number in DT_VERSYM, and the offset in DT_VERNEED of the entry that wants it.
    var number: UInt16, entry: UInt64
}

/// Where a file's version tables lie. Offsets count in the view of all files, which is what `files` is.
struct VersionTables: Equatable, Sendable {
    /// DT_VERSYM, two bytes for each symbol; 0 where there is none.
    private(set) var symbols: UInt64 = 0
    /// DT_VERDEF and DT_VERNEED, and the number of bytes up to the end of their segment; 0 where there is none.
    private(set) var defined: UInt64 = 0, definedSize: UInt64 = 0
    private(set) var needed: UInt64 = 0, neededSize: UInt64 = 0

    /// No versions.
    init() {}

    /// The tables that `section` names, of the file at `start` with `symbolCount` symbols. Throws `versionTableMalformed` where they are not in the
    /// file, do not come to an end, or list the same bytes over and over.
    init(
        _ section: SharedObjectSection, _ image: borrowing KernelImage, start: UInt64, symbolCount: UInt64
    ) throws(Fault) {
        if section.versions != 0 {
            let place = Place.dynamic(0x6fff_fff0)
            _ = try image.contents(at: section.versions, size: symbolCount &* 2, place)
            symbols = start &+ (try image.fileOffset(of: section.versions, place))
        }
        if section.definedVersions != 0 {
            let place = Place.dynamic(0x6fff_fffc)
            let table = try image.contents(at: section.definedVersions, place)
            try VersionTables.validate(table, outer: (20, 12, 16), innerSize: 8, innerNext: 4, place)
            defined = start &+ (try image.fileOffset(of: section.definedVersions, place))
            definedSize = table.count
        }
        if section.neededVersions != 0 {
            let place = Place.dynamic(0x6fff_fffe)
            let table = try image.contents(at: section.neededVersions, place)
            try VersionTables.validate(table, outer: (16, 8, 12), innerSize: 16, innerNext: 12, place)
            needed = start &+ (try image.fileOffset(of: section.neededVersions, place))
            neededSize = table.count
        }
    }

    /// Walks a list of lists: entries of `outer.size` bytes, with the distance of their own list and of the next entry at
    /// `outer.list` and `outer.next`. Throws `versionTableMalformed`.
    private static func validate(
        _ table: borrowing ByteView, outer: (size: UInt64, list: UInt64, next: UInt64), innerSize: UInt64,
        innerNext: UInt64, _ place: Place
    ) throws(Fault) {
        var entry: UInt64 = 0
        var steps: UInt64 = 0
        while true {
            guard table.contains(entry, outer.size), let count = table.word32(at: entry &+ (innerSize == 8 ? 4 : 0)),
                let list = table.word32(at: entry &+ outer.list), let next = table.word32(at: entry &+ outer.next)
            else { throw Fault(.versionTableMalformed, place, value: entry, limit: table.count) }
            var item = entry &+ UInt64(list)
            var remaining = count >> 16
            while remaining > 0 {
                steps &+= innerSize
                guard steps <= table.count, table.contains(item, innerSize),
                    let next = table.word32(at: item &+ innerNext), next >= innerSize || remaining == 1
                else { throw Fault(.versionTableMalformed, place, value: item, limit: table.count) }
                item &+= UInt64(next)
                remaining &-= 1
            }
            guard next != 0 else { return }
            guard next >= outer.size else {
                throw Fault(.versionTableMalformed, place, value: entry, limit: table.count)
            }
            entry &+= UInt64(next)
        }
    }

    /// The version of the symbol at `index`, as DT_VERSYM has it: its number, and bit 15 where it is hidden; nil without a table.
    func number(_ index: UInt64, _ files: borrowing ByteView) -> UInt16? {
        guard symbols != 0, let low = files.byte(at: symbols &+ index &* 2),
            let high = files.byte(at: symbols &+ index &* 2 &+ 1)
        else { return nil }
        return UInt16(low) | UInt16(high) << 8
    }

    /// What version `number` stands for, nil where it is local, the base version, or none at all.
    func version(_ number: UInt16, _ files: borrowing ByteView, _ steps: inout UInt64) -> SymbolVersion? {
        guard number & 0x7fff > 1 else { return nil }
        var definitions = definitions
        while let version = definitions.next(files) {
            steps &+= 1
            if version.number == number & 0x7fff { return version }
        }
        var needs = needs
        while let version = needs.next(files) {
            steps &+= 1
            if version.number == number & 0x7fff { return version }
        }
        return nil
    }

    /// The versions that the file defines.
    var definitions: VersionDefinitions { VersionDefinitions(next: defined, remaining: definedSize) }
    /// The versions that it wants of others.
    var needs: VersionNeeds { VersionNeeds(start: needed, entry: needed, remaining: neededSize) }
}

/// Walks DT_VERDEF, whose form has been checked.
struct VersionDefinitions {
    fileprivate var next: UInt64
    /// How many bytes there are from `next` on; 0 behind the last entry.
    fileprivate var remaining: UInt64

    /// The next version but the base version; nil behind the last.
    mutating func next(_ files: borrowing ByteView) -> SymbolVersion? {
        while remaining >= 20,
            let entry = try? files.record(at: next, size: 20, else: .versionTableMalformed, .none)
        {
            let (flags, number, count) = (entry.u16(2), entry.u16(4), entry.u16(6))
            let name = count > 0 ? files.word32(at: next &+ UInt64(entry.u32(12))) ?? 0 : 0
            let distance = UInt64(entry.u32(16))
            remaining = distance >= 20 && distance <= remaining ? remaining &- distance : 0
            next &+= distance
            if flags & 1 == 0 {
                return SymbolVersion(
                    hash: entry.u32(8), isHidden: number & 0x8000 != 0, name: UInt64(name), file: 0,
                    number: number & 0x7fff, entry: 0)
            }
        }
        return nil
    }
}

/// Walks DT_VERNEED, whose form has been checked.
struct VersionNeeds {
    fileprivate let start: UInt64
    fileprivate var entry: UInt64
    fileprivate var remaining: UInt64
    private var file: UInt64 = 0
    private var item: UInt64 = 0
    private var itemCount: UInt16 = 0

    fileprivate init(start: UInt64, entry: UInt64, remaining: UInt64) {
        self.start = start
        self.entry = entry
        self.remaining = remaining
    }

    /// The next version that is wanted of some file; nil behind the last.
    mutating func next(_ files: borrowing ByteView) -> SymbolVersion? {
        while itemCount == 0 {
            guard remaining >= 16,
                let record = try? files.record(at: entry, size: 16, else: .versionTableMalformed, .none)
            else { return nil }
            itemCount = record.u16(2)
            file = UInt64(record.u32(4))
            item = entry &+ UInt64(record.u32(8))
            let distance = UInt64(record.u32(12))
            remaining = distance >= 16 && distance <= remaining ? remaining &- distance : 0
            entry &+= distance
        }
        guard let record = try? files.record(at: item, size: 16, else: .versionTableMalformed, .none) else {
            return nil
        }
        defer {
            item &+= UInt64(record.u32(12))
            itemCount &-= 1
        }
        return SymbolVersion(
            hash: record.u32(0), isHidden: record.u16(6) & 0x8000 != 0, isWeak: record.u16(4) & 2 != 0,
            name: UInt64(record.u32(8)), file: file, number: record.u16(6) & 0x7fff, entry: item &- start)
    }
}
