// The dynamic section of a file of either class and byte order (gABI, chapter "Dynamic Section").

import Architecture
public import Bytes
public import Diagnostics
import ELF

/// The entries of one PT_DYNAMIC segment, and the tables that they refer to.
public struct DynamicListing: ~Escapable {
    /// The number of entries that fit in the segment; DT_NULL may come earlier.
    public let count: Int
    private let form: FileForm
    private let file: ByteView
    private let bytes: ByteView
    private let segments: SegmentListing

    /// The entries in `segment`, the one at `index` of `segments`. Throws `segmentBeyondFile`.
    @_lifetime(copy file, copy segments)
    public init(_ file: ByteView, _ form: FileForm, _ segments: SegmentListing, index: Int) throws(Fault) {
        let bytes = try segments[index].contents(file, index: UInt64(index))
        self.form = form
        self.file = file
        self.bytes = bytes
        self.segments = segments
        count = Int(bytes.count / form.dynamicEntrySize)
    }

    /// The entries of the first PT_DYNAMIC segment of `file`; nil if there is none. Throws `segmentBeyondFile`.
    @_lifetime(copy file)
    public static func first(_ file: ByteView, _ header: AnyFileHeader) throws(Fault) -> DynamicListing? {
        let segments = try SegmentListing(file, header)
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.dynamic {
            return try DynamicListing(file, header.form, segments, index: index)
        }
        return nil
    }

    /// d_tag and d_val of the entry at `index`, below `count`.
    public subscript(index: Int) -> (tag: UInt64, value: UInt64) {
        let entry = bytes.entry(index, size: Int(form.dynamicEntrySize))
        return (form.word(entry, 0), form.word(entry, Int(form.wordSize)))
    }

    /// The value of the first entry of `tag` before DT_NULL; nil if there is none.
    public func value(_ tag: UInt64) -> UInt64? {
        for index in 0..<count {
            let entry = self[index]
            if entry.tag == 0 { return nil }
            if entry.tag == tag { return entry.value }
        }
        return nil
    }

    /// The bytes at the address that the entry of `tag` has, `size` of them, or all that its segment has; nil if there is no
    /// such entry. Throws `dynamicAddressOutsideFile`.
    @_lifetime(copy self)
    public func table(_ tag: UInt64, size: UInt64? = nil) throws(Fault) -> ByteView? {
        guard let address = value(tag) else { return nil }
        guard let place = segments.place(of: address), size ?? 0 <= place.size,
            file.contains(place.offset, size ?? place.size)
        else { throw Fault(.dynamicAddressOutsideFile, .dynamic(tag), value: address, limit: size ?? 0) }
        return file.part(at: place.offset, size: size ?? place.size)
    }

    /// The names at DT_STRTAB, DT_STRSZ bytes of them; empty if there is no such table or it is not in the file.
    public var strings: ByteView {
        @_lifetime(copy self) get {
            guard let table = try? table(DynamicTag.stringTable) else { return file.part(at: 0, size: 0) }
            return table.part(at: 0, size: min(value(DynamicTag.stringTableSize) ?? table.count, table.count))
        }
    }

    /// The symbols at DT_SYMTAB, as many as DT_HASH or DT_GNU_HASH count; without either, as many as fit in the segment, or before the
    /// names. Empty without DT_SYMTAB.
    ///
    /// Throws `badEntrySize`, `dynamicAddressOutsideFile` or `hashTableMalformed`.
    @_lifetime(copy self)
    public func symbols(machine: UInt16) throws(Fault) -> ByteView {
        guard let table = try table(DynamicTag.symbolTable), let address = value(DynamicTag.symbolTable) else {
            return file.part(at: 0, size: 0)
        }
        let unit = form.symbolSize
        let entrySize = value(DynamicTag.symbolEntrySize) ?? unit
        guard entrySize == unit else {
            throw Fault(.badEntrySize, .dynamic(DynamicTag.symbolEntrySize), value: entrySize, limit: unit)
        }
        var length = table.count / unit
        if let names = value(DynamicTag.stringTable), names > address { length = min(length, (names - address) / unit) }
        if let hash = try self.table(DynamicTag.hash) {
            let number = count(ofHash: hash, machine)
            guard let number else { throw Fault(.hashTableMalformed, .dynamic(DynamicTag.hash)) }
            if number > 0 { length = number }
        } else if let hash = try self.table(DynamicTag.gnuHash) {
            guard let number = count(ofGNUHash: hash) else {
                throw Fault(.hashTableMalformed, .dynamic(DynamicTag.gnuHash))
            }
            // If no symbol is exported, GNU ld's table does not count undefined ones.
            if number > 1 { length = number }
        }
        guard length <= table.count / unit else {
            throw Fault(
                .dynamicAddressOutsideFile, .dynamic(DynamicTag.symbolTable), value: address, limit: length &* unit)
        }
        return table.part(at: 0, size: length &* unit)
    }

    /// nchain of a System V hash table; nil if it is not there. By their psABIs 64-bit Alpha and S/390 have words of 64 bits in
    /// it, but not all linkers write these: half of the first word, or all of the second, would be 0 otherwise.
    private func count(ofHash table: ByteView, _ machine: UInt16) -> UInt64? {
        let isWide = form.isWide && (machine == MachineType.s390 || machine == MachineType.alpha)
        let high = form.u32(table, at: form.isBigEndian ? 0 : 4)
        return isWide && high == 0 ? form.word(table, at: 8) : form.u32(table, at: 4).map { UInt64($0) }
    }

    /// The number of symbols that a GNU hash table covers; nil if it does not fit. The loader's own `SymbolCount`, in any form.
    private func count(ofGNUHash table: ByteView) -> UInt64? {
        if form.isOwn { return SymbolCount.ofGNUHash(table) }
        guard let buckets = form.u32(table, at: 0), let first = form.u32(table, at: 4),
            let filter = form.u32(table, at: 8)
        else { return nil }
        // Numbers of 32 bits: nothing wraps.
        let bucketStart = 16 &+ UInt64(filter) &* form.wordSize
        let chainStart = bucketStart &+ UInt64(buckets) &* 4
        guard chainStart <= table.count else { return nil }
        var last: UInt32 = 0
        for index in 0..<UInt64(buckets) { last = max(last, form.u32(table, at: bucketStart &+ index &* 4) ?? 0) }
        guard buckets > 0, last >= first else { return UInt64(first) }
        var symbol = UInt64(last)
        while let hash = form.u32(table, at: chainStart &+ (symbol &- UInt64(first)) &* 4) {
            symbol &+= 1
            if hash & 1 == 1 { return symbol }
        }
        return nil
    }
}
