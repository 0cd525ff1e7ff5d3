// Symbols that linkers define for the beginning and end of sections: their limits.

import Diagnostics
import Linking
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SectionNameTests {
    /// A file with `count` sections of words, and the address of each as a word.
    private func file(_ names: [String]) -> [UInt8] {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 8 * names.count)),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        for (index, name) in names.enumerated() {
            file.sections.append(ObjectSection(name: name, align: 8, bytes: littleEndian(UInt64(index))))
            file.symbols.append(ObjectSymbol(name: "__start_" + name, info: 0x10, section: 0))
            file.sections[1].relocations.append(Relocation(1, at: UInt64(index) * 8, symbol: UInt32(index + 2)))
        }
        return file.bytes
    }

    @Test func sixtyFourNamesAreLookedFor() throws {
        let names = (0..<65).map { "set\($0)" }
        let result = try load(file(Array(names.dropLast())), bias: 0)
        for index in 0..<64 as Range<UInt64> {
            #expect(result.word(0x1000 + index * 8) == 0x1200 + index * 8)
            #expect(result.word(0x1200 + index * 8) == index)
        }
        let bytes = file(names)
        let refused = try #require(refusal(of: bytes))
        #expect(refused == Fault(.tooManySectionNames, .entry(section: 68, index: 64), limit: 64))
        let words =
            "R_X86_64_64 at 0x200 against '__start_set64': more than 64 symbols have the form __start_NAME"
        #expect(sentence(refused, bytes).contains(words), "\(sentence(refused, bytes))")
    }

    /// A weak symbol for a missing section is 0. It counts once among the 64, for any number of references.
    @Test func aWeakSymbolIsLookedForOnce() throws {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 8 * 100)),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: "__start_none", info: 0x20, section: 0),
            ])
        file.sections[1].relocations = (0..<100).map { Relocation(1, at: $0 * 8, symbol: 2, addend: 7) }
        let result = try load(file.bytes, bias: 0)
        for index in 0..<100 as Range<UInt64> { #expect(result.word(0x1000 + index * 8) == 7) }
    }

    /// Sections of one name, in the file in another order than in memory, where constants precede writable data.
    @Test(arguments: [false, true]) func theOrderOfSectionsDoesNotMatter(writtenFirst: Bool) throws {
        let constant = ObjectSection(name: "set", flags: 2, align: 8, bytes: [UInt8](repeating: 0x11, count: 16))
        let written = ObjectSection(name: "set", flags: 3, align: 8, bytes: [UInt8](repeating: 0x22, count: 24))
        var file = ObjectFile(
            sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4])]
                + (writtenFirst ? [written, constant] : [constant, written]),
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: "__start_set", info: 0x10, section: 0),
                ObjectSymbol(name: "__stop_set", info: 0x10, section: 0),
            ])
        let words = [UInt8](repeating: 0x33, count: 24)
        let pointers = [Relocation(1, at: 8, symbol: 2), Relocation(1, at: 16, symbol: 3)]
        file.sections.append(ObjectSection(name: ".data", align: 8, bytes: words, relocations: pointers))
        let result = try load(file.bytes, bias: 0)
        func place(of byte: UInt8, _ count: Int) throws -> UInt64 {
            let pattern = [UInt8](repeating: byte, count: count)
            return UInt64(
                try #require(
                    result.memory.indices.dropLast(count).first {
                        result.memory[$0..<$0 + count].elementsEqual(pattern)
                    }))
        }
        let data = try place(of: 0x33, 8)
        #expect(result.word(data + 8) == (try place(of: 0x11, 16)))
        #expect(result.word(data + 16) == (try place(of: 0x22, 24)) + 24)
    }

    /// The fault also names the other undefined symbols, except for weak ones and those that sections define.
    @Test func otherUndefinedSymbolsAreNamed() throws {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 8)),
                ObjectSection(name: "set", bytes: [1]),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        for name in ["missing", "__start_set", "__start_none", "also_missing", "_end"] {
            file.symbols.append(ObjectSymbol(name: name, info: 0x10, section: 0))
        }
        file.symbols.append(ObjectSymbol(name: "weak", info: 0x20, section: 0))
        file.sections[1].relocations = [Relocation(1, at: 0, symbol: 2)]
        let refused = try #require(refusal(of: file.bytes))
        #expect(refused == Fault(.symbolUndefined, .entry(section: 4, index: 0)))
        let words = "undefined: 'missing', '__start_none' and 'also_missing', needed at 0x0"
        #expect(sentence(refused, file.bytes).contains(words), "\(sentence(refused, file.bytes))")
    }

    /// An empty name does not count, even if a section has it.
    @Test(arguments: ["__start_", "__stop_"]) func anEmptyNameIsNotLookedFor(_ symbol: String) throws {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 8)),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: symbol, info: 0x10, section: 0),
            ])
        file.sections[1].relocations = [Relocation(1, at: 0, symbol: 2)]
        var bytes = file.bytes
        // The name of .data is the end of that of .text.
        let header = Int(bytes.number(UInt64.self, at: 40)) + 64
        bytes.put(bytes.number(UInt32.self, at: header) + 5, at: header + 64)
        #expect(refusal(of: bytes) == Fault(.symbolUndefined, .entry(section: 3, index: 0)))
    }

    @Test func namesOf256BytesAreLookedFor() throws {
        let longest = String(repeating: "n", count: 256)
        #expect(try load(file([longest]), bias: 0).word(0x1000) == 0x1008)
        // One byte more: the symbol is undefined.
        #expect(refusal(of: file([longest + "n"])) == Fault(.symbolUndefined, .entry(section: 4, index: 0)))
    }
}
