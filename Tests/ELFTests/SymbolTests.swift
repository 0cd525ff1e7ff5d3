// Symbols, and their number according to the hash tables.

import Bytes
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolTests {
    static func words(_ words: [UInt32]) -> [UInt8] { words.flatMap { littleEndian($0) } }

    static func hash(_ bytes: [UInt8]) -> UInt64? { SymbolCount.ofHash(ByteView(bytes.span.bytes)) }
    static func gnuHash(_ bytes: [UInt8]) -> UInt64? { SymbolCount.ofGNUHash(ByteView(bytes.span.bytes)) }

    @Test func `a System V table has as many chains as there are symbols`() {
        let table = Self.words([2, 5, 0, 0, 0, 0, 0, 0, 0])
        #expect(Self.hash(table) == 5)
        for length in 0..<table.count { #expect(Self.hash(Array(table[..<length])) == nil) }
        #expect(Self.hash(Self.words([.max, .max])) == nil)
        #expect(Self.hash(Self.words([0, 0])) == 0)
    }

    @Test func `a GNU table ends with the last chain`() {
        // Two buckets, first symbol 3, one Bloom word; chains 3-4 and 5-7.
        let table = Self.words([2, 3, 1, 6, 0, 0, 3, 5, 8, 9, 8, 10, 13])
        #expect(Self.gnuHash(table) == 8)
        for length in 0..<table.count { #expect(Self.gnuHash(Array(table[..<length])) == nil) }
        // No symbol is hashed: only those before the first hashed one count.
        #expect(Self.gnuHash(Self.words([1, 7, 1, 6, 0, 0, 0])) == 7)
        // The header alone, of a table without buckets, even if the table ends there.
        let header = Self.words([0, 7, 0, 6])
        #expect(Self.gnuHash(header) == 7 && Self.gnuHash(header + [0]) == 7)
        for length in 0..<header.count { #expect(Self.gnuHash(Array(header[..<length])) == nil) }
        // A chain without an end.
        #expect(Self.gnuHash(Self.words([1, 1, 1, 6, 0, 0, 1, 2, 4, 6])) == nil)
        #expect(Self.gnuHash(Self.words([.max, 1, .max, 6, 0, 0, 1, 2, 4, 6])) == nil)
    }

    @Test func `every field is read from its offset`() throws {
        let bytes =
            littleEndian(UInt32(0x1111_2222)) + [0x2a, 3] + littleEndian(UInt16(0xfff1))
            + littleEndian(UInt64(0x3333_4444_5555_6666)) + littleEndian(UInt64(0x7777))
        let symbol = Symbol(try ByteView(bytes.span.bytes).record(at: 0, size: 24, else: .notELF, .none))
        #expect(symbol.name == 0x1111_2222)
        #expect(symbol.binding == 2 && symbol.type == 10 && symbol.other == 3)
        #expect(symbol.shndx == 0xfff1)
        #expect(symbol.value == 0x3333_4444_5555_6666)
        #expect(symbol.size == 0x7777)
        #expect(symbol.isAbsolute && symbol.isWeak && symbol.isIndirectFunction)
        #expect(!symbol.isUndefined && !symbol.isThreadLocal)
    }

    /// The meaning of each value of st_info, st_other and st_shndx (gABI, "Symbol Table"; STB_GNU_UNIQUE and STT_GNU_IFUNC are GNU's).
    @Test func `every binding, type, visibility and section has its meaning`() {
        let indices: [UInt16] = [0, 1, 0xfeff, 0xff00, 0xff02, 0xfff0, 0xfff1, 0xfff2, 0xffff]
        for info in 0...255 as ClosedRange<UInt8> {
            let (binding, type) = (info / 16, info % 16)
            for other in 0...255 as ClosedRange<UInt8> where other < 8 || other > 251 {
                for shndx in indices {
                    var symbol = Symbol(function: 5)
                    (symbol.info, symbol.other, symbol.shndx) = (info, other, shndx)
                    // STV_INTERNAL 1, STV_HIDDEN 2, STV_PROTECTED 3, in the two lowest bits.
                    let isRight =
                        symbol.binding == binding && symbol.type == type
                        && symbol.isLocal == (binding == 0 || [1, 2].contains(other % 4))
                        && symbol.isProtected == (other % 4 == 3) && symbol.isWeak == (binding == 2)
                        && symbol.isUnique == (binding == 10) && symbol.isThreadLocal == (type == 6)
                        && symbol.isIndirectFunction == (type == 10) && symbol.isPlace == [0, 1, 2].contains(type)
                        && symbol.isCodeOrData == [0, 1, 2, 5, 6, 10].contains(type)
                        && symbol.isUndefined == (shndx == 0) && symbol.isAbsolute == (shndx == 0xfff1)
                    guard isRight else {
                        Issue.record("\(info) \(other) \(shndx)")
                        return
                    }
                }
            }
        }
        let function = Symbol(function: 0x1234)
        #expect(!function.tellsPlace)
        #expect(function.binding == 1 && function.type == 2 && function.value == 0x1234 && function.size == 0)
        #expect(!function.isUndefined && !function.isAbsolute && !function.isLocal && function.name == 0)
    }

    /// Of symbols at one address, in table order, the first function is reported, or else the last symbol.
    @Test func `one of the symbols at an address is preferred`() {
        let types: [UInt8] = [0, 1, 2, 10]
        func symbol(_ type: UInt8) -> Symbol {
            var symbol = Symbol(function: 0x1000)
            (symbol.info, symbol.name) = (0x10 | type, 1)
            return symbol
        }
        for first in types {
            for second in types {
                for third in types {
                    let all = [first, second, third]
                    var best = 0
                    for next in 1..<3 where symbol(all[next]).tells(betterThan: symbol(all[best])) { best = next }
                    #expect(best == all.firstIndex { $0 == 2 || $0 == 10 } ?? 2, "\(all)")
                }
            }
        }
        for type in 0..<16 as Range<UInt8> { #expect(symbol(type).tellsPlace == types.contains(type), "\(type)") }
    }
}
