// The psABI's table of relocation types, row by row.

import Architecture
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RelocationTypesTests {
    /// The rows in the order of their numbers (x86-64 psABI, table 4.10): name, field and calculation. `G`, `GT`, `GI`,
    /// `GM` and `GD` are slots of the GOT: for an address, an offset from TP, a symbol's and the module's tls_index, a descriptor.
    static let rows: [(name: String, field: String, calculation: String)] = [
        ("NONE", "none", "none"), ("64", "word64", "S+A"), ("PC32", "word32", "S+A-P"), ("GOT32", "word32", "G+A"),
        ("PLT32", "word32", "L+A-P"), ("COPY", "object", "copy"), ("GLOB_DAT", "word64", "S"),
        ("JUMP_SLOT", "word64", "S"), ("RELATIVE", "word64", "B+A"), ("GOTPCREL", "word32", "G+GOT+A-P"),
        ("32", "unsigned32", "S+A"), ("32S", "word32", "S+A"), ("16", "either16", "S+A"), ("PC16", "word16", "S+A-P"),
        ("8", "either8", "S+A"), ("PC8", "word8", "S+A-P"), ("DTPMOD64", "word64", "module"),
        ("DTPOFF64", "word64", "block+A"), ("TPOFF64", "word64", "TP+A"), ("TLSGD", "word32", "GI+GOT+A-P"),
        ("TLSLD", "word32", "GM+GOT+A-P"), ("DTPOFF32", "word32", "block+A"), ("GOTTPOFF", "word32", "GT+GOT+A-P"),
        ("TPOFF32", "word32", "TP+A"), ("PC64", "word64", "S+A-P"), ("GOTOFF64", "word64", "S+A-GOT"),
        ("GOTPC32", "word32", "GOT+A-P"), ("GOT64", "word64", "G+A"), ("GOTPCREL64", "word64", "G+GOT+A-P"),
        ("GOTPC64", "word64", "GOT+A-P"), ("GOTPLT64", "word64", "G+A"), ("PLTOFF64", "word64", "L+A-GOT"),
        ("SIZE32", "unsigned32", "Z+A"), ("SIZE64", "word64", "Z+A"), ("GOTPC32_TLSDESC", "word32", "GD+GOT+A-P"),
        ("TLSDESC_CALL", "none", "none"), ("TLSDESC", "word128", "descriptor+A"), ("IRELATIVE", "word64", "call"),
        ("RELATIVE64", "word64", "B+A"), ("PC32_BND", "word32", "S+A-P"), ("PLT32_BND", "word32", "L+A-P"),
        ("GOTPCRELX", "word32", "G+GOT+A-P"), ("REX_GOTPCRELX", "word32", "G+GOT+A-P"),
        ("CODE_4_GOTPCRELX", "word32", "G+GOT+A-P"), ("CODE_4_GOTTPOFF", "word32", "GT+GOT+A-P"),
        ("CODE_4_GOTPC32_TLSDESC", "word32", "GD+GOT+A-P"), ("CODE_5_GOTPCRELX", "word32", "G+GOT+A-P"),
        ("CODE_5_GOTTPOFF", "word32", "GT+GOT+A-P"), ("CODE_5_GOTPC32_TLSDESC", "word32", "GD+GOT+A-P"),
        ("CODE_6_GOTPCRELX", "word32", "G+GOT+A-P"), ("CODE_6_GOTTPOFF", "word32", "GT+GOT+A-P"),
        ("CODE_6_GOTPC32_TLSDESC", "word32", "GD+GOT+A-P"),
    ]

    /// The size of each field, and its range of values.
    static let fields: [String: (size: UInt64, first: Int64, last: Int64)] = [
        "none": (0, .min, .max), "object": (0, .min, .max), "word64": (8, .min, .max), "word128": (16, .min, .max),
        "unsigned32": (4, 0, 0xffff_ffff), "word32": (4, -0x8000_0000, 0x7fff_ffff), "either16": (2, -0x8000, 0xffff),
        "word16": (2, -0x8000, 0x7fff), "either8": (1, -0x80, 0xff), "word8": (1, -0x80, 0x7f),
    ]

    @Test func `every type is the psABI's`() throws {
        #expect(RelocationType.lastNumber == UInt32(Self.rows.count) - 1)
        #expect(RelocationType.ForEach<UInt64>(repeating: 0).count == Self.rows.count)
        for (number, row) in Self.rows.enumerated() {
            let type = try #require(RelocationType(UInt32(number)))
            let field = try #require(Self.fields[row.field])
            #expect(type.name.description == row.name)
            #expect(type.field.size == field.size, "\(row.name)")
            #expect(type.field.range == (field.first, field.last), "\(row.name)")
        }
        for number in [52, 53, 255, 256, .max] as [UInt32] { #expect(RelocationType(number) == nil) }
    }

    /// Properties that follow from the terms of a calculation.
    @Test func `a formula's properties are those of its terms`() throws {
        for (number, row) in Self.rows.enumerated() {
            let type = try #require(RelocationType(UInt32(number)))
            let formula = type.formula
            let terms = row.calculation
            let slot = ["G+", "GT", "GI", "GM", "GD"].first { terms.hasPrefix($0) }
            let isMark = ["none", "copy"].contains(terms)
            let kinds: [String: SlotKind] = [
                "G+": .address, "GT": .offset, "GI": .index, "GM": .index, "GD": .descriptor,
            ]
            #expect(formula.slot == slot.flatMap { kinds[$0] }, "\(row.name)")
            #expect(formula.hasAddend == (terms.hasSuffix("+A") || terms.contains("+A-") || isMark), "\(row.name)")
            #expect(formula.isFromPlace == terms.hasSuffix("-P"), "\(row.name)")
            let isOfBlock = ["module", "block+A", "TP+A", "descriptor+A"].contains(terms)
            #expect(formula.isThreadLocal == (isOfBlock || slot != nil && slot != "G+"), "\(row.name)")
            let needsLinker = terms.contains("GOT") || terms.hasPrefix("L") || slot != nil
            #expect(formula.needsLinker == needsLinker, "\(row.name)")
            #expect(type.occursInLinkedFiles == (!needsLinker && ![35, 39].contains(number)), "\(row.name)")
            #expect(formula.needsLinkedFile == ["copy", "S", "B+A", "call"].contains(terms), "\(row.name)")
            #expect(formula.usesSymbolValue == ["S+A", "S+A-P", "S"].contains(terms), "\(row.name)")
        }
        #expect([SlotKind.address, .offset, .index, .descriptor].map(\.size) == [8, 8, 16, 16])
    }
}
