// A linked ELF file, written field by field from the gABI, with forms that no linker writes as well.

/// A symbol of the file under construction.
package struct LinkedSymbol: Sendable {
    package var name: String
    package var value: UInt64
    package var size: UInt64 = 0
    /// Binding << 4 | type; STB_GLOBAL and STT_OBJECT by default.
    package var info: UInt8 = 0x11
    /// SHN_ABS by default: the value is the address, for any bias.
    package var shndx: UInt16 = 0xfff1
    /// Visibility: 2 hidden, 3 protected.
    package var other: UInt8 = 0
    /// Its number in DT_VERSYM: 1 is the base version, from 2 on those that the file defines and needs; bit 15 hides it.
    package var version: UInt16 = 1

    package init(
        name: String, value: UInt64, size: UInt64 = 0, info: UInt8 = 0x11, shndx: UInt16 = 0xfff1, other: UInt8 = 0,
        version: UInt16 = 1
    ) {
        self.name = name
        self.value = value
        self.size = size
        self.info = info
        self.shndx = shndx
        self.other = other
        self.version = version
    }
}

/// A version that a file defines, or needs from another.
package struct LinkedVersion: Sendable {
    package var name: String
    package var number: UInt16
    /// The file that should define it; nil if it is this one.
    package var file: String?
    /// VER_FLG_WEAK 2.
    package var flags: UInt16 = 0

    package init(name: String, number: UInt16, file: String? = nil, flags: UInt16 = 0) {
        self.name = name
        self.number = number
        self.file = file
        self.flags = flags
    }

    /// The hash of DT_HASH and of version tables.
    package static func hash(_ name: String) -> UInt32 {
        name.utf8.reduce(0 as UInt32) { hash, byte in
            let sum = hash << 4 &+ UInt32(byte)
            let high = sum & 0xf000_0000
            return (sum ^ high >> 24) & ~high
        }
    }

    /// The hash of DT_GNU_HASH.
    package static func gnuHash(_ name: String) -> UInt32 {
        name.utf8.reduce(5381 as UInt32) { $0 &* 33 &+ UInt32($1) }
    }
}

/// A relocation of the file under construction; an Elf64_Rel entry has no `addend`.
package struct LinkedRelocation: Sendable {
    package var offset: UInt64
    package var type: UInt32
    package var symbol: UInt32 = 0
    package var addend: UInt64 = 0

    package init(offset: UInt64, type: UInt32, symbol: UInt32 = 0, addend: UInt64 = 0) {
        self.offset = offset
        self.type = type
        self.symbol = symbol
        self.addend = addend
    }

    var info: UInt64 { UInt64(symbol) << 32 | UInt64(type) }
}

/// PT_TLS.
package struct LinkedTLS: Sendable {
    package var vaddr: UInt64
    package var filesz: UInt64
    package var memsz: UInt64
    package var align: UInt64

    package init(vaddr: UInt64, filesz: UInt64, memsz: UInt64, align: UInt64) {
        self.vaddr = vaddr
        self.filesz = filesz
        self.memsz = memsz
        self.align = align
    }
}

/// One PT_LOAD segment that holds everything: headers and tables in its first 0x4000 bytes, then `data`.
package struct LinkedFileWriter: Sendable {
    package var base: UInt64 = 0
    /// p_align of the segment.
    package var alignment: UInt64 = 0x1000
    package var isExecutable = false
    package var symbols: [LinkedSymbol] = []
    package var rela: [LinkedRelocation] = []
    package var rel: [LinkedRelocation] = []
    package var plt: [LinkedRelocation] = []
    package var pltHasAddends = true
    package var relr: [UInt64] = []
    package var relativeCount: UInt64?
    package var needed: String?
    /// Further DT_NEEDED.
    package var alsoNeeded: [String] = []
    package var soname: String?
    /// Further entries of the dynamic section.
    package var entries: [(UInt64, UInt64)] = []
    /// Their DT_VERSYM; none if there are no versions.
    package var versions: [LinkedVersion] = []
    package var tls: LinkedTLS?
    package var data = [UInt8](repeating: 0, count: 0x100)
    /// Whether the symbols are counted by a GNU hash table rather than a System V one.
    package var hasGNUHash = false
    /// Whether there is a hash table.
    package var hasHash = true
    /// Whether the GNU hash table is the one that GNU ld writes if nothing is exported: without symbols.
    package var hasEmptyGNUHash = false

    package init() {}

    package static let dataOffset: UInt64 = 0x4000
    package var dataAddress: UInt64 { base &+ LinkedFileWriter.dataOffset }
    package var end: UInt64 { dataAddress &+ UInt64(data.count) }

    /// The file.
    package var bytes: [UInt8] { parts.bytes }
    /// The offsets of its structures: dynamic section, symbols, strings, hash, versions, relocations.
    package var structures: Range<Int> { 0x1000..<parts.end }

    /// The file, and the ends of its tables.
    private var parts: (bytes: [UInt8], end: Int) {
        var file = LittleEndianOutput()
        var strings = LittleEndianOutput()
        strings.bytes = [0]
        let symbolNames = symbols.map { strings.string($0.name) }
        let neededNames = ([needed].compactMap { $0 } + alsoNeeded).map { strings.string($0) }
        let ownName = soname.map { strings.string($0) }
        let versionNames = versions.map { ($0, strings.string($0.name), $0.file.map { strings.string($0) } ?? 0) }

        file.pad(to: 0x1000)
        var dynamic: [(UInt64, UInt64)] = []
        func table(_ tag: UInt64, _ contents: (inout LittleEndianOutput) -> Void) {
            file.pad(to: (file.count + 15) & ~15)
            dynamic.append((tag, base &+ file.count))
            contents(&file)
        }
        table(6) { file in
            file.zero(24)
            for (symbol, name) in zip(symbols, symbolNames) {
                file.u32(UInt32(name))
                file.u8(symbol.info)
                file.u8(symbol.other)
                file.u16(symbol.shndx)
                file.u64(symbol.value)
                file.u64(symbol.size)
            }
        }
        dynamic.append((11, 24))
        table(5) { $0.bytes += strings.bytes }
        dynamic.append((10, UInt64(strings.bytes.count)))
        if !hasHash {
            // Symbols are not counted.
        } else if hasEmptyGNUHash {
            table(0x6fff_fef5) { file in for word in [1, 1, 1, 0, 0, 0, 0] as [UInt32] { file.u32(word) } }
        } else if hasGNUHash {
            // One bucket, a bloom filter of one word that passes everything, all defined symbols in one chain: undefined
            // symbols come first.
            let first = symbols.firstIndex { $0.shndx != 0 } ?? symbols.count
            table(0x6fff_fef5) { file in
                for word in [1, UInt32(first + 1), 1, 6] { file.u32(word) }
                file.u64(.max)
                file.u32(first == symbols.count ? 0 : UInt32(first + 1))
                for index in first..<symbols.count {
                    file.u32(LinkedVersion.gnuHash(symbols[index].name) & ~1 | (index + 1 == symbols.count ? 1 : 0))
                }
            }
        } else {
            // One bucket, all symbols in one chain.
            table(4) { file in
                for word in [1, UInt32(symbols.count + 1), symbols.isEmpty ? 0 : 1] { file.u32(word) }
                file.u32(0)
                for index in symbols.indices { file.u32(index + 1 == symbols.count ? 0 : UInt32(index + 2)) }
            }
        }
        if !versions.isEmpty {
            table(0x6fff_fff0) { file in
                file.u16(0)
                for symbol in symbols { file.u16(symbol.version) }
            }
            let defined = versionNames.filter { $0.0.file == nil }
            if !defined.isEmpty {
                table(0x6fff_fffc) { file in
                    for (index, version) in defined.enumerated() {
                        for half in [1, version.0.flags, version.0.number, 1] as [UInt16] { file.u16(half) }
                        for word in [
                            LinkedVersion.hash(version.0.name), 20, index + 1 == defined.count ? 0 : 28,
                            UInt32(version.1), 0,
                        ] { file.u32(word) }
                    }
                }
                dynamic.append((0x6fff_fffd, UInt64(defined.count)))
            }
            let wanted = versionNames.filter { $0.0.file != nil }
            if !wanted.isEmpty {
                table(0x6fff_fffe) { file in
                    for (index, version) in wanted.enumerated() {
                        for half in [1, 1] as [UInt16] { file.u16(half) }
                        for word in [UInt32(version.2), 16, index + 1 == wanted.count ? 0 : 32] { file.u32(word) }
                        file.u32(LinkedVersion.hash(version.0.name))
                        for half in [version.0.flags, version.0.number] { file.u16(half) }
                        for word in [UInt32(version.1), 0] { file.u32(word) }
                    }
                }
                dynamic.append((0x6fff_ffff, UInt64(wanted.count)))
            }
        }
        func relocations(_ list: [LinkedRelocation], _ hasAddends: Bool, _ file: inout LittleEndianOutput) {
            for relocation in list {
                file.u64(relocation.offset)
                file.u64(relocation.info)
                if hasAddends { file.u64(relocation.addend) }
            }
        }
        if !rela.isEmpty {
            table(7) { relocations(rela, true, &$0) }
            dynamic += [(8, UInt64(rela.count * 24)), (9, 24)]
        }
        if !rel.isEmpty {
            table(17) { relocations(rel, false, &$0) }
            dynamic += [(18, UInt64(rel.count * 16)), (19, 16)]
        }
        if !plt.isEmpty {
            table(23) { relocations(plt, pltHasAddends, &$0) }
            dynamic += [(2, UInt64(plt.count * (pltHasAddends ? 24 : 16))), (20, pltHasAddends ? 7 : 17)]
        }
        if !relr.isEmpty {
            table(36) { file in for word in relr { file.u64(word) } }
            dynamic += [(35, UInt64(relr.count * 8)), (37, 8)]
        }
        if let relativeCount { dynamic.append((0x6fff_fff9, relativeCount)) }
        for name in neededNames { dynamic.append((1, UInt64(name))) }
        if let ownName { dynamic.append((14, UInt64(ownName))) }
        dynamic += entries
        dynamic.append((0, 0))
        file.pad(to: (file.count + 15) & ~15)
        let dynamicOffset = file.count
        for (tag, value) in dynamic {
            file.u64(tag)
            file.u64(value)
        }
        file.pad(to: (file.count + 15) & ~15)
        let noteOffset = file.count
        // HERMIT, type 0x5a00: entry version 4. GNU, type 1: Hermit 0.13.0.
        for word in [7, 1, 0x5a00] as [UInt32] { file.u32(word) }
        file.bytes += Array("HERMIT\0\0".utf8) + [4, 0, 0, 0]
        for word in [4, 16, 1] as [UInt32] { file.u32(word) }
        file.bytes += Array("GNU\0".utf8)
        for word in [6, 0, 13, 0] as [UInt32] { file.u32(word) }
        let noteSize = file.count - noteOffset
        let end = Int(file.count)
        precondition(file.count <= LinkedFileWriter.dataOffset, "the tables are too long for this builder")
        file.pad(to: LinkedFileWriter.dataOffset)
        file.bytes += data

        var header = LittleEndianOutput()
        header.bytes = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        header.u16(isExecutable ? 2 : 3)
        header.u16(62)
        header.u32(1)
        // Not code, but not the file header either.
        header.u64(base &+ 64)
        header.u64(64)
        header.u64(0)
        header.u32(0)
        for half in [64, 56, tls == nil ? 3 : 4, 64, 0, 0] as [UInt16] { header.u16(half) }
        header.segment(1, 7, 0, base, file.count, file.count, alignment)
        header.segment(
            2, 6, dynamicOffset, base &+ dynamicOffset, UInt64(dynamic.count * 16), UInt64(dynamic.count * 16), 8)
        header.segment(4, 4, noteOffset, base &+ noteOffset, noteSize, noteSize, 4)
        if let tls { header.segment(7, 4, tls.vaddr &- base, tls.vaddr, tls.filesz, tls.memsz, tls.align) }
        file.bytes.replaceSubrange(0..<header.bytes.count, with: header.bytes)
        return (file.bytes, end)
    }
}

/// Little-endian output.
package struct LittleEndianOutput: Sendable {
    package var bytes: [UInt8] = []

    package init() {}
    var count: UInt64 { UInt64(bytes.count) }

    package mutating func u8(_ value: UInt8) { bytes.append(value) }
    package mutating func u16(_ value: UInt16) { for shift in [0, 8] as [UInt16] { u8(UInt8(value >> shift & 0xff)) } }
    package mutating func u32(_ value: UInt32) {
        for half in 0..<2 as Range<UInt32> { u16(UInt16(value >> (half * 16) & 0xffff)) }
    }
    package mutating func u64(_ value: UInt64) {
        for word in 0..<2 as Range<UInt64> { u32(UInt32(value >> (word * 32) & 0xffff_ffff)) }
    }
    mutating func zero(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
    mutating func pad(to offset: UInt64) { if offset > count { zero(Int(offset - count)) } }

    /// Appends `text` and its NUL; returns its offset.
    mutating func string(_ text: String) -> Int {
        defer { bytes += Array(text.utf8) + [0] }
        return bytes.count
    }

    mutating func segment(
        _ type: UInt32, _ flags: UInt32, _ offset: UInt64, _ vaddr: UInt64, _ filesz: UInt64, _ memsz: UInt64,
        _ align: UInt64
    ) {
        u32(type)
        u32(flags)
        for value in [offset, vaddr, vaddr, filesz, memsz, align] { u64(value) }
    }
}
