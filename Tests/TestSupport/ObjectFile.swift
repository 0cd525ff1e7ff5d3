// An object file, written field by field from the gABI, with forms that no compiler writes as well.

/// A section of the file under construction, and the relocations of its bytes.
public struct ObjectSection: Sendable {
    /// Its name.
    public var name: String
    /// sh_type, sh_flags and sh_addralign.
    public var type: UInt32 = 1, flags: UInt64 = 3, align: UInt64 = 1
    /// Its bytes in the file.
    public var bytes: [UInt8] = []
    /// sh_size of sections without bytes.
    public var zeros: UInt64 = 0
    /// The relocations of its bytes.
    public var relocations: [Relocation] = []
    /// Whether relocations are Elf64_Rela.
    public var hasAddends = true
    /// The bytes of a section of compact relocations (SHT_CREL), which replace `relocations`; nil if there is none.
    public var compact: [UInt8]?
    /// sh_entsize.
    public var entrySize: UInt64 = 0

    /// A section of data by default.
    public init(
        name: String, type: UInt32 = 1, flags: UInt64 = 3, align: UInt64 = 1, bytes: [UInt8] = [], zeros: UInt64 = 0,
        relocations: [Relocation] = [], hasAddends: Bool = true, entrySize: UInt64 = 0
    ) {
        self.name = name
        self.type = type
        self.flags = flags
        self.align = align
        self.bytes = bytes
        self.zeros = zeros
        self.relocations = relocations
        self.hasAddends = hasAddends
        self.entrySize = entrySize
    }
}

/// A symbol of the file under construction.
public struct ObjectSymbol: Sendable {
    /// Its name.
    public var name: String
    /// st_value and st_size.
    public var value: UInt64 = 0, size: UInt64 = 0
    /// Binding << 4 | type; STB_GLOBAL and STT_OBJECT by default.
    public var info: UInt8 = 0x11
    /// The index of its section, or a reserved one; the sections have indices from 1 on.
    public var section: UInt32 = 0xfff1
    /// Whether `section` is an index even if it looks like a reserved one; it goes to SHT_SYMTAB_SHNDX then.
    public var isExtended = false

    /// A global object by default.
    public init(
        name: String, value: UInt64 = 0, size: UInt64 = 0, info: UInt8 = 0x11, section: UInt32 = 0xfff1,
        isExtended: Bool = false
    ) {
        self.name = name
        self.value = value
        self.size = size
        self.info = info
        self.section = section
        self.isExtended = isExtended
    }
}

/// ET_REL with these sections, in order, then relocations, symbols and names.
public struct ObjectFile: Sendable {
    /// Sections, the first with index 1.
    public var sections: [ObjectSection] = []
    /// Symbols, the first with index 1.
    public var symbols: [ObjectSymbol] = []
    /// Whether the numbers of sections are in section header 0, as they are with more than 65,279.
    public var hasExtendedCount = false

    /// An empty file by default.
    public init(sections: [ObjectSection] = [], symbols: [ObjectSymbol] = [], hasExtendedCount: Bool = false) {
        self.sections = sections
        self.symbols = symbols
        self.hasExtendedCount = hasExtendedCount
    }

    /// The file.
    public var bytes: [UInt8] {
        var names: [UInt8] = [0]
        func named(_ name: String) -> UInt32 {
            defer { names += Array(name.utf8) + [0] }
            return UInt32(names.count)
        }
        var content = [UInt8](repeating: 0, count: 64)
        var headers: [[UInt8]] = [[]]
        func add(
            _ name: String, _ type: UInt32, _ flags: UInt64, _ bytes: [UInt8], size: UInt64? = nil, link: UInt32 = 0,
            info: UInt32 = 0, align: UInt64 = 1, entry: UInt64 = 0
        ) {
            while content.count % 8 != 0 { content.append(0) }
            var header = littleEndian(named(name)) + littleEndian(type) + littleEndian(flags) + littleEndian(UInt64(0))
            header += littleEndian(UInt64(content.count)) + littleEndian(size ?? UInt64(bytes.count))
            header += littleEndian(link) + littleEndian(info) + littleEndian(align) + littleEndian(entry)
            headers.append(header)
            content += bytes
        }
        for section in sections {
            let size = section.type == 8 ? section.zeros : nil
            add(
                section.name, section.type, section.flags, section.bytes, size: size, align: section.align,
                entry: section.entrySize)
        }
        let changed = sections.indices.filter { !sections[$0].relocations.isEmpty || sections[$0].compact != nil }
        let symbolTable = UInt32(sections.count + changed.count + 1)
        for index in changed {
            let section = sections[index]
            if let compact = section.compact {
                add(
                    ".crel" + section.name, 0x4000_0014, 0, compact, link: symbolTable, info: UInt32(index + 1),
                    entry: 1)
                continue
            }
            let bytes = section.relocations.flatMap { section.hasAddends ? $0.rela : $0.rel }
            add(
                (section.hasAddends ? ".rela" : ".rel") + section.name, section.hasAddends ? 4 : 9, 0, bytes,
                link: symbolTable, info: UInt32(index + 1), align: 8, entry: section.hasAddends ? 24 : 16)
        }
        var strings: [UInt8] = [0]
        var table = [UInt8](repeating: 0, count: 24)
        var extended = littleEndian(UInt32(0))
        for symbol in symbols {
            let name = symbol.name.isEmpty ? 0 : UInt32(strings.count)
            table += littleEndian(name) + [symbol.info, 0]
            table += littleEndian(symbol.isExtended ? 0xffff : UInt16(symbol.section))
            table += littleEndian(symbol.value) + littleEndian(symbol.size)
            extended += littleEndian(symbol.isExtended ? symbol.section : 0)
            if !symbol.name.isEmpty { strings += Array(symbol.name.utf8) + [0] }
        }
        add(".symtab", 2, 0, table, link: symbolTable + 1, info: 1, align: 8, entry: 24)
        add(".strtab", 3, 0, strings)
        if symbols.contains(where: \.isExtended) {
            add(".symtab_shndx", 18, 0, extended, link: symbolTable, align: 4, entry: 4)
        }
        let nameIndex = headers.count
        // The name table holds its own name.
        add(".shstrtab", 3, 0, names + Array(".shstrtab".utf8) + [0])
        let count = headers.count
        headers[0] = [UInt8](repeating: 0, count: 64)
        if hasExtendedCount {
            headers[0].put(UInt64(count), at: 32)
            headers[0].put(UInt32(nameIndex), at: 40)
        }
        while content.count % 8 != 0 { content.append(0) }
        var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]
        header += littleEndian(UInt16(1)) + littleEndian(UInt16(62)) + littleEndian(UInt32(1))
        header += littleEndian(UInt64(0)) + littleEndian(UInt64(0)) + littleEndian(UInt64(content.count))
        header += littleEndian(UInt32(0)) + littleEndian(UInt16(64)) + littleEndian(UInt16(0)) + littleEndian(UInt16(0))
        header += littleEndian(UInt16(64)) + littleEndian(hasExtendedCount ? 0 : UInt16(count))
        header += littleEndian(hasExtendedCount ? 0xffff : UInt16(nameIndex))
        content.replaceSubrange(0..<64, with: header)
        return content + headers.flatMap { $0 }
    }

    /// The index of the symbol called `name`.
    public func index(of name: String) -> UInt32 { UInt32(symbols.firstIndex { $0.name == name }! + 1) }
}
