// Faults of the headers, sections and tables of an object file: each with its place and its value.

import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RefusalTests {
    /// Sections 1 `.text`, 2 `.data`, 3 `.rela.data`, 4 `.symtab`, 5 `.strtab`, 6 `.shstrtab`.
    private static let file = object([Relocation(1, at: 0, symbol: 1)]).bytes
    private static let headers = file.number(UInt64.self, at: 40)
    private static let size = UInt64(file.count)

    /// The file with `value` as a field of its header, or else of section header `section`.
    private static func file<Number: FixedWidthInteger>(_ value: Number, at offset: Int, section: Int? = nil) -> [UInt8]
    {
        var copy = file
        copy.put(value, at: section.map { Int(headers) + $0 * 64 + offset } ?? offset)
        return copy
    }

    static let cases: [(what: String, file: [UInt8], fault: Fault)] = [
        ("e_shoff is 0", file(0 as UInt64, at: 40), Fault(.noSectionHeaders, .header)),
        ("no section", file(0 as UInt16, at: 60), Fault(.noSectionHeaders, .header)),
        ("e_shentsize", file(40 as UInt16, at: 58), Fault(.badSectionHeaderSize, .header, value: 40, limit: 64)),
        (
            "e_shoff is too large", file(size - 8, at: 40),
            Fault(.sectionHeadersBeyondFile, .header, value: size + 56, limit: size)
        ),
        (
            "e_shnum is too large", file(8 as UInt16, at: 60),
            Fault(.sectionHeadersBeyondFile, .header, value: headers + 8 * 64, limit: size)
        ),
        ("e_shstrndx", file(7 as UInt16, at: 62), Fault(.badSectionLink, .header, value: 7, limit: 7)),
        (
            "sh_offset of code", file(size, at: 24, section: 1),
            Fault(.sectionBeyondFile, .sectionHeader(1), value: size + 64, limit: size)
        ),
        (
            "sh_size of symbols", file(size / 24 * 24, at: 32, section: 4),
            Fault(
                .sectionBeyondFile, .sectionHeader(4),
                value: file.number(UInt64.self, at: Int(headers) + 4 * 64 + 24) + size / 24 * 24, limit: size)
        ),
        (
            "sh_entsize of relocations", file(16 as UInt64, at: 56, section: 3),
            Fault(.badEntrySize, .sectionHeader(3), value: 16, limit: 24)
        ),
        (
            "sh_size of relocations", file(25 as UInt64, at: 32, section: 3),
            Fault(.tableSizeNotMultiple, .sectionHeader(3), value: 25, limit: 24)
        ),
        (
            "sh_info of relocations is 0", file(0 as UInt32, at: 44, section: 3),
            Fault(.badSectionLink, .sectionHeader(3), value: 0, limit: 7)
        ),
        (
            "sh_info of relocations is too large", file(7 as UInt32, at: 44, section: 3),
            Fault(.badSectionLink, .sectionHeader(3), value: 7, limit: 7)
        ),
        (
            "sh_link of relocations", file(5 as UInt32, at: 40, section: 3),
            Fault(.badSectionLink, .sectionHeader(3), value: 5, limit: 7)
        ),
        ("no SHT_SYMTAB", file(1 as UInt32, at: 4, section: 4), Fault(.noSymbolTable, .header)),
        (
            "sh_entsize of symbols", file(16 as UInt64, at: 56, section: 4),
            Fault(.badEntrySize, .sectionHeader(4), value: 16, limit: 24)
        ),
        (
            "sh_link of symbols is no string table", file(1 as UInt32, at: 40, section: 4),
            Fault(.badSectionLink, .sectionHeader(4), value: 1, limit: 7)
        ),
        (
            "sh_link of symbols is too large", file(9 as UInt32, at: 40, section: 4),
            Fault(.badSectionLink, .sectionHeader(4), value: 9, limit: 7)
        ),
        (
            "sh_link of symbols is the number of sections", file(7 as UInt32, at: 40, section: 4),
            Fault(.badSectionLink, .sectionHeader(4), value: 7, limit: 7)
        ),
    ]

    @Test(arguments: cases.indices) func eachFaultIsReported(_ index: Int) {
        #expect(refusal(of: Self.file) == nil)
        #expect(refusal(of: Self.cases[index].file) == Self.cases[index].fault, "\(Self.cases[index].what)")
    }

    /// Nothing at run time can refer to sections that are not in memory.
    @Test func whatIsNotLoaded() throws {
        let file = object([Relocation(1, at: 0, symbol: 2)]) {
            $0.sections.append(ObjectSection(name: ".comment", flags: 0, bytes: [1]))
            $0.symbols.append(ObjectSymbol(name: "remark", section: 3))
        }.bytes
        let fault = try #require(refusal(of: file))
        #expect(fault == Fault(.symbolNotLoaded, .entry(section: 4, index: 0), value: 3))
        #expect(
            sentence(fault, file)
                == "section 4 entry 0: R_X86_64_64 at 0x0 against 'remark', which is in section 3: that is not in memory at "
                + "run time")
        // Its size does not depend on that.
        #expect(try load(file.putting(UInt32(33), at: Int(Self.relocation(of: file)) + 8)).counts[33] == 1)
    }

    /// The file offset of the only relocation.
    private static func relocation(of file: [UInt8]) -> UInt64 {
        file.number(UInt64.self, at: Int(file.number(UInt64.self, at: 40)) + 4 * 64 + 24)
    }
}
