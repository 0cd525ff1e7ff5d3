// The files that the golden files are about: made here, so that no compiler's version changes them.

import TestSupport

/// A small application and its broken relatives.
enum Sample {
    /// Relocations of every table, a TLS template, notes, and a kernel that wants RAM identity-mapped.
    static var application: [UInt8] {
        var writer = ELFWriter()
        let words = writer.append(words: [0x11, 0x22, 0, 0, 0, 0, 0x40, 0])
        let template = writer.append([1, 2, 3, 4])
        writer.segments.append(Segment(7, offset: template, vaddr: template, filesz: 4, memsz: 24, align: 8, flags: 4))
        let data = writer.addSymbol("data", value: words, size: 64)
        let function = writer.addSymbol("run", value: writer.entry, size: 16, type: 2)
        let absent = writer.addSymbol("absent", binding: 2, shndx: 0)
        let variable = writer.addSymbol("variable", value: 8, size: 4, type: 6)
        var entries = writer.symbolEntries()
        entries += writer.relaEntries([
            Relocation(8, at: words + 0x10, addend: words),
            Relocation(1, at: words + 0x18, symbol: data, addend: 8),
            Relocation(6, at: words + 0x20, symbol: absent),
            Relocation(18, at: words + 0x28, symbol: variable),
        ])
        entries += writer.pltEntries([Relocation(7, at: words + 0x38, symbol: function)], hasAddends: true)
        entries += writer.relrEntries([words, 0b11])
        writer.setDynamic(entries)
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 2))
        writer.zeroFill = 0x1000
        return writer.bytes
    }

    /// The same, with an undefined symbol, which is refused.
    static var undefined: [UInt8] {
        var writer = ELFWriter()
        let word = writer.append(words: [0])
        let symbol = writer.addSymbol("nobody", shndx: 0)
        let entries = writer.symbolEntries() + writer.relaEntries([Relocation(1, at: word, symbol: symbol)])
        writer.setDynamic(entries)
        writer.addNotes(hermitNote(4))
        return writer.bytes
    }

    /// An application linked at 16 MiB, with an executable stack.
    static var fixed: [UInt8] {
        var writer = ELFWriter(type: 2, base: 0x100_0000)
        writer.addNotes(hermitNote(3))
        writer.segments.append(Segment(0x6474_e551, offset: 0, vaddr: 0, filesz: 0, align: 16, flags: 7))
        return writer.bytes
    }

    /// Cut off inside its program headers.
    static var truncated: [UInt8] { Array(application.prefix(100)) }

    static var all: [(name: String, bytes: [UInt8])] {
        [("application", application), ("undefined", undefined), ("fixed", fixed), ("truncated", truncated)]
    }
}
