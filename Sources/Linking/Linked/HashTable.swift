// The tables that find a symbol by its name: DT_GNU_HASH with its bloom filter, and DT_HASH (gABI, "Hash Table").

import Bytes
import Diagnostics
import ELF

/// A name, and its hash in each of the two tables.
struct HashedName: Equatable, Sendable {
    /// The offset of the name in the view of all files, and its length.
    private(set) var start: UInt64 = 0, length: UInt64 = 0
    /// The hash of DT_GNU_HASH, and that of DT_HASH.
    private(set) var gnu: UInt32 = 0, system: UInt32 = 0

    /// Reads the name of `length` bytes at `start` of `bytes`.
    mutating func read(_ bytes: borrowing ByteView, at start: UInt64, length: UInt64) {
        self.start = start
        self.length = length
        var gnu: UInt32 = 5381
        var system: UInt32 = 0
        for offset in 0..<length {
            let byte = UInt32(bytes.byte(at: start &+ offset) ?? 0)
            gnu = gnu &* 33 &+ byte
            system = system &<< 4 &+ byte
            system = (system ^ system &>> 24 & 0xf0) & 0x0fff_ffff
        }
        self.gnu = gnu
        self.system = system
    }
}

/// A file's hash table: its location and its header's numbers. Offsets count in the view of all files.
struct HashTable: Equatable, Sendable {
    private var isGNU = false
    /// The number of buckets; 0 if there is no table.
    private var bucketCount: UInt32 = 0
    /// The first symbol that has a chain word.
    private var firstSymbol: UInt64 = 0
    /// The number of the last symbol, plus 1.
    private var symbolCount: UInt64 = 0
    /// The number of words of the bloom filter, and the shift of its second bit.
    private var bloomCount: UInt32 = 0, bloomShift: UInt32 = 0
    private var bloom: UInt64 = 0, buckets: UInt64 = 0, chains: UInt64 = 0

    /// Reads the header of `table`, of a file with `symbolCount` symbols; false if the table does not fit.
    mutating func read(_ table: FileRange, isGNU: Bool, symbolCount: UInt64, _ files: borrowing ByteView) -> Bool {
        self.isGNU = isGNU
        self.symbolCount = symbolCount
        let start = table.start
        guard table.size >= (isGNU ? 16 : 8) else { return false }
        let count = files.field(at: start)
        let second = files.field(at: start &+ 4)
        // `second` is the first symbol that is listed, or the number of symbols. The null symbol is not listed, but counts. A table
        // that was cut out of the file consists of zeros.
        guard second > 0 else { return false }
        buckets = start &+ 8
        if isGNU {
            firstSymbol = second
            bloomCount = UInt32(truncatingIfNeeded: files.field(at: start &+ 8))
            bloomShift = UInt32(truncatingIfNeeded: files.field(at: start &+ 12))
            guard bloomCount & (bloomCount &- 1) == 0 else { return false }
            bloom = start &+ 16
            buckets = bloom &+ UInt64(bloomCount) &* 8
        } else {
            self.symbolCount = min(symbolCount, second)
        }
        bucketCount = UInt32(truncatingIfNeeded: count)
        chains = buckets &+ count &* 4
        // Chains end with the last symbol or before; an empty table may have none. All sums have fewer than 40 bits.
        let chainSize = isGNU || count == 0 ? 0 : self.symbolCount &* 4
        return chains &- start &+ chainSize <= table.size
    }

    /// The first symbol of the chain that would hold `name`; 0 if there is none.
    func first(_ name: HashedName, _ files: borrowing ByteView) -> UInt64 {
        guard bucketCount > 0 else { return 0 }
        if isGNU, bloomCount > 0 {
            let word = files.word64(at: bloom &+ UInt64(name.gnu >> 6 & (bloomCount &- 1)) &* 8) ?? 0
            let bits = word &>> UInt64(name.gnu & 63) & word >> UInt64(name.gnu >> bloomShift & 63)
            guard bits & 1 == 1 else { return 0 }
        }
        let bucket = (isGNU ? name.gnu : name.system) % bucketCount
        return UInt64(files.word32(at: buckets &+ UInt64(bucket) &* 4) ?? 0)
    }

    /// The chain's word for the symbol at `index`; nil if the chain has ended or leads out of the table.
    func word(_ index: UInt64, _ files: borrowing ByteView) -> UInt32? {
        guard index > 0, index >= firstSymbol, index < symbolCount else { return nil }
        return files.word32(at: chains &+ (index &- firstSymbol) &* 4)
    }

    /// Whether the symbol with this word in its chain can have the name `name`.
    func mayBe(_ name: HashedName, _ word: UInt32) -> Bool { !isGNU || (word ^ name.gnu) >> 1 == 0 }

    /// The symbol that follows the one at `index`, whose word is `word`; 0 if it is the last. Chains of DT_HASH can loop.
    func next(_ index: UInt64, _ word: UInt32) -> UInt64 {
        if isGNU { return word & 1 == 1 ? 0 : index &+ 1 }
        return UInt64(word)
    }
}
