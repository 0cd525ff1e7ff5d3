// The places of the sections of an object file, and files without a possible plan.

import Bytes
import Diagnostics
import ELF
import Linking
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LayoutTests {
    /// Code, constants, template, data, zeros: each group has its own pages, and keeps the file's order.
    @Test func groups() throws {
        let bytes = { (value: UInt8, count: Int) in [UInt8](repeating: value, count: count) }
        let file = ObjectFile(
            sections: [
                ObjectSection(name: ".data", align: 8, bytes: bytes(1, 9)),
                ObjectSection(name: ".rodata", flags: 2, align: 4, bytes: bytes(2, 5)),
                ObjectSection(name: ".text", flags: 6, align: 16, bytes: bytes(3, 33)),
                ObjectSection(name: ".bss", type: 8, align: 32, zeros: 0x100),
                ObjectSection(name: ".comment", flags: 0, bytes: bytes(4, 7)),
                ObjectSection(name: ".data.more", align: 16, bytes: bytes(5, 3)),
                ObjectSection(name: ".text.more", flags: 6, align: 16, bytes: bytes(6, 2)),
                ObjectSection(name: ".tbss", type: 8, flags: 0x403, align: 64, zeros: 1),
                ObjectSection(name: ".tdata", flags: 0x403, align: 4, bytes: bytes(7, 5)),
                ObjectSection(name: ".llvm", flags: 0x8000_0002, bytes: bytes(8, 7)),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 3)])
        let result = try load(file.bytes)
        #expect(result.hex(0, 3) == "03 03 03")
        #expect(result.hex(32, 17) == "03" + String(repeating: " 00", count: 15) + " 06")
        #expect(result.hex(0x1000, 6) == "02 02 02 02 02 00")
        #expect(result.hex(0x2000, 9) == "07 07 07 07 07 00 00 00 01")
        #expect(result.template.start == 0x2000)
        #expect(result.template.size == 5)
        #expect(result.block.size == 65)
        #expect(result.block.alignment == 64)
        #expect(result.hex(0x2010, 5) == "01 00 00 00 00")
        #expect(result.hex(0x2020, 4) == "05 05 05 00")
        #expect(result.memory[0x2023..<0x3100].allSatisfy { $0 == 0 })
        #expect(!result.memory.contains(4) && !result.memory.contains(8), "what is not for run time")
    }

    /// Sections without an alignment follow one another byte by byte, even if they are of different groups on the same pages.
    @Test(arguments: [1, 2, 3, 8]) func sectionsWithoutAlignment(_ count: Int) throws {
        let bytes = [UInt8](repeating: 7, count: count)
        let file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".fini_array", type: 15, bytes: bytes),
                ObjectSection(name: ".data", bytes: [1, 2, 3]), ObjectSection(name: ".more", bytes: [4]),
            ], symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        let result = try load(file.bytes)
        #expect(Array(result.memory[0x1000..<0x1000 + count + 4]) == bytes + [1, 2, 3, 4])
    }

    /// The largest alignment, also of empty sections and common symbols, is the image's and the block's.
    @Test(arguments: 0..<3) func theLargestAlignment(_ largest: Int) throws {
        var sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [0xf4]),
            ObjectSection(name: ".data", align: 8, bytes: [1]),
            ObjectSection(name: ".bss", type: 8, align: 4, zeros: 1),
            ObjectSection(name: ".tdata", flags: 0x403, align: 4, bytes: [1]),
            ObjectSection(name: ".tbss", type: 8, flags: 0x403, align: 8, zeros: 1),
            ObjectSection(name: ".tbss.more", type: 8, flags: 0x403, align: 2, zeros: 1),
        ]
        sections[largest].align = 0x4000
        sections[3 + largest].align = 0x100
        let bytes = ObjectFile(sections: sections, symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
            .bytes
        let view = ByteView(bytes.span.bytes)
        let image = try ObjectImage(view, FileHeader(view))
        let (alignment, block) = (image.alignment, image.block.alignment)
        #expect(alignment == 0x4000 && block == 0x100)
        // The block's alignment counts for the image too, even if the block is all zeros and no bytes are placed.
        sections[3 + largest].align = 0x8000
        let other = ObjectFile(sections: sections, symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
            .bytes
        let all = ByteView(other.span.bytes)
        let larger = try ObjectImage(all, FileHeader(all))
        let (both, own) = (larger.alignment, larger.block.alignment)
        #expect(both == 0x8000 && own == 0x8000)
    }

    /// e_type has two bytes, and the magic number four: a change of any of them counts.
    @Test func whatAnObjectFileIs() {
        let file = object([]).bytes
        for (offset, value, isOne) in [
            (0, 0x7f, true), (0, 0, false), (3, 0, false), (16, 1, true), (16, 3, false), (17, 0, true), (17, 1, false),
        ] as [(Int, UInt8, Bool)] {
            let changed = file.putting(value, at: offset)
            let found = ObjectImage.isObjectFile(ByteView(changed.span.bytes))
            #expect(found == isOne, "\(offset) \(value)")
        }
        let isShortOne = ObjectImage.isObjectFile(ByteView(file.span.bytes.extracting(first: 17)))
        #expect(!isShortOne)
    }

    /// An address in memory belongs to its section; zeros of thread-local storage have no address.
    @Test func theSectionAtAnAddress() throws {
        let bytes = object([]) {
            $0.sections.append(ObjectSection(name: ".tdata", flags: 0x403, bytes: [1, 2, 3]))
            $0.sections.append(ObjectSection(name: ".tbss", type: 8, flags: 0x403, zeros: 0x100))
        }.bytes
        let view = ByteView(bytes.span.bytes)
        let image = try ObjectImage(view, FileHeader(view))
        // .text, then the template, and .data at the next multiple of its alignment.
        for (address, section) in [
            (0, 1), (63, 1), (64, nil), (0xfff, nil), (0x1000, 3), (0x1002, 3), (0x1003, nil), (0x1080, nil),
            (0x2000, 2),
            (0x201f, 2), (0x2020, nil), (.max, nil),
        ] as [(UInt64, UInt32?)] {
            let found = image.section(at: address)?.index
            #expect(found == section, "\(address)")
        }
    }

    /// Writers leave the tables of symbols and strings to the end, but the last section may also be one that is loaded.
    @Test func theLastSectionIsPlaced() throws {
        var bytes = object([]).bytes
        let headers = Int(bytes.number(UInt64.self, at: 40)), count = Int(bytes.number(UInt16.self, at: 60))
        let size = try load(bytes).memory.count
        try #require(headers + count * 64 == bytes.count)
        // SHT_NOBITS, writable: no bytes in the file.
        var header = [UInt8](repeating: 0, count: 64)
        header.put(8 as UInt32, at: 4)
        header.put(3 as UInt64, at: 8)
        header.put(0x5000 as UInt64, at: 32)
        header.put(1 as UInt64, at: 48)
        bytes += header
        bytes.put(UInt16(count + 1), at: 60)
        #expect(try load(bytes).memory.count >= size + 0x5000)
    }

    @Test func extendedIndices() throws {
        // Numbers in section header 0, and every symbol's index in SHT_SYMTAB_SHNDX.
        let file = object([Relocation(1, at: 8, symbol: 2)]) {
            $0.hasExtendedCount = true
            $0.symbols[0].isExtended = true
            $0.symbols.append(ObjectSymbol(name: "there", value: 4, section: 2, isExtended: true))
        }
        #expect(try load(file.bytes).word(0x1008) == 0x60_1004)
    }

    /// More sections than 16 bits can count; the last one's word holds its own address.
    @Test func seventyThousandSections() throws {
        let count: UInt32 = 70_000
        let file = object([]) {
            $0.hasExtendedCount = true
            for index in 2..<Int(count) {
                $0.sections.append(
                    ObjectSection(name: "", flags: 3, align: 8, bytes: littleEndian(UInt64(index))))
            }
            $0.sections[Int(count) - 1].relocations = [Relocation(1, at: 0, symbol: 2)]
            $0.symbols.append(ObjectSymbol(name: "", info: 3, section: count, isExtended: true))
        }
        let result = try load(file.bytes)
        // .data has four words; then a word per section.
        let last = 0x1000 + 32 + UInt64(count - 3) * 8
        #expect(result.word(last - 8) == UInt64(count - 2))
        #expect(result.word(last) == 0x60_0000 + last)
    }

    @Test func relocationsOfWhatIsNotLoaded() throws {
        let file = object([]) {
            $0.sections.append(
                ObjectSection(
                    name: ".debug_info", flags: 0, bytes: [0, 0, 0, 0], relocations: [Relocation(99, at: 77, symbol: 9)]
                ))
        }
        #expect(try load(file.bytes).counts.total == 0)
    }

    @Test func refusals() throws {
        // Sections: null, .text, .data, .symtab.
        let cases: [(change: (inout ObjectFile) -> Void, fault: Fault)] = [
            ({ $0.symbols = [] }, Fault(.entrySymbolMissing, .sectionHeader(3))),
            ({ $0.symbols[0].name = "main" }, Fault(.entrySymbolMissing, .sectionHeader(3))),
            ({ $0.symbols[0].info = 0x02 }, Fault(.entrySymbolMissing, .sectionHeader(3))),
            ({ $0.symbols[0].section = 0 }, Fault(.entrySymbolMissing, .sectionHeader(3))),
            ({ $0.symbols[0].section = 0xfff1 }, Fault(.entrySymbolMissing, .entry(section: 3, index: 1))),
            ({ $0.symbols[0].value = 64 }, Fault(.entryOutsideSection, .sectionHeader(1), value: 64, limit: 64)),
            ({ $0.sections[0].flags = 0 }, Fault(.entryOutsideSection, .sectionHeader(1))),
            ({ $0.sections[1].align = 24 }, Fault(.sectionAlignment, .sectionHeader(2), value: 24)),
            ({ $0.sections[1].flags = 0x803 }, Fault(.sectionCompressed, .sectionHeader(2))),
            ({ $0.sections[1].align = 1 << 63 }, Fault(.sectionTooLarge, .sectionHeader(2), limit: 1 << 63)),
            // .data ends at 0x1020, and zeros begin with a page.
            (
                { $0.sections.append(ObjectSection(name: ".bss", type: 8, zeros: .max)) },
                Fault(.sectionTooLarge, .sectionHeader(3), value: 0x2000, limit: .max)
            ),
            (
                { for _ in 0..<4 { $0.sections.append(ObjectSection(name: ".bss", type: 8, zeros: 1 << 46)) } },
                Fault(.sectionTooLarge, .sectionHeader(4), value: 0x2000 + 1 << 46, limit: 1 << 46)
            ),
            (
                { $0.symbols.append(ObjectSymbol(name: "c", value: 3, size: 1, section: 0xfff2)) },
                Fault(.commonAlignment, .entry(section: 3, index: 2), value: 3)
            ),
            (
                { $0.symbols.append(ObjectSymbol(name: "c", value: 8, size: .max, section: 0xfff2)) },
                Fault(.sectionTooLarge, .entry(section: 3, index: 2), value: 0x2000, limit: .max)
            ),
        ]
        for (change, fault) in cases { #expect(refusal(of: object([], change).bytes) == fault) }
    }

    /// The fault names the thread-local common symbol whose alignment is that of the whole block.
    @Test func alignmentOfThreadLocalCommonSymbol() {
        func refusal(_ alignment: UInt64) -> Fault? {
            let symbol = ObjectSymbol(name: "c", value: alignment, size: 1, info: 0x16, section: 0xfff2)
            return ObjectTests.refusal(of: object([]) { $0.symbols.append(symbol) }.bytes)
        }
        let place = FaultLocation.entry(section: 3, index: 2)
        #expect(refusal(3) == Fault(.commonAlignment, place, value: 3))
        #expect(refusal(1 << 63) == Fault(.sectionTooLarge, place, limit: 1 << 63))
        #expect(refusal(1 << 12) == nil)
    }

    /// Every byte of a small file is changed: the file loads or is refused, and the loader's own checks hold.
    @Test func changedBytes() throws {
        let file = object([
            Relocation(1, at: 0, symbol: 2), Relocation(28, at: 8, symbol: 1), Relocation(22, at: 16, symbol: 3),
        ]) {
            $0.sections.append(ObjectSection(name: ".tdata", flags: 0x403, bytes: [1, 2, 3]))
            $0.symbols.append(ObjectSymbol(name: "common", value: 8, size: 8, section: 0xfff2))
            $0.symbols.append(ObjectSymbol(name: "variable", info: 0x16, section: 3))
        }.bytes
        #expect(refusal(of: file) == nil)
        var refused = 0
        for offset in file.indices {
            for change in [0x01, 0x80, 0xff] as [UInt8] {
                var copy = file
                copy[offset] ^= change
                // A file that needs more memory than this counts as refused: no machine would have it.
                if (try? plannedSize(copy)) ?? 0 > 1 << 24 { continue }
                if refusal(of: copy) != nil { refused += 1 }
            }
        }
        #expect(refused > 100)
    }

    @Test func truncated() {
        let file = object([Relocation(1, at: 0, symbol: 1)]).bytes
        for count in 64..<file.count { #expect(refusal(of: Array(file.prefix(count))) != nil, "\(count) bytes") }
    }
}
