// The hash tables of symbols: their contents, and their ends.

import Bytes
import Testing
import TestSupport

@testable import Linking

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HashTableTests {
    /// The words of a table, and bytes before it.
    private static func bytes(_ words: [UInt32]) -> [UInt8] {
        (([0xdead_beef, 0] as [UInt32]) + words).flatMap { littleEndian($0) }
    }

    /// The table, nil if it does not fit.
    private static func table(
        _ words: [UInt32], isGNU: Bool, symbolCount: UInt64, size: Int? = nil
    ) -> HashTable? {
        let bytes = bytes(words)
        var table = HashTable()
        let range = FileRange(start: 8, size: UInt64(size ?? 4 * words.count))
        return table.read(range, isGNU: isGNU, symbolCount: symbolCount, ByteView(bytes.span.bytes)) ? table : nil
    }

    /// Two buckets; symbols 1, 2 and 3.
    private static let system: [UInt32] = [2, 4, 1, 2, 0, 3, 0, 0]
    /// Two buckets, one bloom word of ones; symbols 2 and 3 in a chain each.
    private static let gnu: [UInt32] = [2, 2, 1, 6, .max, .max, 2, 3, 0x11, 0x21]

    /// Symbols that both tables have: at most as many as the hash table counts.
    @Test(arguments: [(3, [1, 2]), (4, [1, 2, 3]), (5, [1, 2, 3]), (.max, [1, 2, 3])] as [(UInt64, [UInt64])])
    func `a chain has a word for each symbol`(_ symbolCount: UInt64, _ known: [UInt64]) throws {
        let table = try #require(Self.table(Self.system, isGNU: false, symbolCount: symbolCount))
        let bytes = Self.bytes(Self.system)
        let found = ([0, 1, 2, 3, 4, 5, .max] as [UInt64]).filter { table.word($0, ByteView(bytes.span.bytes)) != nil }
        #expect(found == known)
    }

    @Test func `chains of DT_GNU_HASH begin with its first symbol`() throws {
        for (symbolCount, known) in [(2, []), (3, [2]), (4, [2, 3])] as [(UInt64, [UInt64])] {
            let table = try #require(Self.table(Self.gnu, isGNU: true, symbolCount: symbolCount))
            let bytes = Self.bytes(Self.gnu)
            let found = ([0, 1, 2, 3, 4, .max] as [UInt64]).filter { table.word($0, ByteView(bytes.span.bytes)) != nil }
            #expect(found == known)
        }
    }

    @Test func `a table that is cut short does not fit`() {
        for length in 0...Self.system.count * 4 {
            let fits = Self.table(Self.system, isGNU: false, symbolCount: 4, size: length) != nil
            #expect(fits == (length == 32), "\(length)")
        }
        // Without the chains, whose end is elsewhere.
        for length in 0...Self.gnu.count * 4 {
            let fits = Self.table(Self.gnu, isGNU: true, symbolCount: 4, size: length) != nil
            #expect(fits == (length >= 32), "\(length)")
        }
        // No buckets, no chains, and no symbols.
        for length in [7, 8] {
            let fits = Self.table([0, 4, 0, 0], isGNU: false, symbolCount: 4, size: length) != nil
            #expect(fits == (length == 8))
        }
        for words in [[1, 0, 0, 0], [0, 0, 0, 0]] as [[UInt32]] {
            #expect(Self.table(words, isGNU: false, symbolCount: 4) == nil)
            #expect(Self.table(words, isGNU: true, symbolCount: 4) == nil)
        }
    }

    /// The number of bloom words is a power of two, or there are none.
    @Test(arguments: 0...9 as ClosedRange<UInt32>) func `bloom words are counted by powers of two`(_ count: UInt32) {
        let words: [UInt32] = [1, 1, count, 6] + [UInt32](repeating: .max, count: 2 * Int(count)) + [1, 1]
        let fits = Self.table(words, isGNU: true, symbolCount: 2) != nil
        #expect(fits == [0, 1, 2, 4, 8].contains(count))
    }

    /// The hashes of the gABI and of GNU, written again for the test; long names use all bits.
    @Test(arguments: ["", "a", "printf", "__tls_get_addr", "éééééééé", String(repeating: "z", count: 300)])
    func `names are hashed as both tables require`(_ name: String) {
        let bytes = Array("before".utf8) + Array(name.utf8) + [0]
        var hashed = HashedName()
        hashed.read(ByteView(bytes.span.bytes), at: 6, length: UInt64(name.utf8.count))
        #expect(hashed.gnu == LinkedVersion.gnuHash(name))
        #expect(hashed.system == LinkedVersion.hash(name))
    }

    /// A name that the filter excludes is not searched for: both of its bits must be set in its word.
    @Test(arguments: ["printf", "malloc", "a", ""], [1, 2, 4] as [UInt32]) func `both bits of a name are tested`(
        _ name: String, _ count: UInt32
    ) throws {
        let text = Array(name.utf8) + [0]
        var hashed = HashedName()
        hashed.read(ByteView(text.span.bytes), at: 0, length: UInt64(name.utf8.count))
        for shift in [0, 6, 31] as [UInt32] {
            let (first, second) = (UInt64(hashed.gnu % 64), UInt64((hashed.gnu >> shift) % 64))
            for (bits, isThere) in [
                (1 << first | 1 << second, true), (1 << first, first == second), (1 << second, first == second),
                (~(1 << first), false), (~(1 << second), false), (.max, true), (0, false),
            ] as [(UInt64, Bool)] {
                // Only the name's own word matters.
                var words: [UInt32] = [1, 1, count, shift]
                for index in 0..<count {
                    let word = index == hashed.gnu / 64 % count ? bits : ~bits
                    words += [UInt32(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32)]
                }
                words += [1, 1]
                let table = try #require(Self.table(words, isGNU: true, symbolCount: 2))
                let bytes = Self.bytes(words)
                let found = table.first(hashed, ByteView(bytes.span.bytes))
                #expect(found == (isThere ? 1 : 0), "\(shift) \(bits)")
            }
        }
    }
}
