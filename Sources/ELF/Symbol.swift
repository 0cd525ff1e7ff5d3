// Symbols (gABI, chapter "Symbol Table").

public import Bytes

/// Elf64_Sym.
public struct Symbol: Equatable, Sendable {
    /// The size of Elf64_Sym in a file.
    public static var size: UInt64 { 24 }

    // What is asked for most comes first: the lowest byte of a register is.
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
        info = 0x12
        other = 0
        shndx = 1
        self.value = value
        size = 0
    }

    /// STB_LOCAL 0, STB_GLOBAL 1, STB_WEAK 2.
    public var binding: UInt8 { info >> 4 }
    /// STT_OBJECT 1, STT_FUNC 2, STT_SECTION 3, STT_TLS 6, STT_GNU_IFUNC 10.
    public var type: UInt8 { info & 0xf }
    /// SHN_UNDEF: defined elsewhere.
    public var isUndefined: Bool { shndx == 0 }
    /// SHN_ABS: the value is not an address, and is not rebased.
    public var isAbsolute: Bool { shndx == 0xfff1 }
    /// STB_LOCAL, or of a visibility (STV_INTERNAL 1, STV_HIDDEN 2) that keeps other files from it.
    public var isLocal: Bool { binding == 0 || other & 3 == 1 || other & 3 == 2 }
    /// STV_PROTECTED: others can refer to it, not define it in its stead.
    public var isProtected: Bool { other & 3 == 3 }
    /// STB_GNU_UNIQUE: one definition for all files.
    public var isUnique: Bool { binding == 10 }
    /// STB_WEAK.
    public var isWeak: Bool { binding == 2 }
    /// STT_TLS: the value is an offset in the TLS block.
    public var isThreadLocal: Bool { type == 6 }
    /// STT_GNU_IFUNC: the value is the address of a function that returns the address.
    public var isIndirectFunction: Bool { type == 10 }
}

/// How many symbols a dynamic symbol table has, which only its hash tables tell.
public enum SymbolCount {
    /// nchain of a System V hash table at `bytes`' start; nil where the table does not fit.
    public static func ofHash(_ bytes: borrowing ByteView) -> UInt64? {
        guard let buckets = bytes.word32(at: 0), let chains = bytes.word32(at: 4) else { return nil }
        guard bytes.contains(8, (UInt64(buckets) &+ UInt64(chains)) &* 4) else { return nil }
        return UInt64(chains)
    }

    /// The number of symbols that a GNU hash table at `bytes`' start covers; nil where the table does not fit. An empty table
    /// covers those before its first; with GNU ld that is 1, however many undefined symbols there are.
    /// Walks the one chain that starts last: linear in the number of buckets and that chain.
    @inline(never)
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
        // Without buckets there are no chains: of a table that was cut out of the file only zeros may be left.
        guard buckets > 0, last >= first else { return first }
        position = chainStart &+ (last &- first) &* 4
        while let hash = bytes.word32(at: position) {
            position &+= 4
            if hash & 1 == 1 { return first &+ (position &- chainStart) / 4 }
        }
        return nil
    }
}
