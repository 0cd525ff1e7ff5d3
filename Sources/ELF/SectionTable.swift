// The section header table (gABI, chapter "Sections"), from which object files are loaded.

public import Bytes
public import Diagnostics

extension SectionHeader {
    /// sh_type values.
    public enum Kind {
        /// SHT_NULL: an unused header.
        public static var null: UInt32 { 0 }
        /// SHT_PROGBITS: bytes of the program.
        public static var programBits: UInt32 { 1 }
        /// SHT_SYMTAB: symbols.
        public static var symbolTable: UInt32 { 2 }
        /// SHT_STRTAB: names.
        public static var stringTable: UInt32 { 3 }
        /// SHT_RELA: relocations with addends.
        public static var rela: UInt32 { 4 }
        /// SHT_DYNAMIC: the dynamic section.
        public static var dynamic: UInt32 { 6 }
        /// SHT_NOTE: notes.
        public static var note: UInt32 { 7 }
        /// SHT_DYNSYM: the symbols that dynamic linkers use.
        public static var dynamicSymbols: UInt32 { 11 }
        /// SHT_NOBITS: zeros, which take no room in the file.
        public static var nobits: UInt32 { 8 }
        /// SHT_REL: relocations whose addends are in place.
        public static var rel: UInt32 { 9 }
        /// SHT_INIT_ARRAY: pointers to initialisation functions.
        public static var initArray: UInt32 { 14 }
        /// SHT_FINI_ARRAY: pointers to termination functions.
        public static var finiArray: UInt32 { 15 }
        /// SHT_PREINIT_ARRAY: pointers to initialisation functions that are called before all others.
        public static var preinitArray: UInt32 { 16 }
        /// SHT_GROUP: indices of sections that belong together.
        public static var group: UInt32 { 17 }
        /// SHT_SYMTAB_SHNDX: section indices that do not fit in a symbol.
        public static var extendedIndices: UInt32 { 18 }
        /// SHT_RELR: packed relative relocations.
        public static var relr: UInt32 { 19 }
        /// SHT_GNU_HASH: the GNU hash table.
        public static var gnuHash: UInt32 { 0x6fff_fff6 }
        /// SHT_CREL: compact relocations. The number is LLVM's, until the gABI has one.
        public static var crel: UInt32 { 0x4000_0014 }
    }

    /// sh_flags bits.
    public enum Flags {
        /// SHF_WRITE: writable.
        public static var write: UInt64 { 0x1 }
        /// SHF_ALLOC: in memory at run time.
        public static var alloc: UInt64 { 0x2 }
        /// SHF_EXECINSTR: code.
        public static var execute: UInt64 { 0x4 }
        /// SHF_TLS: part of the template of thread-local storage.
        public static var threadLocal: UInt64 { 0x400 }
        /// SHF_COMPRESSED: the bytes in the file are compressed.
        public static var compressed: UInt64 { 0x800 }
        /// SHF_EXCLUDE: for the linker only.
        public static var exclude: UInt64 { 0x8000_0000 }
    }
}

/// The section headers of a file, up to 2^32 of them: an e_shnum of 0 and an e_shstrndx of SHN_XINDEX are resolved.
public struct SectionTable: ~Escapable {
    /// The file.
    public let file: ByteView
    /// The number of headers, including the one at index 0.
    public private(set) var count: UInt32 = 0
    private var headers: ByteView
    /// The file offset and the size of the section of names; 0 if the file has none.
    private var namesStart: UInt64 = 0, namesSize: UInt64 = 0

    /// The table that `header` describes in `file`. Throws as `find` does.
    @_lifetime(copy file)
    @inline(never)
    public init(_ file: ByteView, _ header: FileHeader) throws(Fault) {
        self.init(unread: file)
        try find(header)
    }

    /// A table of `file` that has not been found yet: see `find`.
    @_lifetime(copy file)
    public init(unread file: ByteView) {
        self.file = file
        headers = file.part(at: 0, size: 0)
    }

    /// Finds the table that `header` describes.
    ///
    /// Throws `noSectionHeaders`, `badSectionHeaderSize`, `sectionHeadersBeyondFile` or `badSectionLink`.
    @_lifetime(self: copy self)
    public mutating func find(_ header: FileHeader) throws(Fault) {
        guard header.sectionHeaderOffset != 0 else { throw Fault(.noSectionHeaders, .header) }
        let entrySize = UInt64(try file.record(at: 58, size: 2, else: .fileTooShort, .header).u16(0))
        guard entrySize == SectionHeader.size else {
            throw Fault(.badSectionHeaderSize, .header, value: entrySize, limit: SectionHeader.size)
        }
        let first = SectionHeader(
            try file.record(
                at: header.sectionHeaderOffset, size: SectionHeader.size, else: .sectionHeadersBeyondFile, .header))
        let number = header.sectionHeaderCount == 0 ? first.size : UInt64(header.sectionHeaderCount)
        guard number > 0 else { throw Fault(.noSectionHeaders, .header) }
        guard let count = UInt32(exactly: number) else {
            throw Fault(.sectionHeadersBeyondFile, .header, value: .max, limit: file.count)
        }
        self.count = count
        headers = try file.slice(
            at: header.sectionHeaderOffset, size: number &* SectionHeader.size, else: .sectionHeadersBeyondFile,
            .header)
        let nameIndex =
            header.sectionNameIndex == SectionIndex.extended ? first.link : UInt32(header.sectionNameIndex)
        guard nameIndex < count else {
            throw Fault(.badSectionLink, .header, value: UInt64(nameIndex), limit: number)
        }
        let names = headers.entry(Int(nameIndex), size: Int(SectionHeader.size))
        guard nameIndex != 0, file.contains(names.u64(24), names.u64(32)) else { return }
        (namesStart, namesSize) = (names.u64(24), names.u64(32))
    }

    /// The numbers of the sections.
    public var numbers: EntryNumbers { EntryNumbers(below: count) }

    /// The header at `index`, below `count`.
    public subscript(index: UInt32) -> SectionHeader {
        @inline(never) get { SectionHeader(headers.entry(Int(index), size: Int(SectionHeader.size))) }
    }

    /// The bytes that the section at `index` has in the file: none for SHT_NOBITS. Throws `sectionBeyondFile`.
    @_lifetime(copy self)
    @inline(never)
    public func contents(_ index: UInt32) throws(Fault) -> ByteView {
        let section = self[index]
        return try file.slice(
            at: section.fileStart, size: section.fileSize, else: .sectionBeyondFile, .sectionHeader(UInt64(index)))
    }

    /// The bytes of the section at `index`, a table of entries of `unit` bytes; `unit` is 0 if their size varies. Throws
    /// `badEntrySize`, `tableSizeNotMultiple` or `sectionBeyondFile`.
    @_lifetime(copy self)
    public func table(_ index: UInt32, _ unit: UInt64) throws(Fault) -> ByteView {
        let section = self[index]
        if unit > 0 {
            let location = FaultLocation.sectionHeader(UInt64(index))
            guard section.entsize == unit else {
                throw Fault(.badEntrySize, location, value: section.entsize, limit: unit)
            }
            guard section.size % unit == 0 else {
                throw Fault(.tableSizeNotMultiple, location, value: section.size, limit: unit)
            }
        }
        return try contents(index)
    }

    /// The number of the first section of `type`; 0 if there is none.
    public func first(of type: UInt32) -> UInt32 {
        var numbers = numbers
        while let index = numbers.next() {
            if self[index].type == type { return index }
        }
        return 0
    }

    /// The number of the first section that holds link address `address` at run time; nil if there is none. Thread-local sections
    /// do not count: their variables lie in each thread's block.
    public func section(at address: UInt64) -> UInt32? {
        var numbers = numbers
        while let index = numbers.next() {
            let header = headers.entry(Int(index), size: Int(SectionHeader.size))
            // sh_addr, sh_size and sh_flags.
            guard address &- header.u64(16) < header.u64(32) else { continue }
            let kinds = SectionHeader.Flags.alloc | SectionHeader.Flags.threadLocal
            if header.u64(8) & kinds == SectionHeader.Flags.alloc { return index }
        }
        return nil
    }

    /// The fault for the section at `index`, which refers to another at `link`.
    public func badLink(_ index: UInt32, _ link: UInt32) -> Fault {
        Fault(.badSectionLink, .sectionHeader(UInt64(index)), value: UInt64(link), limit: UInt64(count))
    }

    /// The file offset of the name of the section at `index`; 0 if it has none.
    public func nameOffset(_ index: UInt32) -> UInt64 {
        index < count ? nameOffset(self[index]) : 0
    }

    /// The file offset of the name of `section`; 0 if it has none.
    public func nameOffset(_ section: SectionHeader) -> UInt64 { nameOffset(ofName: section.name) }

    /// The file offset of the name of a section whose sh_name is `offset`; 0 if it has none.
    public func nameOffset(ofName offset: UInt32) -> UInt64 {
        let name = UInt64(offset)
        return name != 0 && name < namesSize ? namesStart &+ name : 0
    }
}

/// The numbers of a table's entries, except number 0, which means no entry.
public struct EntryNumbers {
    @usableFromInline var last: UInt32 = 0
    @usableFromInline let count: UInt32

    /// The numbers for a table of `count` entries.
    @inlinable
    public init(below count: UInt32) { self.count = count }

    /// The next number; nil after the last.
    @inlinable
    public mutating func next() -> UInt32? {
        guard last &+ 1 < count else { return nil }
        last &+= 1
        return last
    }
}
