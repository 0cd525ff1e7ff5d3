// Makes small ELF files in memory, field by field, without the modules under test (gABI).

/// Elf64_Phdr, to be written.
public struct Segment: Equatable, Sendable {
    /// p_type and p_flags.
    public var type: UInt32, flags: UInt32
    /// p_offset and p_vaddr.
    public var offset: UInt64, vaddr: UInt64
    /// p_filesz, p_memsz and p_align.
    public var filesz: UInt64, memsz: UInt64, align: UInt64

    /// A segment; without `memsz` it has as many bytes in memory as in the file.
    public init(
        _ type: UInt32, offset: UInt64, vaddr: UInt64, filesz: UInt64, memsz: UInt64? = nil, align: UInt64 = 1,
        flags: UInt32 = 7
    ) {
        self.type = type
        self.flags = flags
        self.offset = offset
        self.vaddr = vaddr
        self.filesz = filesz
        self.memsz = memsz ?? filesz
        self.align = align
    }
}

/// A file under construction: a header, room for 16 program headers, and bytes after it. One PT_LOAD segment holds all of
/// them, with link addresses from `base` on; further segments are added to `segments`.
public struct ELFWriter {
    /// The bytes after the first 960, headers not yet written.
    private var content = [UInt8](repeating: 0, count: 64 + 16 * 56)
    /// The link address of the file's first byte.
    public let base: UInt64
    /// e_type, e_machine and e_ident[EI_OSABI].
    public var type: UInt16, machine: UInt16 = 62, osABI: UInt8 = 0xff
    /// e_entry.
    public var entry: UInt64
    /// Bytes of memory after the first segment's bytes.
    public var zeroFill: UInt64 = 0
    /// p_align of the first segment.
    public var alignment: UInt64 = 0x1000
    /// Every program header after the first.
    public var segments: [Segment] = []
    /// Whether the first segment is written.
    public var hasLoadSegment = true
    /// The added symbols; the first is always the null symbol.
    private var symbols: [UInt8] = [UInt8](repeating: 0, count: 24)
    private var strings: [UInt8] = [0]

    /// A file of type `type` (2 ET_EXEC, 3 ET_DYN).
    public init(type: UInt16 = 3, base: UInt64 = 0) {
        self.type = type
        self.base = base
        entry = base + 64 + 16 * 56
    }

    /// The link address of the next byte.
    public var next: UInt64 { base + UInt64(content.count) }
    /// The number of symbols.
    public var symbolCount: UInt32 { UInt32(symbols.count / 24) }

    /// Adds bytes at a multiple of `align`; returns their link address.
    @discardableResult
    public mutating func append(_ bytes: [UInt8], align: Int = 8) -> UInt64 {
        while content.count % align != 0 { content.append(0) }
        let address = next
        content += bytes
        return address
    }

    /// Adds words; returns the link address of the first.
    @discardableResult
    public mutating func append(words: [UInt64]) -> UInt64 { append(words.flatMap { littleEndian($0) }) }

    /// Replaces the bytes at a link address.
    public mutating func put(_ bytes: [UInt8], at address: UInt64) {
        content.replaceSubrange(Int(address - base)..<Int(address - base) + bytes.count, with: bytes)
    }

    /// Adds a symbol and its name; returns its index.
    @discardableResult
    public mutating func addSymbol(
        _ name: String, value: UInt64 = 0, size: UInt64 = 0, type: UInt8 = 1, binding: UInt8 = 1, shndx: UInt16 = 1
    ) -> UInt32 {
        let index = symbolCount
        symbols += littleEndian(UInt32(strings.count)) + [binding << 4 | type, 0]
        symbols += littleEndian(shndx) + littleEndian(value) + littleEndian(size)
        strings += Array(name.utf8) + [0]
        return index
    }

    /// The dynamic entries of the symbols so far, whose tables are added: DT_SYMTAB, DT_SYMENT, DT_STRTAB, DT_STRSZ and
    /// DT_HASH.
    public mutating func symbolEntries() -> [(UInt64, UInt64)] {
        let table = append(symbols)
        let names = append(strings)
        let hash = append(
            littleEndian(UInt32(1)) + littleEndian(symbolCount) + littleEndian(UInt32(0))
                + [UInt8](repeating: 0, count: 4 * Int(symbolCount)))
        return [(6, table), (11, 24), (5, names), (10, UInt64(strings.count)), (4, hash)]
    }

    /// Adds an Elf64_Rela table and returns its dynamic entries: DT_RELA, DT_RELASZ and DT_RELAENT.
    public mutating func relaEntries(_ entries: [Relocation]) -> [(UInt64, UInt64)] {
        let address = append(entries.flatMap(\.rela))
        return [(7, address), (8, UInt64(entries.count * 24)), (9, 24)]
    }

    /// Adds an Elf64_Rel table and returns its dynamic entries: DT_REL, DT_RELSZ and DT_RELENT.
    public mutating func relEntries(_ entries: [Relocation]) -> [(UInt64, UInt64)] {
        let address = append(entries.flatMap(\.rel))
        return [(17, address), (18, UInt64(entries.count * 16)), (19, 16)]
    }

    /// Adds a table for DT_JMPREL, with or without addends, and returns its entries: DT_JMPREL, DT_PLTRELSZ, DT_PLTREL.
    public mutating func pltEntries(_ entries: [Relocation], hasAddends: Bool) -> [(UInt64, UInt64)] {
        let address = append(entries.flatMap { hasAddends ? $0.rela : $0.rel })
        return [(23, address), (2, UInt64(entries.count * (hasAddends ? 24 : 16))), (20, hasAddends ? 7 : 17)]
    }

    /// Adds the words of a DT_RELR table and returns its dynamic entries: DT_RELR, DT_RELRSZ and DT_RELRENT.
    public mutating func relrEntries(_ words: [UInt64]) -> [(UInt64, UInt64)] {
        [(36, append(words: words)), (35, UInt64(words.count * 8)), (37, 8)]
    }

    /// Adds the dynamic section, ended by DT_NULL, and its PT_DYNAMIC.
    public mutating func setDynamic(_ entries: [(UInt64, UInt64)]) {
        let address = append(words: entries.flatMap { [$0.0, $0.1] } + [0, 0])
        segments.append(
            Segment(2, offset: address - base, vaddr: address, filesz: UInt64(entries.count + 1) * 16, align: 8))
    }

    /// Adds a PT_NOTE segment of these bytes.
    public mutating func addNotes(_ bytes: [UInt8], align: UInt64 = 4) {
        let address = append(bytes)
        segments.append(Segment(4, offset: address - base, vaddr: address, filesz: UInt64(bytes.count), align: align))
    }

    /// The file.
    public var bytes: [UInt8] {
        let size = UInt64(content.count)
        var headers = segments
        if hasLoadSegment {
            headers.insert(
                Segment(1, offset: 0, vaddr: base, filesz: size, memsz: size + zeroFill, align: alignment), at: 0)
        }
        precondition(headers.count <= 16, "room for 16 program headers")
        var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, osABI, 0, 0, 0, 0, 0, 0, 0, 0]
        header += littleEndian(type) + littleEndian(machine) + littleEndian(UInt32(1))
        header += littleEndian(entry) + littleEndian(UInt64(64)) + littleEndian(UInt64(0)) + littleEndian(UInt32(0))
        header += littleEndian(UInt16(64)) + littleEndian(UInt16(56)) + littleEndian(UInt16(headers.count))
        header += littleEndian(UInt16(64)) + littleEndian(UInt16(0)) + littleEndian(UInt16(0))
        for segment in headers {
            header += littleEndian(segment.type) + littleEndian(segment.flags) + littleEndian(segment.offset)
            header += littleEndian(segment.vaddr) + littleEndian(segment.vaddr) + littleEndian(segment.filesz)
            header += littleEndian(segment.memsz) + littleEndian(segment.align)
        }
        var file = content
        file.replaceSubrange(0..<header.count, with: header)
        return file
    }
}

/// A relocation to be written.
public struct Relocation: Equatable, Sendable {
    /// r_offset.
    public var offset: UInt64
    /// Type and symbol, which r_info combines.
    public var type: UInt32, symbol: UInt32
    /// r_addend.
    public var addend: UInt64

    /// A relocation of the place at `offset`.
    public init(_ type: UInt32, at offset: UInt64, symbol: UInt32 = 0, addend: UInt64 = 0) {
        self.offset = offset
        self.type = type
        self.symbol = symbol
        self.addend = addend
    }

    /// Elf64_Rela.
    public var rela: [UInt8] { rel + littleEndian(addend) }
    /// Elf64_Rel.
    public var rel: [UInt8] { littleEndian(offset) + littleEndian(type) + littleEndian(symbol) }
}

/// One note, name and descriptor padded to `align`.
public func note(_ name: [UInt8], type: UInt32, desc: [UInt8], align: Int = 4) -> [UInt8] {
    var bytes = littleEndian(UInt32(name.count)) + littleEndian(UInt32(desc.count)) + littleEndian(type) + name
    while bytes.count % align != 0 { bytes.append(0) }
    bytes += desc
    while bytes.count % align != 0 { bytes.append(0) }
    return bytes
}

/// The note with a Hermit kernel's entry version.
public func hermitNote(_ version: UInt8) -> [UInt8] { note(Array("HERMIT\0".utf8), type: 0x5a00, desc: [version]) }

/// The note with a Hermit kernel's own version.
public func abiTag(_ major: UInt32, _ minor: UInt32, _ patch: UInt32, system: UInt32 = 6) -> [UInt8] {
    note(
        Array("GNU\0".utf8), type: 1,
        desc: littleEndian(system) + littleEndian(major) + littleEndian(minor) + littleEndian(patch))
}
