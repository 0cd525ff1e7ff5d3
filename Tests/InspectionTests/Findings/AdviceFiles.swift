// The parts of calls that break a rule: small applications, object files and libraries.

import TestSupport

extension AdviceTests {
    /// An application linked at `base`, fixed or not; `change` damages or mends it.
    static func application(
        fixed: Bool = false, at base: UInt64 = 0, notes: [UInt8] = hermitNote(4) + abiTag(0, 13, 2),
        _ change: (inout ELFWriter) -> Void = { _ in }
    ) -> [UInt8] {
        var writer = ELFWriter(type: fixed ? 2 : 3, base: fixed ? base : 0)
        writer.append([0xf4, 0xeb, 0xfd])
        if !notes.isEmpty { writer.addNotes(notes) }
        change(&writer)
        return writer.bytes
    }

    /// An object file with code of 16 bytes and a word of data.
    static func object(_ relocations: [Relocation] = [], _ change: (inout ObjectFile) -> Void = { _ in })
        -> [UInt8]
    {
        var file = ObjectFile()
        file.symbols = [
            ObjectSymbol(name: "_start", size: 16, info: 0x12, section: 1),
            ObjectSymbol(name: "absent", section: 0), ObjectSymbol(name: "far", value: 1 << 40),
            ObjectSymbol(name: "variable", size: 8, info: 0x16, section: 4),
        ]
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0xf4, count: 16)),
            ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 1, count: 8), relocations: relocations),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4)),
            ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [UInt8](repeating: 2, count: 8)),
        ]
        change(&file)
        return file.bytes
    }

    static func library(type: UInt16 = 3, _ name: String = "liba.so") -> [UInt8] {
        var writer = ELFWriter(type: type)
        let names = Array(("\0" + name + "\0").utf8)
        let strings = writer.append(names)
        writer.setDynamic([(14, 1), (5, strings), (10, UInt64(names.count))])
        return writer.bytes
    }

    /// An application that needs liba.so.
    static let needing = application { writer in
        let names = Array("\0liba.so\0".utf8)
        let strings = writer.append(names)
        writer.setDynamic([(1, 1), (5, strings), (10, UInt64(names.count))])
    }

    /// Words for the loader.
    static func options(_ words: String) -> [String] { ["--loader-options", words] }
}
