// Symbols (gABI, chapter "Symbol Table").

public import Bytes

/// A symbol: Elf64_Sym.
public struct Symbol: Equatable, Sendable {
    /// The size of Elf64_Sym in a file.
    public static var size: UInt64 { 24 }

    /// st_info: binding and type.
    public var info: UInt8
    /// st_other: visibility.
    public var other: UInt8
    /// st_shndx.
    public var shndx: UInt16
    /// st_name: offset in the string table.
    public var name: UInt32
    /// st_value: a link address in linked files.
    public var value: UInt64
    /// st_size, in bytes.
    public var size: UInt64

    /// Reads the fields of a record of `size` bytes.
    public init(_ record: borrowing Record) {
        name = record.u32(0)
        info = record.u8(4)
        other = record.u8(5)
        shndx = record.u16(6)
        value = record.u64(8)
        size = record.u64(16)
    }

    /// A global function at `value`.
    public init(function value: UInt64) {
        name = 0
        info = Binding.global << 4 | Kind.function
        other = 0
        // Any section.
        shndx = 1
        self.value = value
        size = 0
    }

    /// STB_…: the files that can refer to it; see `Binding`.
    public var binding: UInt8 { info >> 4 }
    /// STT_…: the kind of thing that it names; see `Kind`.
    public var type: UInt8 { info & 0xf }
    private var visibility: UInt8 { other & 3 }
    /// SHN_UNDEF: defined elsewhere.
    public var isUndefined: Bool { shndx == SectionIndex.undefined }
    /// SHN_ABS: the value is not an address, and is not rebased.
    public var isAbsolute: Bool { shndx == SectionIndex.absolute }
    /// STB_LOCAL, or a visibility that hides it from other files.
    public var isLocal: Bool {
        binding == Binding.local || visibility == Visibility.internal || visibility == Visibility.hidden
    }
    /// STV_PROTECTED: other files can refer to it, but not preempt it.
    public var isProtected: Bool { visibility == Visibility.protected }
    /// STB_GNU_UNIQUE: one definition for all files.
    public var isUnique: Bool { binding == Binding.unique }
    /// STB_WEAK.
    public var isWeak: Bool { binding == Binding.weak }
    /// STT_TLS: the value is an offset in the TLS block.
    public var isThreadLocal: Bool { type == Kind.threadLocal }
    /// STT_GNU_IFUNC: the value is the address of a function that returns the address.
    public var isIndirectFunction: Bool { type == Kind.indirectFunction }
    /// Whether it is of a kind that names code or data, rather than a section, a file or something unknown.
    public var isCodeOrData: Bool { isPlace || type == Kind.common || isThreadLocal || isIndirectFunction }
    /// STT_NOTYPE, STT_OBJECT or STT_FUNC: it names a place in the program.
    public var isPlace: Bool { type <= Kind.function }

    private var isFunction: Bool { type == Kind.function || isIndirectFunction }

    /// Whether it can name an address: it has a name, and names a place in the program, or a function that chooses one.
    public var tellsPlace: Bool { name != 0 && (isPlace || isIndirectFunction) }
    /// Whether it names an address better than `other`, which has the same value and comes before it in the table: the first function
    /// names it best, and without a function the last symbol.
    public func tells(betterThan other: Symbol) -> Bool { !other.isFunction }

    /// The kinds of thing that a symbol names (STT_…).
    public enum Kind {
        /// STT_NOTYPE: unspecified.
        public static var none: UInt8 { 0 }
        /// STT_OBJECT: data.
        public static var object: UInt8 { 1 }
        /// STT_FUNC: a function.
        public static var function: UInt8 { 2 }
        /// STT_SECTION: a section; the symbol's name is the section's.
        public static var section: UInt8 { 3 }
        /// STT_COMMON: data that has no section yet.
        public static var common: UInt8 { 5 }
        /// STT_TLS: a thread-local variable.
        public static var threadLocal: UInt8 { 6 }
        /// STT_GNU_IFUNC: a function that chooses an implementation.
        public static var indirectFunction: UInt8 { 10 }
    }

    /// Which files can refer to a symbol (STB_…).
    public enum Binding {
        /// STB_LOCAL: its own file.
        public static var local: UInt8 { 0 }
        /// STB_GLOBAL: all files.
        public static var global: UInt8 { 1 }
        /// STB_WEAK: all files. It may be missing, or give way to another.
        public static var weak: UInt8 { 2 }
        /// STB_GNU_UNIQUE: all files, which share one definition.
        public static var unique: UInt8 { 10 }
    }

    private enum Visibility {
        static var `internal`: UInt8 { 1 }
        static var hidden: UInt8 { 2 }
        static var protected: UInt8 { 3 }
    }
}

/// The section indices (SHN_…) that do not number a section.
public enum SectionIndex {
    /// SHN_UNDEF: the symbol is defined elsewhere.
    public static var undefined: UInt16 { 0 }
    /// SHN_LORESERVE: the first index that is reserved.
    public static var firstReserved: UInt16 { 0xff00 }
    /// SHN_ABS: the symbol's value is not an address.
    public static var absolute: UInt16 { 0xfff1 }
    /// SHN_COMMON: the linker gives the symbol a place.
    public static var common: UInt16 { 0xfff2 }
    /// SHN_XINDEX: the index has more than 16 bits, and is stored elsewhere.
    public static var extended: UInt16 { 0xffff }
}

/// The number of symbols in a dynamic symbol table. Only its hash tables give it.
public enum SymbolCount {
    /// The number of symbols by a System V hash table at the start of `bytes`, its nchain; nil if the table does not fit.
    public static func ofHash(_ bytes: borrowing ByteView) -> UInt64? {
        guard let buckets = bytes.word32(at: 0), let chains = bytes.word32(at: 4) else { return nil }
        guard bytes.contains(8, (UInt64(buckets) &+ UInt64(chains)) &* 4) else { return nil }
        return UInt64(chains)
    }

    /// The number of symbols that a GNU hash table at the start of `bytes` covers; nil if the table does not fit. An empty table
    /// covers the symbols before its first one; with GNU ld that is 1, however many undefined symbols there are.
    /// Walks the chain that starts last: linear in the number of buckets and the length of that chain.
    public static func ofGNUHash(_ bytes: borrowing ByteView) -> UInt64? {
        guard bytes.count >= 16 else { return nil }
        let header = bytes.entry(0, size: 16)
        let (buckets, first) = (UInt64(header.u32(0)), UInt64(header.u32(4)))
        // Numbers of 32 bits: nothing wraps.
        let bucketStart = 16 &+ UInt64(header.u32(8)) &* 8
        let chainStart = bucketStart &+ buckets &* 4
        guard chainStart <= bytes.count else { return nil }
        var last: UInt64 = 0
        var position = bucketStart
        while position < chainStart, let symbol = bytes.word32(at: position) {
            last = max(last, UInt64(symbol))
            position &+= 4
        }
        // Without buckets there are no chains. A table that was cut out of the file may read as zeros.
        guard buckets > 0, last >= first else { return first }
        position = chainStart &+ (last &- first) &* 4
        while let hash = bytes.word32(at: position) {
            position &+= 4
            if hash & 1 == 1 { return first &+ (position &- chainStart) / 4 }
        }
        return nil
    }
}
