// A small file that has one of everything, and the places of its structures.

import TestSupport

/// A linked file with every table that the loader reads, written field by field.
public struct SmallFile: Sendable {
    /// The file.
    public private(set) var bytes: [UInt8] = []
    /// The structures of the file: their kinds, and their bytes in it.
    public var structures: [(name: String, range: Range<Int>)] { SmallFile.structures(of: bytes) }
    /// The link address of 128 bytes that relocations may change.
    public private(set) var data: UInt64 = 0

    /// Additions to the tables.
    public struct Additions: Sendable {
        /// Entries for DT_RELA, DT_REL and DT_JMPREL.
        public var rela: [Relocation] = [], rel: [Relocation] = [], plt: [Relocation] = []
        /// Words for DT_RELR.
        public var relr: [UInt64] = []
        /// Further dynamic entries; the last of several with one tag counts.
        public var dynamic: [(UInt64, UInt64)] = []
        /// Symbols: value, section and info.
        public var symbols: [(value: UInt64, shndx: UInt16, info: UInt8)] = []

        /// Nothing.
        public init() {}
    }

    /// The file of type `type` (2 ET_EXEC, 3 ET_DYN) linked at `base`, with `additions` to its tables.
    public init(type: UInt16 = 3, base: UInt64 = 0, _ additions: Additions = Additions()) {
        var writer = ELFWriter(type: type, base: base)
        writer.zeroFill = 0x100
        let code = writer.append([0xf4, 0xeb, 0xfd])
        data = writer.append(words: (0..<16).map { 0x0101_0101_0101_0101 &* $0 })
        let template = writer.append(words: [0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00])
        writer.segments.append(Segment(7, offset: template - base, vaddr: template, filesz: 16, memsz: 40, align: 8))
        writer.entry = code

        writer.addSymbol("function", value: code, size: 3, type: 2)
        writer.addSymbol("object", value: data, size: 8)
        writer.addSymbol("weak", binding: 2, shndx: 0)
        writer.addSymbol("thread_local", value: 8, size: 8, type: 6)
        writer.addSymbol("absolute", value: 0x1234, shndx: 0xfff1)
        for symbol in additions.symbols {
            writer.addSymbol(
                "added", value: symbol.value, type: symbol.info & 15, binding: symbol.info >> 4, shndx: symbol.shndx)
        }
        let rela = [
            Relocation(8, at: data, addend: data), Relocation(8, at: data + 8, addend: code),
            Relocation(1, at: data + 16, symbol: 2, addend: 4), Relocation(6, at: data + 24, symbol: 3),
            Relocation(18, at: data + 32, symbol: 4), Relocation(16, at: data + 40, symbol: 4),
            Relocation(24, at: data + 48, symbol: 1), Relocation(33, at: data + 56, symbol: 2),
        ]
        let rel = [Relocation(8, at: data + 64), Relocation(1, at: data + 72, symbol: 5)]
        let plt = [Relocation(7, at: data + 80, symbol: 1)]
        let relr = [data + 88, 0b111]

        var dynamic = writer.symbolEntries()
        dynamic += writer.relaEntries(rela + additions.rela)
        dynamic += writer.relEntries(rel + additions.rel)
        dynamic += writer.pltEntries(plt + additions.plt, hasAddends: true)
        dynamic += writer.relrEntries(relr + additions.relr)
        dynamic.append((0x6fff_fff9, 2))
        writer.setDynamic(dynamic + additions.dynamic)
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 0))
        bytes = writer.bytes
    }

    /// The file, followed by section headers and a symbol table, as debuggers need them.
    public var withSections: [UInt8] {
        var file = bytes
        while file.count % 8 != 0 { file.append(0) }
        let names = file.count
        file += Array("\0start\0data\0\0\0\0".utf8)
        while file.count % 8 != 0 { file.append(0) }
        let symbols = file.count
        let entry = bytes.number(UInt64.self, at: 24)
        for (name, type, value) in [(0, 0, 0), (1, 2, entry), (7, 1, data)] as [(UInt32, UInt8, UInt64)] {
            file += littleEndian(name) + [type, 0] + littleEndian(UInt16(type == 0 ? 0 : 1))
            file += littleEndian(value) + littleEndian(UInt64(8))
        }
        let headers = file.count
        func section(_ type: UInt32, _ offset: Int, _ size: Int, _ link: UInt32, _ entrySize: UInt64) -> [UInt8] {
            littleEndian(UInt32(0)) + littleEndian(type) + littleEndian(UInt64(0)) + littleEndian(UInt64(0))
                + littleEndian(UInt64(offset)) + littleEndian(UInt64(size)) + littleEndian(link)
                + littleEndian(UInt32(0))
                + littleEndian(UInt64(8)) + littleEndian(entrySize)
        }
        file += section(0, 0, 0, 0, 0) + section(3, names, symbols - names, 0, 0) + section(2, symbols, 72, 1, 24)
        file.put(UInt64(headers), at: 40)
        file.put(UInt16(3), at: 60)
        return file
    }

    /// The structures of `file`, a sound one whose dynamic section names its tables: header, program headers, dynamic
    /// entries, symbols, hash table, relocations and notes, if it has them.
    public static func structures(of file: [UInt8]) -> [(name: String, range: Range<Int>)] {
        var structures: [(name: String, range: Range<Int>)] = [("header", 0..<64)]
        if file.number(UInt16.self, at: 16) == 1 { return structures + sections(of: file) }
        let count = Int(file.number(UInt16.self, at: 56))
        let first = Int(file.number(UInt64.self, at: 32))
        structures.append(("program header", first..<first + 56 * count))
        var loads: [(vaddr: UInt64, offset: UInt64, filesz: UInt64)] = []
        var dynamic: Range<Int>?
        for index in 0..<count {
            let header = first + 56 * index
            let offset = file.number(UInt64.self, at: header + 8)
            let size = file.number(UInt64.self, at: header + 32)
            let range = Int(offset)..<Int(offset + size)
            switch file.number(UInt32.self, at: header) {
            case 1: loads.append((file.number(UInt64.self, at: header + 16), offset, size))
            case 2: dynamic = range
            case 4: structures.append(("note", range))
            default: break
            }
        }
        guard let dynamic else { return structures }
        structures.append(("dynamic entry", dynamic))
        var values: [UInt64: UInt64] = [:]
        for entry in stride(from: dynamic.lowerBound, to: dynamic.upperBound, by: 16) {
            values[file.number(UInt64.self, at: entry)] = file.number(UInt64.self, at: entry + 8)
        }
        func add(_ name: String, _ tag: UInt64, _ size: UInt64?) {
            guard let address = values[tag], let size,
                let load = loads.first(where: { address >= $0.vaddr && address - $0.vaddr < $0.filesz })
            else { return }
            let start = Int(address - load.vaddr + load.offset)
            structures.append((name, start..<start + Int(size)))
        }
        var symbols: UInt64 = 0
        if let hash = values[4], let load = loads.first(where: { hash >= $0.vaddr && hash - $0.vaddr < $0.filesz }) {
            let start = Int(hash - load.vaddr + load.offset)
            symbols = UInt64(file.number(UInt32.self, at: start + 4))
            add("hash table", 4, 8 + 4 * (symbols + UInt64(file.number(UInt32.self, at: start))))
        }
        add("symbol", 6, symbols * 24)
        add("relocation", 7, values[8])
        add("relocation", 17, values[18])
        add("relocation", 23, values[2])
        add("relocation", 36, values[35])
        return structures
    }

    /// The structures of an object file: the section headers, and the sections that the loader reads as tables.
    private static func sections(of file: [UInt8]) -> [(name: String, range: Range<Int>)] {
        let first = Int(file.number(UInt64.self, at: 40))
        let count = Int(file.number(UInt16.self, at: 60))
        var structures = [("section header", first..<first + 64 * count)]
        let names: [UInt32: String] = [2: "symbol", 4: "relocation", 17: "group", 0x4000_0014: "compact relocation"]
        for header in stride(from: first, to: first + 64 * count, by: 64) {
            let start = Int(file.number(UInt64.self, at: header + 24))
            let size = Int(file.number(UInt64.self, at: header + 32))
            if let name = names[file.number(UInt32.self, at: header + 4)], size > 0 {
                structures.append((name, start..<start + size))
            }
        }
        return structures
    }
}
