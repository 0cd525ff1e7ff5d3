// Symbols of every kind, undefined ones, and resolver functions.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolTests {
    /// Weak and undefined: S is 0 and A counts.
    @Test func weakUndefined() throws {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "maybe", value: 0x77, info: 0x20, shndx: 0)]
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 1, symbol: 1, addend: 5),
            LinkedRelocation(offset: 0x4008, type: 6, symbol: 1, addend: 0),
            LinkedRelocation(offset: 0x4010, type: 7, symbol: 1, addend: 0),
            LinkedRelocation(offset: 0x4018, type: 33, symbol: 1, addend: 3),
            LinkedRelocation(offset: 0x4020, type: 16, symbol: 1, addend: 0),
            LinkedRelocation(offset: 0x4028, type: 17, symbol: 1, addend: 2),
            LinkedRelocation(offset: 0x4030, type: 36, symbol: 1, addend: 9),
            // 0 + 0x60_4048 - (0x60_4040): P-relative to nothing.
            LinkedRelocation(offset: 0x4040, type: 2, symbol: 1, addend: 0x60_4048),
        ]
        let result = try relocate(file.bytes, bias: 0x60_0000)
        #expect(result.hex(0x4000, 8) == "05 00 00 00 00 00 00 00")
        #expect(result.hex(0x4008, 8) == "00 00 00 00 00 00 00 00")
        #expect(result.hex(0x4010, 8) == "00 00 00 00 00 00 00 00")
        #expect(result.hex(0x4018, 8) == "03 00 00 00 00 00 00 00")
        #expect(result.hex(0x4020, 8) == "00 00 00 00 00 00 00 00")
        #expect(result.hex(0x4028, 8) == "02 00 00 00 00 00 00 00")
        // The second function of the code after the image, and the addend.
        #expect(result.hex(0x4030, 16) == "10 41 60 00 00 00 00 00 09 00 00 00 00 00 00 00")
        #expect(result.hex(0x4040, 4) == "08 00 00 00")
    }

    /// Only a weak symbol may be missing.
    @Test(arguments: [(1, false), (2, true), (10, false), (13, false)] as [(UInt8, Bool)])
    func undefinedByBinding(_ binding: UInt8, _ mayBeMissing: Bool) {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "maybe", value: 0, info: binding << 4, shndx: 0)]
        file.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 1, addend: 0)]
        let undefined = Fault(.symbolUndefined, .relocation(table: 7, index: 0), value: 0x4000)
        #expect(refusal(of: file.bytes) == (mayBeMissing ? nil : undefined))
    }

    /// If nothing is exported, GNU ld's hash table does not count the undefined symbols.
    @Test func nothingExported() throws {
        var file = LinkedFileWriter()
        file.hasEmptyGNUHash = true
        file.symbols = (1...4).map { LinkedSymbol(name: "maybe\($0)", value: 0, info: 0x20, shndx: 0) }
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 6, symbol: 1, addend: 0),
            LinkedRelocation(offset: 0x4008, type: 1, symbol: 4, addend: 7),
        ]
        let result = try relocate(file.bytes, bias: 0x60_0000)
        #expect(result.hex(0x4000, 8) == "00 00 00 00 00 00 00 00")
        #expect(result.hex(0x4008, 8) == "07 00 00 00 00 00 00 00")
        // Names follow the table: there is no fifth symbol.
        file.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 6, addend: 0)]
        let place = FaultLocation.relocation(table: 7, index: 0)
        #expect(refusal(of: file.bytes) == Fault(.symbolIndexOutsideTable, place, value: 6, limit: 5))
        // A strong one is still an error, which names the symbols of the table.
        file.symbols[2].info = 0x10
        file.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 3, addend: 0)]
        #expect(refusal(of: file.bytes) == Fault(.symbolUndefined, place, value: 0x4000))
    }

    /// A defined symbol moves with the image, an absolute one does not; visibility and binding do not matter.
    @Test(arguments: [0x01, 0x11, 0x12, 0x21, 0x10] as [UInt8])
    func definedAndAbsolute(info: UInt8) throws {
        var file = LinkedFileWriter()
        file.symbols = [
            LinkedSymbol(name: "here", value: 0x4020, info: info, shndx: 1),
            LinkedSymbol(name: "constant", value: 0x4020, info: info),
        ]
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 1, symbol: 1, addend: 1),
            LinkedRelocation(offset: 0x4008, type: 1, symbol: 2, addend: 1),
        ]
        for isGNU in [false, true] {
            file.hasGNUHash = isGNU
            let result = try relocate(file.bytes, bias: 0x60_0000)
            #expect(result.hex(0x4000, 8) == "21 40 60 00 00 00 00 00")
            #expect(result.hex(0x4008, 8) == "21 40 00 00 00 00 00 00")
        }
    }

    /// Symbol 0 means that there is no symbol, even if its entry looks like that of a defined one.
    @Test(arguments: [1, 6, 7] as [UInt32]) func symbolZero(_ type: UInt32) throws {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "here", value: 0x4020, info: 0x11, shndx: 1)]
        file.rela = [LinkedRelocation(offset: 0x4000, type: type, symbol: 0, addend: 5)]
        // The table is the first structure. Its first entry becomes a copy of its second.
        var bytes = file.bytes
        let entry = file.structures.lowerBound
        bytes.replaceSubrange(entry..<entry + 24, with: bytes[entry + 24..<entry + 48])
        let result = try relocate(bytes, bias: 0x60_0000)
        #expect(result.hex(0x4000, 8) == "0\(type == 1 ? 5 : 0) 00 00 00 00 00 00 00")
    }

    @Test func undefinedSymbolsAreListed() throws {
        var file = LinkedFileWriter()
        file.symbols = (1...9).map {
            LinkedSymbol(name: "missing\($0)", value: 0, info: $0 == 3 ? 0x20 : 0x10, shndx: 0)
        }
        file.rela = [LinkedRelocation(offset: 0x4010, type: 6, symbol: 2)]
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "DT_RELA entry 0: undefined: 'missing2', 'missing1', 'missing4', 'missing5', 'missing6' and 3 more, "
                + "needed at 0x4010")
        file.symbols = [LinkedSymbol(name: "one", value: 0, info: 0x12, shndx: 0)]
        file.rela[0].symbol = 1
        #expect(
            sentence(refusal(of: file.bytes), file.bytes) == "DT_RELA entry 0: undefined: 'one', needed at 0x4010")
        file.symbols.append(LinkedSymbol(name: "two", value: 0, info: 0x12, shndx: 0))
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "DT_RELA entry 0: undefined: 'one' and 'two', needed at 0x4010")
    }

    @Test func badSymbolIndex() throws {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "only", value: 0)]
        file.rela = [LinkedRelocation(offset: 0x4010, type: 1, symbol: 2)]
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "DT_RELA entry 0: symbol index 2 is outside the symbol table of 2 entries")
    }

    @Test func missingLibrary() {
        var file = LinkedFileWriter()
        file.needed = "libmissing.so.1"
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "it needs libraries that no module provides: 'libmissing.so.1'")
    }

    /// An STT_TLS symbol has no address.
    @Test func threadLocalMismatch() throws {
        var file = LinkedFileWriter()
        file.tls = Vectors.tls
        file.symbols = [
            LinkedSymbol(name: "variable", value: 8, info: 0x16, shndx: 1),
            LinkedSymbol(name: "object", value: 8, info: 0x11, shndx: 1),
        ]
        let place = FaultLocation.relocation(table: 7, index: 0)
        for type in [1, 2, 6, 7, 10, 11, 12, 13, 14, 15, 24] as [UInt32] {
            file.rela = [LinkedRelocation(offset: 0x4010, type: type, symbol: 1)]
            #expect(refusal(of: file.bytes) == Fault(.symbolThreadLocal, place))
        }
        for type in [16, 17, 18, 21, 23, 36] as [UInt32] {
            file.rela = [LinkedRelocation(offset: 0x4010, type: type, symbol: 2)]
            #expect(refusal(of: file.bytes) == Fault(.symbolNotThreadLocal, place, value: 1))
        }
        file.tls = nil
        for type in [16, 17, 18, 21, 23, 36] as [UInt32] {
            file.rela = [LinkedRelocation(offset: 0x4010, type: type, symbol: 0)]
            #expect(refusal(of: file.bytes) == Fault(.noThreadLocalSegment, place))
        }
    }

    /// STT_GNU_IFUNC: S is the function's result in every formula that has S. Functions are called in order, after all other
    /// relocations.
    @Test func indirectFunctions() throws {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "choose", value: 0x4080, size: 16, info: 0x1a, shndx: 1)]
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 37, symbol: 0, addend: 0x4090),
            LinkedRelocation(offset: 0x4008, type: 1, symbol: 1, addend: 2),
            LinkedRelocation(offset: 0x4010, type: 6, symbol: 1, addend: 2),
            LinkedRelocation(offset: 0x4018, type: 2, symbol: 1, addend: 0xffff_ffff_ffff_fffc),
            LinkedRelocation(offset: 0x4020, type: 8, symbol: 0, addend: 0x4001),
            LinkedRelocation(offset: 0x4028, type: 33, symbol: 1, addend: 0),
        ]
        file.plt = [LinkedRelocation(offset: 0x4030, type: 7, symbol: 1)]
        // The functions return an address 0x100 after their own.
        let result = try relocate(file.bytes, bias: 0x60_0000) { $0 + 0x100 }
        #expect(result.counts.indirect == 5)
        #expect(result.resolvers.map(\.address) == [0x60_4090, 0x60_4080, 0x60_4080, 0x60_4080, 0x60_4080])
        #expect(result.resolvers.map(\.place) == [0x4000, 0x4008, 0x4010, 0x4018, 0x4030])
        #expect(result.hex(0x4000, 8) == "90 41 60 00 00 00 00 00")
        #expect(result.hex(0x4008, 8) == "82 41 60 00 00 00 00 00")
        #expect(result.hex(0x4010, 8) == "80 41 60 00 00 00 00 00")
        // 0x60_4180 - 4 - 0x60_4018
        #expect(result.hex(0x4018, 4) == "64 01 00 00")
        #expect(result.hex(0x4020, 8) == "01 40 60 00 00 00 00 00")
        #expect(result.hex(0x4028, 8) == "10 00 00 00 00 00 00 00")
        #expect(result.hex(0x4030, 8) == "80 41 60 00 00 00 00 00")

        // The host calls no functions: the places stay unchanged.
        let untouched = try relocate(file.bytes, bias: 0x60_0000)
        #expect(untouched.resolvers.count == 5)
        #expect(untouched.hex(0x4000, 8) == "00 00 00 00 00 00 00 00")

        // Their results must fit, too.
        file.rela = [LinkedRelocation(offset: 0x4018, type: 10, symbol: 1)]
        let fault = refusal(of: file.bytes) { _ in 0x1_0000_0000 }
        let place = FaultLocation.relocation(table: 7, index: 0)
        #expect(fault == Fault(.relocationOverflow, place, value: 0x1_0000_0000, limit: 0xffff_ffff))
    }

    /// If functions cannot be called, the fault names the first one.
    @Test func resolversThatMayNotBeCalled() throws {
        var file = LinkedFileWriter()
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 8, addend: 0x4000),
            LinkedRelocation(offset: 0x4008, type: 37, addend: 0x4090),
            LinkedRelocation(offset: 0x4010, type: 37, addend: 0x4080),
        ]
        let bytes = file.bytes
        let image = try LinkedImage(ByteView(bytes.span.bytes))
        let relocator = try Relocator(image, bias: 0x60_0000)
        var memory = [UInt8](repeating: 0, count: Int(image.size))
        var span = memory.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: 0)
        _ = try relocator.apply(to: &region)
        var called = 0
        var found: Fault?
        do throws(Fault) {
            try relocator.resolveIndirect(in: &region, mayResolve: false) { _, _ in
                called += 1
                return nil
            }
        } catch { found = error }
        #expect(found == Fault(.resolverOutOfPlace, .relocation(table: 7, index: 1), value: 0x60_4090))
        #expect(called == 0)
    }

    @Test(arguments: [0x4100, 0xffff_ffff_ffff_ffff, 0x1_0000_0000] as [UInt64])
    func resolverOutsideTheImage(address: UInt64) {
        var file = LinkedFileWriter()
        file.rela = [LinkedRelocation(offset: 0x4000, type: 37, addend: address)]
        #expect(
            refusal(of: file.bytes)
                == Fault(
                    .resolverOutsideImage, .relocation(table: 7, index: 0), value: address &+ 0x60_0000,
                    limit: 0x60_4100))
    }

    /// DT_RELR: an address, then bitmaps of 63 words each; more than one bitmap, and a second address.
    @Test func packed() throws {
        var file = LinkedFileWriter()
        file.data = [UInt8](repeating: 0, count: 0x800)
        // 0x4000; then words 1 and 63 after it; then, 63 words on, word 1 again; at last 0x47f8.
        file.relr = [0x4000, 1 << 63 | 1 << 1 | 1, 1 << 1 | 1, 0x47f8]
        let result = try relocate(file.bytes, bias: 0x1234_5678)
        let places: [UInt64] = [0x4000, 0x4008, 0x4008 + 62 * 8, 0x4008 + 63 * 8, 0x47f8]
        for word in stride(from: 0x4000 as UInt64, to: 0x4800, by: 8) {
            #expect(
                result.hex(word, 8) == (places.contains(word) ? "78 56 34 12 00 00 00 00" : "00 00 00 00 00 00 00 00"))
        }
        #expect(result.counts[8] == 5)
        file.relr = [3]
        #expect(refusal(of: file.bytes) == Fault(.relativeRelocationMisplaced, .relocation(table: 36, index: 0)))
        for (words, address) in [([0x47fa], 0x47fa), ([0x47f0, 5], 0x4800)] as [([UInt64], UInt64)] {
            file.relr = words
            let place = FaultLocation.relocation(table: 36, index: UInt64(words.count) - 1)
            #expect(refusal(of: file.bytes) == Fault(.relocationOutsideImage, place, value: address, limit: 0x4800))
        }
        file.relr = []
        #expect(refusal(of: file.bytes) == nil)
    }

    /// Long runs of relative entries, with one of another type or place at each position: no entry is skipped.
    @Test func runsOfRelativeEntries() throws {
        for base in [0, 0x4000_0000] as [UInt64] {
            for odd in 0..<40 {
                var file = LinkedFileWriter()
                file.base = base
                file.data = [UInt8](repeating: 0, count: 0x200)
                file.symbols = [LinkedSymbol(name: "absolute", value: 0x77)]
                file.rela = (0..<40).map {
                    LinkedRelocation(
                        offset: base + 0x4000 + UInt64($0) * 8, type: $0 == odd ? 1 : 8, symbol: $0 == odd ? 1 : 0,
                        addend: base + UInt64($0))
                }
                let result = try relocate(file.bytes, bias: 0x60_0000)
                for index in 0..<40 {
                    var expected = LittleEndianOutput()
                    expected.u64(base + UInt64(index) + (index == odd ? 0x77 : 0x60_0000))
                    #expect(result.hex(base + 0x4000 + UInt64(index) * 8, 8) == hexadecimal(expected.bytes))
                }
                #expect(result.counts[8] == 39)
                #expect(result.counts[1] == 1)
                file.rela[odd] = LinkedRelocation(offset: file.end - 7, type: 8)
                #expect(
                    refusal(of: file.bytes)
                        == Fault(
                            .relocationOutsideImage, .relocation(table: 7, index: UInt64(odd)), value: file.end - 7,
                            limit: file.end))
            }
        }
    }

    /// A fault's relocation is that of its own table, not of another table at the same index.
    @Test func theRelocationsNames() {
        var file = LinkedFileWriter()
        file.symbols = [LinkedSymbol(name: "other", value: 1), LinkedSymbol(name: "operand", value: 1 << 32)]
        file.rela = [
            LinkedRelocation(offset: 0x4000, type: 1, symbol: 1), LinkedRelocation(offset: 0x4008, type: 1, symbol: 1),
        ]
        file.rel = [LinkedRelocation(offset: 0x4010, type: 1, symbol: 1)]
        file.plt = [LinkedRelocation(offset: 0x4020, type: 10, symbol: 2)]
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "DT_JMPREL entry 0: R_X86_64_32 at 0x4020: the value 0x100000000 of 'operand' is beyond what the field "
                + "can hold, 0xffffffff")
    }

    /// An entry that is not relative although DT_RELACOUNT counts it is applied like any other; only the code of a descriptor
    /// would be missing.
    @Test func wrongRelativeCount() throws {
        var file = LinkedFileWriter()
        file.tls = Vectors.tls
        file.relativeCount = 2
        file.symbols = [LinkedSymbol(name: "absolute", value: 0x77)]
        file.rela = [LinkedRelocation(offset: 0x4040, type: 1, symbol: 1), LinkedRelocation(offset: 0x4048, type: 18)]
        #expect(try relocate(file.bytes, bias: 0).hex(0x4040, 8) == "77 00 00 00 00 00 00 00")
        file.rela[1].type = 36
        #expect(
            sentence(refusal(of: file.bytes), file.bytes)
                == "DT_RELA entry 1: R_X86_64_TLSDESC at 0x4048 is among the 2 entries that DT_RELACOUNT says are "
                + "relative")
        file.relativeCount = 1
        #expect(refusal(of: file.bytes) == nil)
    }
}
