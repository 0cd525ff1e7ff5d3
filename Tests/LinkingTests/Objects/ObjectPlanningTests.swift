// The plan of an object file: possible places of `_start`.

import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ObjectPlanningTests {
    /// A file whose `_start` is at `value` of a section of 16 bytes with this type and these flags, after some others.
    private func file(type: UInt32 = 1, flags: UInt64 = 6, value: UInt64 = 0, first: Bool = false) -> [UInt8] {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 32)),
                ObjectSection(
                    name: ".start", type: type, flags: flags, align: 8,
                    bytes: type == 8 ? [] : [UInt8](repeating: 0xf4, count: 16), zeros: 16),
            ])
        if !first { file.symbols.append(ObjectSymbol(name: "other", info: 0x12, section: 1)) }
        file.symbols.append(ObjectSymbol(name: "_start", value: value, info: 0x12, section: 2))
        return file.bytes
    }

    @Test(
        arguments: [
            (1, 6, true), (1, 7, true), (1, 2, true), (1, 3, true), (14, 3, true),
            // Not in memory at run time, or for linkers only.
            (1, 0, false), (1, 4, false), (1, 0x8000_0006, false),
            // Each thread has its own.
            (1, 0x403, false), (1, 0x407, false), (8, 0x403, false),
        ] as [(UInt32, UInt64, Bool)])
    func theSectionOfTheEntryPoint(_ type: UInt32, _ flags: UInt64, _ isFit: Bool) throws {
        for value in [0, 15, 16] as [UInt64] {
            let bytes = file(type: type, flags: flags, value: value)
            if isFit, value < 16 {
                let result = try load(bytes, bias: 0)
                #expect(result.entry % 8 == value % 8 && result.memory[Int(result.entry)] == 0xf4)
            } else {
                let limit: UInt64 = isFit ? 16 : 0
                #expect(
                    refusal(of: bytes) == Fault(.entryOutsideSection, .sectionHeader(2), value: value, limit: limit))
            }
        }
    }

    /// If there is no `_start`, the fault is at the symbol table; if it is in no section, at the symbol.
    @Test func theEntryPointsSymbol() {
        var object = ObjectFile(sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4])])
        for name in ["start", "_start_", ""] {
            object.symbols = [ObjectSymbol(name: name, info: 0x12, section: 1)]
            #expect(refusal(of: object.bytes) == Fault(.entrySymbolMissing, .sectionHeader(2)))
        }
        object.symbols = [
            ObjectSymbol(name: "other", info: 0x12, section: 1), ObjectSymbol(name: "_start", info: 0x12),
        ]
        #expect(refusal(of: object.bytes) == Fault(.entrySymbolMissing, .entry(section: 2, index: 2)))
        // A local symbol does not count.
        object.symbols = [ObjectSymbol(name: "_start", info: 0x02, section: 1)]
        #expect(refusal(of: object.bytes) == Fault(.entrySymbolMissing, .sectionHeader(2)))
    }

    /// Relocation sections that share their bytes would take more time than the file's size allows.
    @Test func bytesAreListedOnce() {
        let relocation = Relocation(0, at: 0)
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".data", bytes: [0], relocations: [relocation]),
                ObjectSection(name: ".more", bytes: [0], relocations: [relocation]),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        for _ in 0..<50 { file.sections[1].relocations.append(relocation) }
        let bytes = file.bytes
        let headers = Int(bytes.number(UInt64.self, at: 40))
        // The second one ends with the file, and is as long as possible, so that both together have as many bytes as the file.
        let count = (UInt64(bytes.count) - 51 * 24) / 24
        for (more, isFit) in [(0, true), (1, false)] as [(UInt64, Bool)] {
            let size = (count + more) * 24
            let changed = bytes.putting(UInt64(bytes.count) - size, at: headers + 5 * 64 + 24)
                .putting(size, at: headers + 5 * 64 + 32)
            let fault = Fault(
                .bytesListedTwice, .sectionHeader(5), value: 51 * 24 + size, limit: UInt64(bytes.count))
            // The bytes read then are no relocations.
            let found = refusal(of: changed)
            #expect(isFit ? found?.rule != .bytesListedTwice : found == fault)
        }
    }

    @Test func zerosAreNoCode() {
        for value in [0, 15, 16] as [UInt64] {
            #expect(
                refusal(of: file(type: 8, flags: 7, value: value))
                    == Fault(.entryWithoutBytes, .sectionHeader(2), value: value))
        }
    }

    /// `_start` may be any symbol.
    @Test(arguments: [false, true]) func theFirstSymbolMayBeTheEntryPoint(_ first: Bool) throws {
        let result = try load(file(first: first), bias: 0)
        #expect(result.memory[Int(result.entry)] == 0xf4)
    }
}
