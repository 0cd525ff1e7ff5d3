// The files behind the golden files, generated here so that no compiler version changes them.

import TestSupport

/// A small application and its broken relatives.
enum Sample {
    /// Relocations of every table, a TLS template, notes, and a kernel that expects identity-mapped RAM.
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

    /// The application's next build: a larger variable, a new function instead of another, a relocation less, and another
    /// ABI tag.
    static var rebuilt: [UInt8] { Sample.build(dataSize: 96, functions: [("run", 24), ("stop", 8)], hasTag: false) }

    /// The previous build.
    static var built: [UInt8] { Sample.build(dataSize: 64, functions: [("run", 16), ("walk", 40)], hasTag: true) }

    private static func build(dataSize: UInt64, functions: [(name: String, size: UInt64)], hasTag: Bool) -> [UInt8] {
        var writer = ELFWriter()
        let words = writer.append(words: [0, 0])
        _ = writer.addSymbol("data", value: words, size: dataSize)
        // As rustc mangles names: the hash changes from build to build.
        let hash = hasTag ? "0123456789abcdef" : "fedcba9876543210"
        _ = writer.addSymbol("_ZN3app4main17h\(hash)E", value: writer.entry, size: hasTag ? 8 : 12, type: 2)
        for function in functions {
            _ = writer.addSymbol(function.name, value: writer.entry, size: function.size, type: 2)
        }
        var entries = writer.symbolEntries()
        let relocations = [Relocation(8, at: words, addend: words), Relocation(8, at: words + 8, addend: words)]
        entries += writer.relaEntries(hasTag ? relocations : Array(relocations.prefix(1)))
        writer.setDynamic(entries)
        writer.addNotes(hermitNote(4) + (hasTag ? abiTag(0, 13, 2) : []))
        writer.zeroFill = dataSize * 16
        let file = writer.bytes
        let sizes = [(".text", 0x100 + dataSize), (".data", dataSize), (".comment", 18)]
        return adding(sizes.map { ($0.0, 8, file.count, $0.1) }, to: file)
    }

    /// `file` with section headers: names, types, offsets in the file, sizes.
    static func adding(_ sections: [(name: String, type: UInt32, offset: Int, size: UInt64)], to file: [UInt8])
        -> [UInt8]
    {
        var file = file
        func header(_ name: Int, _ type: UInt32, _ offset: Int, _ size: UInt64) -> [UInt8] {
            let words = [2, 0, UInt64(offset), size, 0, 1, 0]
            return littleEndian(UInt32(name)) + littleEndian(type) + words.flatMap { littleEndian($0) }
        }
        let start = file.count
        var headers = header(0, 0, 0, 0)
        var names: [UInt8] = [0]
        for section in sections {
            headers += header(names.count, section.type, section.offset, section.size)
            names += Array(section.name.utf8) + [0]
        }
        headers += header(0, 3, start, UInt64(names.count))
        file += names
        while file.count % 8 != 0 { file.append(0) }
        let table = UInt64(file.count)
        return (file + headers).putting(table, at: 40).putting(UInt16(64), at: 58)
            .putting(UInt16(sections.count + 2), at: 60).putting(UInt16(sections.count + 1), at: 62)
    }

    /// An object file with code, a table slot, a thread-local variable and a section for the debugger.
    static var object: [UInt8] {
        var file = ObjectFile()
        file.symbols = [
            ObjectSymbol(name: "_start", size: 48, info: 0x12, section: 1),
            ObjectSymbol(name: "data", size: 16, section: 2),
            ObjectSymbol(name: "variable", size: 4, info: 0x16, section: 3),
            ObjectSymbol(name: "absent", info: 0x20, section: 0),
        ]
        let text = [
            Relocation(2, at: 4, symbol: file.index(of: "data"), addend: 0 &- 4),
            Relocation(4, at: 12, symbol: file.index(of: "_start"), addend: 0 &- 4),
            Relocation(9, at: 20, symbol: file.index(of: "data"), addend: 0 &- 4),
            Relocation(23, at: 28, symbol: file.index(of: "variable"), addend: 0),
        ]
        let data = [
            Relocation(1, at: 0, symbol: file.index(of: "data"), addend: 8),
            Relocation(1, at: 8, symbol: file.index(of: "absent"), addend: 0),
        ]
        let lines = [Relocation(1, at: 0, symbol: file.index(of: "_start"), addend: 16)]
        func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: zeros(48), relocations: text),
            ObjectSection(name: ".data", align: 8, bytes: zeros(16), relocations: data),
            ObjectSection(name: ".tdata", flags: 0x403, align: 4, bytes: [1, 2, 3, 4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 2)),
            ObjectSection(name: ".lines", flags: 0, bytes: zeros(8), relocations: lines),
        ]
        return file.bytes
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
        [
            ("application", application), ("undefined", undefined), ("fixed", fixed), ("truncated", truncated),
            ("object", object),
        ]
    }
}
