// Compact relocations: the same image as from any other form, in linear time, and malformed ones.

import Architecture
import Bytes
import Diagnostics
import ELF
import Foundation
import Linking
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct CompactTests {
    static let fixtures = LinkerWitnessTests.fixtures
    static let areBuilt = FileManager.default.fileExists(
        atPath: fixtures.appendingPathComponent("object-crel.o").path)

    private func read(_ bytes: [UInt8]) throws(Fault) -> [RelocationEntry] {
        var relocations = RelocationSection(ByteView(bytes.span.bytes), .sectionHeader(3))
        var entries: [RelocationEntry] = []
        while try relocations.next() { entries.append(relocations.entry) }
        return entries
    }

    /// Worked out by hand.
    @Test(
        arguments: [
            // No entries, with and without addends.
            ([0x00], []), ([0x04], []), ([0x03], []),
            // One: offset 1, symbol 1, type 2, addend -4.
            ([0x0c, 0x0f, 0x01, 0x02, 0x7c], [RelocationEntry(offset: 1, info: 1 << 32 | 2, addend: 0 &- 4)]),
            // The same without addends: two bits of flags.
            ([0x08, 0x07, 0x01, 0x02], [RelocationEntry(offset: 1, info: 1 << 32 | 2, addend: nil)]),
            // Shift 3: offsets 8, then 8 + 15 * 8 in one byte; nothing else differs.
            (
                [0x17, 0x0a, 0x01, 0x78],
                [RelocationEntry(offset: 8, info: 1, addend: 0), RelocationEntry(offset: 128, info: 1, addend: 0)]
            ),
            // Offsets 16 and 16 + 0x800 go beyond four bits.
            (
                [0x14, 0x82, 0x01, 0x01, 0x80, 0x80, 0x01],
                [RelocationEntry(offset: 16, info: 1, addend: 0), RelocationEntry(offset: 0x810, info: 1, addend: 0)]
            ),
            // Symbol and type go back to 0.
            (
                [0x14, 0x03, 0x05, 0x06, 0x03, 0x7b, 0x7a],
                [
                    RelocationEntry(offset: 0, info: 5 << 32 | 6, addend: 0),
                    RelocationEntry(offset: 0, info: 0, addend: 0),
                ]
            ),
            // Needless padding is accepted.
            ([0x8c, 0x80, 0x00, 0x04, 0xff, 0xff, 0x7f], [RelocationEntry(offset: 0, info: 0, addend: .max)]),
        ] as [([UInt8], [RelocationEntry])])
    func vectors(_ bytes: [UInt8], _ entries: [RelocationEntry]) throws {
        #expect(try read(bytes) == entries)
        // Bytes after the end are ignored; every shorter text is an error, except for the one without entries.
        #expect(try read(bytes + [0xff]) == entries)
        for count in 1..<bytes.count where !entries.isEmpty {
            #expect(fault { _ = try read(Array(bytes[..<count])) }?.rule == .compactRelocationsMalformed)
        }
    }

    /// Both ends of 64 bits, and one bit more.
    @Test func numbersOfSixtyFourBits() throws {
        let longest = [UInt8](repeating: 0x80, count: 9)
        #expect(try read([0x0c, 0x04] + longest + [0x7f]).first?.addend == 1 << 63)
        #expect(try read([0x0c, 0x04] + longest + [0x00]).first?.addend == 0)
        #expect(try read([0x0c, 0x04] + [UInt8](repeating: 0xff, count: 9) + [0x00]).first?.addend == .max >> 1)
        #expect(try read([0x0c, 0x80] + longest + [0x01]).first?.offset == 0)
        for last in [0x01, 0x02, 0x7e, 0x80, 0xff] as [UInt8] {
            let fault = fault { _ = try read([0x0c, 0x04] + longest + [last, 0x00]) }
            #expect(fault == Fault(.compactRelocationsMalformed, .sectionHeader(3), value: 2, limit: 13), "\(last)")
        }
        for last in [0x02, 0x7f, 0x80] as [UInt8] {
            let fault = fault { _ = try read([0x0c, 0x80] + longest + [last, 0x00]) }
            #expect(fault?.rule == .compactRelocationsMalformed, "\(last)")
        }
        // More entries than there are bytes.
        #expect(fault { _ = try read(unsigned(.max)) } != nil)
    }

    /// Written entries are read back, for any numbers.
    @Test(arguments: [0, 1, 2, 3] as [UInt64], [true, false])
    func anyNumbers(_ shift: UInt64, _ hasAddends: Bool) throws {
        var random = SeededGenerator(seed: 5 + shift)
        for _ in 0..<200 {
            let relocations = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                let number = {
                    UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0..<64, using: &random)
                }
                let sign = { () -> UInt64 in Bool.random(using: &random) ? number() : 0 &- number() }
                return Relocation(
                    UInt32(truncatingIfNeeded: sign()), at: sign() & ~(1 << shift - 1),
                    symbol: UInt32(truncatingIfNeeded: sign()), addend: hasAddends ? sign() : 0)
            }
            let entries = try read(compactRelocations(relocations, hasAddends: hasAddends, shift: shift))
            #expect(
                entries
                    == relocations.map {
                        RelocationEntry(
                            offset: $0.offset, info: UInt64($0.symbol) << 32 | UInt64($0.type),
                            addend: hasAddends ? $0.addend : nil)
                    })
        }
    }

    /// The compiler's own output: the same source with and without --crel.
    @Test(.enabled(if: areBuilt, "make fixtures builds what is compared"))
    func sameImageAsWithoutCrel() throws {
        let compact = [UInt8](try Data(contentsOf: Self.fixtures.appendingPathComponent("object-crel.o")))
        let usual = [UInt8](try Data(contentsOf: Self.fixtures.appendingPathComponent("object-pic.o")))
        let types = { (file: [UInt8]) throws -> Set<UInt32> in
            let sections = try SectionTable(ByteView(file.span.bytes), try FileHeader(ByteView(file.span.bytes)))
            return Set((0..<sections.count).map { sections[$0].type })
        }
        #expect(
            try types(compact).contains(SectionHeader.Kind.crel) && !types(compact).contains(SectionHeader.Kind.rela))
        #expect(try types(usual).contains(SectionHeader.Kind.rela) && !types(usual).contains(SectionHeader.Kind.crel))
        let (first, second) = (try load(compact), try load(usual))
        #expect(first.counts.total > 80 && first.counts.total == second.counts.total)
        #expect(first.entry == second.entry && first.memory == second.memory)
        #expect(compact.count < usual.count)
    }

    /// The same file with its relocations in each form.
    @Test func sameImageInEveryForm() throws {
        let relocations = [
            Relocation(1, at: 8, symbol: 2, addend: 0x55), Relocation(10, at: 16, symbol: 2),
            Relocation(2, at: 24, symbol: 1),
            Relocation(9, at: 32, symbol: 2, addend: 0 &- 4), Relocation(1, at: 40, symbol: 2, addend: 0x55),
        ]
        let file = { (_ change: (inout ObjectSection) -> Void) -> [UInt8] in
            var data = ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 64))
            change(&data)
            return ObjectFile(
                sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4]), data],
                symbols: [
                    ObjectSymbol(name: "_start", info: 0x12, section: 1),
                    ObjectSymbol(name: "there", value: 4, section: 2),
                ]
            ).bytes
        }
        let usual = try load(file { $0.relocations = relocations })
        for shift in 0...3 as ClosedRange<UInt64> {
            let compact = try load(file { $0.compact = compactRelocations(relocations, shift: shift) })
            #expect(compact.memory == usual.memory)
            #expect(compact.counts.total == 5)
        }
        // Addends in place.
        let inPlace = relocations.map { Relocation($0.type, at: $0.offset, symbol: $0.symbol) }
        let first = try load(file { ($0.relocations, $0.hasAddends) = (inPlace, false) })
        let second = try load(file { $0.compact = compactRelocations(inPlace, hasAddends: false) })
        #expect(first.memory == second.memory)
    }

    @Test func whatIsMalformedIsTold() throws {
        var file = ObjectFile(
            sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4, 0, 0, 0, 0, 0, 0, 0])],
            symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        file.sections[0].compact = [0x14, 0x03, 0x01, 0x0a]
        let cut = try #require(refusal(of: file.bytes))
        #expect(cut == Fault(.compactRelocationsMalformed, .sectionHeader(2), value: 4, limit: 4))
        let words = "section header 2: the number at offset 0x4 of the 0x4 bytes of compact relocations is cut off"
        #expect(sentence(cut, file.bytes).hasPrefix(words))

        // A fault in the second entry reports its type, place and symbol.
        file.sections[0].compact = compactRelocations([Relocation(0, at: 0), Relocation(10, at: 6, symbol: 1)])
        let outside = try #require(refusal(of: file.bytes))
        #expect(outside == Fault(.relocationOutsideSection, .entry(section: 2, index: 1), value: 6, limit: 8))
        #expect(sentence(outside, file.bytes).contains("R_X86_64_32 against '_start'"))
    }

    /// No bytes: no relocations.
    @Test func empty() throws {
        var file = ObjectFile(
            sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4])],
            symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        file.sections[0].compact = []
        #expect(try load(file.bytes).counts.total == 0)
    }
}
