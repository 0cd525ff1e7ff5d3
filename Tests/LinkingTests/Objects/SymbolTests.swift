// Values of symbols of object files: sections, common storage, linkers' names, STT_GNU_IFUNC, undefined symbols.

import Bytes
import Diagnostics
import ELF
import Linking
import Testing
import TestSupport

/// A file of `.text` (64 bytes, `_start` first), `.data` of `words` words at link address 0x1000, and the additions of `change`.
func object(words: Int = 4, _ relocations: [Relocation], _ change: (inout ObjectFile) -> Void = { _ in }) -> ObjectFile
{
    var file = ObjectFile(
        sections: [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0x90, count: 64)),
            ObjectSection(
                name: ".data", align: 0x1000, bytes: [UInt8](repeating: 0, count: words * 8), relocations: relocations),
        ],
        symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
    change(&file)
    return file
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolTests {
    @Test func sectionSymbol() throws {
        let file = object([Relocation(1, at: 8, symbol: 2, addend: 0x10)]) {
            $0.symbols.append(ObjectSymbol(name: "", info: 3, section: 1))
        }
        #expect(try load(file.bytes).word(0x1008) == 0x60_0010)
    }

    @Test func entryPoint() throws {
        let file = object([]) { $0.symbols[0].value = 0x21 }
        #expect(try load(file.bytes).entry == 0x21)
    }

    /// Common symbols lie after all sections, each at a multiple of its st_value, zeroed, without overlap.
    @Test func commonSymbols() throws {
        let file = object([
            Relocation(1, at: 0, symbol: 2), Relocation(1, at: 8, symbol: 3), Relocation(1, at: 16, symbol: 4),
        ]) {
            $0.symbols += [
                ObjectSymbol(name: "byte", value: 1, size: 1, section: 0xfff2),
                ObjectSymbol(name: "page", value: 0x1000, size: 0x20, section: 0xfff2),
                ObjectSymbol(name: "large", value: 64, size: 8, section: 0xff02),
            ]
        }
        let result = try load(file.bytes)
        // .data ends at 0x1020, and zeros begin with a page.
        #expect(result.word(0x1000) == 0x60_2000)
        #expect(result.word(0x1008) == 0x60_3000)
        #expect(result.word(0x1010) == 0x60_3040)
        #expect(result.memory[0x2000..<0x3048].allSatisfy { $0 == 0 })
    }

    @Test func threadLocalCommonSymbol() throws {
        let file = object([Relocation(18, at: 0, symbol: 2)]) {
            $0.symbols.append(ObjectSymbol(name: "counter", value: 32, size: 8, info: 0x16, section: 0xfff2))
        }
        let result = try load(file.bytes)
        #expect(result.block.size == 8)
        #expect(result.block.alignment == 32)
        // One word at the beginning of a block that begins 32 bytes below TP.
        #expect(result.word(0x1000) == 0 &- 32)
    }

    /// An undefined weak symbol is address 0 plus its addend; as a thread-local variable, it is offset 0 in module 0.
    @Test func weakUndefined() throws {
        let file = object([
            Relocation(1, at: 0, symbol: 2, addend: 5), Relocation(16, at: 8, symbol: 2),
            Relocation(18, at: 16, symbol: 2),
            Relocation(33, at: 24, symbol: 2, addend: 1),
        ]) { $0.symbols.append(ObjectSymbol(name: "nobody", size: 7, info: 0x20, section: 0)) }
        let result = try load(file.bytes)
        #expect((0..<4).map { result.word(0x1000 + $0 * 8) } == [5, 0, 0, 1])
    }

    @Test func strongUndefined() throws {
        let file = object([Relocation(1, at: 8, symbol: 2)]) {
            $0.symbols += [
                ObjectSymbol(name: "puts", info: 0x10, section: 0), ObjectSymbol(name: "weak", info: 0x20, section: 0),
                ObjectSymbol(name: "_end", info: 0x10, section: 0), ObjectSymbol(name: "exit", info: 0x10, section: 0),
            ]
        }.bytes
        #expect(
            sentence(try #require(refusal(of: file)), file)
                == "section 3 entry 0: undefined: 'puts' and 'exit', needed at 0x8")
    }

    /// Zeros of .bss are memory and may be relocated; those of thread-local storage are not.
    @Test func zerosAreRelocated() throws {
        for (flags, isMemory) in [(3, true), (0x403, false)] as [(UInt64, Bool)] {
            let file = object([]) {
                $0.sections.append(
                    ObjectSection(
                        name: ".zeros", type: 8, flags: flags, align: 8, zeros: 16,
                        relocations: [Relocation(1, at: 8, symbol: 1, addend: 5)]))
            }
            if isMemory {
                #expect(try load(file.bytes).word(0x2008) == 0x60_0005)
            } else {
                let place = FaultLocation.entry(section: 4, index: 0)
                #expect(refusal(of: file.bytes) == Fault(.relocationOutsideSection, place, value: 8))
            }
        }
    }

    @Test func linkersNames() throws {
        let names = ["__executable_start", "_etext", "_edata", "__bss_start", "_end", "_GLOBAL_OFFSET_TABLE_"]
        let file = object(words: 8, names.indices.map { Relocation(1, at: UInt64($0) * 8, symbol: UInt32($0) + 2) }) {
            $0.symbols += names.map { ObjectSymbol(name: $0, info: 0x10, section: 0) }
            $0.sections.append(ObjectSection(name: ".bss", type: 8, zeros: 0x10))
        }
        let result = try load(file.bytes)
        let words = names.indices.map { result.word(0x1000 + UInt64($0) * 8) }
        #expect(words.prefix(4) == [0x60_0000, 0x60_0040, 0x60_2000, 0x60_2000])
        #expect(words[5] == 0x60_2010, "the GOT is after the zeros")
        #expect(words[4] == 0x60_2010 + 24, "no slot, so only the GOT's three words")
    }

    @Test func arraysOfFunctions() throws {
        let names = ["__preinit_array_start", "__preinit_array_end", "__init_array_start", "__init_array_end"]
        let file = object(words: 8, names.indices.map { Relocation(1, at: UInt64($0) * 8, symbol: UInt32($0) + 2) }) {
            $0.sections[1].align = 8
            $0.symbols += names.map { ObjectSymbol(name: $0, info: 0x10, section: 0) }
            for _ in 0..<2 {
                $0.sections.append(
                    ObjectSection(name: ".init_array", type: 14, align: 8, bytes: [UInt8](repeating: 1, count: 16)))
            }
        }
        let result = try load(file.bytes)
        // The arrays are the first writable sections: at 0x1000; .data follows at 0x1020.
        #expect((0..<4).map { result.word(0x1020 + $0 * 8) } == [0x60_1000, 0x60_1000, 0x60_1000, 0x60_1020])
    }

    /// The beginning and the end of the adjacent sections of a name.
    @Test func boundsOfSections() throws {
        func file(_ names: [String]) -> [UInt8] {
            object((0..<3).map { Relocation(1, at: UInt64($0) * 8, symbol: UInt32($0) + 2) }) {
                $0.symbols += ["__start_probes", "__stop_probes"].map { ObjectSymbol(name: $0, info: 0x10, section: 0) }
                $0.symbols.append(ObjectSymbol(name: "__start_nothing", info: 0x20, section: 0))
                for name in names {
                    $0.sections.append(ObjectSection(name: name, align: 8, bytes: [UInt8](repeating: 1, count: 12)))
                }
            }.bytes
        }
        // .data ends at 0x1020.
        let result = try load(file(["probe", "probes", "probes", "probes2"]))
        #expect((0..<3).map { result.word(0x1000 + $0 * 8) } == [0x60_1030, 0x60_104c, 0])
        let apart = file(["probes", "other", "probes"])
        #expect(
            sentence(try #require(refusal(of: apart)), apart)
                == "section 6 entry 0: R_X86_64_64 at 0x0 against '__start_probes': the sections of this name do not lie "
                + "side by side")
        #expect(refusal(of: file(["other"])) == Fault(.symbolUndefined, .entry(section: 4, index: 0)))
    }

    /// All references share a stub, `jmp *slot(%rip)`; the slot gets the resolver's result.
    @Test func functionThatChooses() throws {
        let file = object([
            Relocation(1, at: 0, symbol: 2), Relocation(1, at: 8, symbol: 2), Relocation(27, at: 16, symbol: 2),
        ]) {
            $0.symbols.append(ObjectSymbol(name: "memcpy", value: 0x20, info: 0x1a, section: 1))
        }
        let result = try load(file.bytes) { $0 + 0x1000_0000 }
        #expect(result.resolvers == [0x60_0020])
        #expect(result.counts.indirect == 1)
        let stub = result.word(0x1000) - 0x60_0000
        // Null, .text, .data, .rela.data, .symtab: the symbol's name identifies the resolver.
        let entry = RelocationEntry(offset: stub - 8, info: 37, addend: 0x20)
        #expect(result.resolved.map(\.entry) == [entry])
        #expect(result.resolved.map(\.location) == [.entry(section: 4, index: 2)])
        #expect(result.word(0x1008) == stub + 0x60_0000)
        #expect(result.hex(stub, 6) == "ff 25 f2 ff ff ff")
        #expect(result.word(stub - 8) == 0x1060_0020)
        // The GOT, at 0x2000, has a slot with the stub's address.
        #expect(result.word(0x2000 + result.word(0x1010)) == stub + 0x60_0000)
    }

    /// One slot per symbol and kind, for any number of relocations.
    @Test func slotsAreShared() throws {
        let file = object(words: 8, (0..<6).map { Relocation(27, at: $0 * 8, symbol: $0 % 2 == 0 ? 1 : 2) }) {
            $0.symbols.append(ObjectSymbol(name: "other", value: 8, section: 2))
        }
        let result = try load(file.bytes)
        #expect((0..<6).map { result.word(0x1000 + $0 * 8) } == [24, 32, 24, 32, 24, 32])
        #expect(result.word(0x2018) == 0x60_0000)
        #expect(result.word(0x2020) == 0x60_1008)
    }

    @Test func notInMemory() throws {
        let file = object([Relocation(1, at: 8, symbol: 2)]) {
            $0.sections.append(ObjectSection(name: ".debug_info", flags: 0, bytes: [1, 2, 3]))
            $0.symbols.append(ObjectSymbol(name: "", info: 3, section: 3))
        }.bytes
        #expect(
            sentence(try #require(refusal(of: file)), file)
                == "section 4 entry 0: R_X86_64_64 at 0x8 against '.debug_info', which is in section 3: that is not in "
                + "memory at run time")
    }

    @Test func addressOfThreadLocal() throws {
        let file = object([Relocation(1, at: 8, symbol: 2)]) {
            $0.sections.append(ObjectSection(name: ".tdata", flags: 0x403, bytes: [1, 2, 3]))
            $0.symbols.append(ObjectSymbol(name: "variable", info: 0x16, section: 3))
        }.bytes
        #expect(refusal(of: file) == Fault(.symbolThreadLocal, .entry(section: 4, index: 0)))
        let other = object([Relocation(18, at: 8, symbol: 1)]).bytes
        // STT_FUNC.
        #expect(refusal(of: other) == Fault(.symbolNotThreadLocal, .entry(section: 3, index: 0), value: 2))
    }

    @Test func symbolIndexBeyondTable() throws {
        let file = object([Relocation(1, at: 8, symbol: 7)]).bytes
        let place = FaultLocation.entry(section: 3, index: 0)
        #expect(refusal(of: file) == Fault(.symbolIndexOutsideTable, place, value: 7, limit: 2))
    }

    @Test func unknownSections() throws {
        let place = FaultLocation.entry(section: 3, index: 0)
        for section in [7, 9, 0xff00, 0xfff3] as [UInt32] {
            let file = object([Relocation(1, at: 8, symbol: 2)]) {
                $0.symbols.append(ObjectSymbol(name: "stray", section: section))
            }.bytes
            #expect(refusal(of: file) == Fault(.symbolSectionUnknown, place, value: UInt64(section), limit: 7))
        }
    }

    /// A symbol belongs to its section: the section's end has none, even if other sections' symbols are near.
    @Test func addressesHaveNames() throws {
        let object = object([]) {
            $0.symbols[0].value = 8
            $0.symbols += [
                ObjectSymbol(name: "label", value: 8, info: 0, section: 1),
                ObjectSymbol(name: "words", value: 0, section: 2), ObjectSymbol(name: "last", value: 24, section: 2),
                ObjectSymbol(name: "", value: 4, info: 3, section: 1), ObjectSymbol(name: "number", value: 1),
            ]
        }
        let file = object.bytes
        let image = try ObjectImage(ByteView(file.span.bytes), try FileHeader(ByteView(file.span.bytes)))
        func name(_ address: UInt64) -> String? {
            guard let location = image.locate(address) else { return nil }
            return String(decoding: file[Int(location.nameOffset)...].prefix { $0 != 0 }, as: UTF8.self)
                + "+\(location.offset)"
        }
        for (address, expected) in [
            (0, nil), (7, nil), (8, "_start+0"), (63, "_start+55"), (64, nil), (0xfff, nil), (0x1000, "words+0"),
            (0x1017, "words+23"), (0x1018, "last+0"), (0x101f, "last+7"), (0x1020, nil), (.max, nil),
        ] as [(UInt64, String?)] {
            #expect(name(address) == expected, "\(address)")
        }
    }
}
