// Object files made from a fuzzer's bytes: sound enough to be laid out and relocated, since plain mutations of a sound file
// stays at its headers.

import Bytes
import TestSupport

/// An object file whose every part was chosen by bytes.
public struct ObjectChoices: Sendable {
    /// The file.
    public private(set) var file: ObjectFile
    /// Bytes of the file to change at the end.
    private var changes: [(offset: UInt64, value: UInt8)] = []
    /// Whether to compare the relocations of a section in both forms.
    public let comparesForms: Bool

    /// The file's bytes.
    public var bytes: [UInt8] {
        var bytes = file.bytes
        for (offset, value) in changes { bytes[Int(offset) % bytes.count] = value }
        return bytes
    }

    /// The file's bytes with every table of relocations with addends in compact form.
    public var compactBytes: [UInt8] {
        var file = file
        for index in file.sections.indices where file.sections[index].hasAddends && file.sections[index].compact == nil
        {
            guard !file.sections[index].relocations.isEmpty else { continue }
            file.sections[index].compact = compactRelocations(file.sections[index].relocations)
        }
        return file.bytes
    }

    private static let names = [
        "_start", "__tls_get_addr", "_GLOBAL_OFFSET_TABLE_", "__start_set", "__stop_set", "_TLS_MODULE_BASE_", "_end",
        "etext",
        "__bss_start", "__init_array_start", "__fini_array_end", "__preinit_array_end", "one", "two", "",
    ]

    /// Name, type and flags of sections.
    private static let kinds: [(name: String, type: UInt32, flags: UInt64)] = [
        (".text", 1, 6), (".data", 1, 3), (".rodata", 1, 2), (".bss", 8, 3), (".tdata", 1, 0x403), (".tbss", 8, 0x403),
        ("set", 1, 3), (".init_array", 14, 3), (".init_array.101", 14, 3), (".init_array.7", 14, 3),
        (".fini_array", 15, 3),
        (".fini_array.65535", 15, 3), (".preinit_array", 16, 3), (".ctors", 1, 3), (".ctors.65000", 1, 3),
        (".dtors.1", 1, 3),
        (".note", 7, 2), (".debug", 1, 0), (".text.written", 1, 7), (".large", 8, 2), (".zdebug", 1, 0x803),
        (".llvm", 1, 0x8000_0003), (".group", 17, 0), (".text", 1, 6),
    ]

    /// Code of the dynamic thread-local models, with the offsets of the two places in it, and the types there.
    private static let sequences: [(code: [UInt8], types: (UInt32, UInt32), places: (UInt64, UInt64))] = [
        ([0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0], (19, 4), (4, 12)),
        ([0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x48, 0xff, 0x15, 0, 0, 0, 0], (19, 41), (4, 12)),
        ([0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0], (20, 4), (3, 8)),
        ([0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0], (20, 41), (3, 9)),
        (
            [0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x01, 0xd8, 0xff, 0xd0], (19, 31),
            (3, 9)
        ),
        (
            [0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x4c, 0x01, 0xf8, 0xff, 0xd0], (20, 31),
            (3, 9)
        ),
    ]

    /// The file that `bytes` choose.
    public init(_ bytes: [UInt8]) {
        var source = ByteSource(bytes)
        let choice = source.byte()
        // Twelve symbols for relocations of every kind, four of them the linker's.
        file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0x90, count: 64)),
                ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [1, 2, 3, 4, 5, 6, 7, 8]),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: "variable", value: 4, size: 4, info: 0x16, section: 2),
                ObjectSymbol(name: "__tls_get_addr", info: 0x10, section: choice & 1 == 0 ? 0 : 1),
                ObjectSymbol(name: "word", value: 8, size: 8, section: 1),
                ObjectSymbol(name: "chosen", value: 16, info: 0x1a, section: 1),
                ObjectSymbol(name: "common", value: 16, size: 24, section: 0xfff2),
                ObjectSymbol(name: "common_variable", value: 8, size: 8, info: 0x16, section: 0xfff2),
                ObjectSymbol(name: "absolute", value: 0x1234, size: 3, section: 0xfff1),
                ObjectSymbol(name: "_GLOBAL_OFFSET_TABLE_", info: 0x10, section: 0),
                ObjectSymbol(name: "weak", info: 0x20, section: 0),
                ObjectSymbol(name: "weak_variable", info: 0x26, section: 0),
                ObjectSymbol(name: "", info: 3, section: 1),
            ], hasExtendedCount: choice & 2 != 0)
        if choice & 4 == 0 {
            file.sections.append(
                ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 0)))
        }
        comparesForms = choice & 8 != 0
        while !source.isEmpty, file.sections.count < 40, file.symbols.count < 60 {
            switch source.byte() % 8 {
            case 0: addSection(&source)
            case 1: addSymbol(&source)
            case 2: addSequence(&source)
            case 3 where choice & 16 != 0: changes.append((source.number(upTo: 65535), source.byte()))
            case 4 where choice & 32 != 0:
                let index = Int(source.byte()) % file.sections.count
                file.sections[index].compact = (0..<source.byte() % 32).map { _ in source.byte() }
            case 5 where choice & 64 != 0:
                let index = Int(source.byte()) % file.sections.count
                file.sections[index].hasAddends.toggle()
            default: addRelocation(&source)
            }
        }
    }

    private mutating func addSection(_ source: inout ByteSource) {
        let kind = ObjectChoices.kinds[Int(source.byte()) % ObjectChoices.kinds.count]
        let layout = source.byte()
        let count = Int(source.byte())
        var section = ObjectSection(
            name: kind.name, type: kind.type, flags: kind.flags, align: 1 << UInt64(layout % 13),
            bytes: kind.type == 8 ? [] : [UInt8](repeating: layout, count: count), zeros: UInt64(count))
        if layout >= 0xf8 { section.align = source.address() }
        if layout & 0xf0 == 0xe0 { section.zeros = source.address() }
        file.sections.append(section)
    }

    private mutating func addSymbol(_ source: inout ByteSource) {
        let choice = source.byte()
        let section: UInt32 =
            switch choice >> 4 & 7 {
            case 0: 0
            case 1: 0xfff1
            case 2: 0xfff2
            case 3: UInt32(source.byte())
            default: UInt32(source.byte()) % UInt32(file.sections.count) + 1
            }
        file.symbols.append(
            ObjectSymbol(
                name: ObjectChoices.names[Int(choice & 15) % ObjectChoices.names.count],
                value: choice & 128 == 0 ? source.number(upTo: 63) : source.address(), size: source.number(upTo: 255),
                info: source.byte(), section: section, isExtended: choice == 0xff))
    }

    private mutating func addSequence(_ source: inout ByteSource) {
        let sequence = ObjectChoices.sequences[Int(source.byte()) % ObjectChoices.sequences.count]
        let symbol = source.byte() & 3 == 0 ? UInt32(source.byte()) % 16 : 2
        var section = ObjectSection(name: ".text", flags: 6, bytes: sequence.code)
        section.relocations = [
            Relocation(sequence.types.0, at: sequence.places.0, symbol: symbol, addend: 0 &- 4),
            Relocation(sequence.types.1, at: sequence.places.1, symbol: 3, addend: sequence.types.1 == 31 ? 0 : 0 &- 4),
        ]
        file.sections.append(section)
    }

    private mutating func addRelocation(_ source: inout ByteSource) {
        let choice = source.byte()
        let section = choice & 1 == 0 ? 0 : Int(source.byte()) % file.sections.count
        let offset = choice & 6 != 6 ? source.number(upTo: 56) : source.address()
        let type = UInt32(source.byte()) % 53
        let symbol = UInt32(source.byte()) % UInt32(file.symbols.count + 1)
        let addend = choice & 0x30 == 0 ? source.address() : 0 &- 4
        file.sections[section].relocations.append(Relocation(type, at: offset, symbol: symbol, addend: addend))
    }
}

extension FuzzTarget {
    /// The bytes choose an object file; if its relocations may be written in both forms, they make the same image.
    static func object(_ bytes: [UInt8]) -> [String] {
        let choices = ObjectChoices(bytes)
        let boot = WatchedBoot(choices.bytes)
        var violations = boot.violations
        guard choices.comparesForms, choices.bytes == choices.file.bytes else { return violations }
        let compact = WatchedBoot(choices.compactBytes)
        violations += compact.violations
        switch (boot.ending, compact.ending) {
        case (.loaded, .loaded):
            if !boot.image.isSame(as: compact.image) {
                violations.append("another image from compact relocations")
            }
        case (.refused(let fault), .refused(let other)):
            // An image that is barely too large may be so in one form only, since the file's size differs.
            if fault.rule != other.rule { violations.append("\(other.rule) in compact form, else \(fault.rule)") }
        default: violations.append("compact relocations make a difference")
        }
        return violations
    }
}
