// A small shared object of either class and byte order, with everything that views list: segments, sections, symbols with versions,
// notes, a dynamic section and relocations.

/// Writes such a file.
public struct FileOfAnyForm {
    /// ELFCLASS64, and ELFDATA2MSB.
    public var isWide: Bool, isBigEndian: Bool
    /// e_machine and e_type.
    public var machine: UInt16 = 20, type: UInt16 = 3
    /// Whether there are section headers.
    public var hasSections = true
    /// Whether its symbol table is .symtab, with all symbols, rather than .dynsym.
    public var hasAllSymbols = false
    /// The words of .relr.dyn, packed relocations; without any there is no such section.
    public var packed: [UInt64] = []
    /// The descriptor of its build ID.
    public var buildID: [UInt8] = [0xab, 0xcd, 0xef]
    /// The name in .gnu_debuglink, and that file's checksum; nil leaves the section out.
    public var debugLink: (name: String, checksum: UInt32)?
    private var file: [UInt8] = []

    /// A file of this form.
    public init(isWide: Bool, isBigEndian: Bool) {
        self.isWide = isWide
        self.isBigEndian = isBigEndian
    }

    private func number<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
        let bytes = (0..<(Number.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> Number($0 * 8)) }
        return isBigEndian ? bytes.reversed() : bytes
    }
    private func half(_ value: Int) -> [UInt8] { number(UInt16(value)) }
    private func word(_ value: Int) -> [UInt8] { number(UInt32(value)) }
    private func address(_ value: Int) -> [UInt8] { isWide ? number(UInt64(value)) : number(UInt32(value)) }

    /// One section: its header's fields, and its bytes.
    private struct Section {
        let name: String
        let type: Int
        var flags = 2, link = 0, info = 0, entrySize = 0, align = 8
        var bytes: [UInt8] = []
    }

    private func symbol(_ name: Int, _ value: Int, _ size: Int, info: UInt8, section: Int) -> [UInt8] {
        isWide
            ? word(name) + [info, 0] + half(section) + address(value) + address(size)
            : word(name) + address(value) + address(size) + [info, 0] + half(section)
    }

    private func note(_ owner: String, _ type: Int, _ desc: [UInt8]) -> [UInt8] {
        var bytes = word(owner.utf8.count + 1) + word(desc.count) + word(type) + Array(owner.utf8) + [0]
        while bytes.count % 4 != 0 { bytes.append(0) }
        bytes += desc
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }

    /// The names of symbols, libraries and versions.
    private static let strings = Array("\0printf\0run\0libc.so\0LIBC_2\0self.so\0V_1\0V_2\0".utf8)
    private static func offset(_ name: String) -> Int {
        let wanted = Array(name.utf8) + [0]
        return strings.indices.first { strings[$0...].starts(with: wanted) } ?? 0
    }

    /// The file: addresses are file offsets.
    public var bytes: [UInt8] {
        let offset = FileOfAnyForm.offset
        let headerSize = isWide ? 64 : 52
        let segmentSize = isWide ? 56 : 32
        let text = (headerSize + 3 * segmentSize + 15) / 16 * 16
        let symbols =
            symbol(0, 0, 0, info: 0, section: 0) + symbol(offset("printf"), 0, 0, info: 0x12, section: 0)
            + symbol(offset("run"), text, 12, info: 0x12, section: 1)
        // Symbol 1 needs LIBC_2, number 4; symbol 2 has V_2, number 3.
        let numbers = half(0) + half(4) + half(3)
        let defined =
            half(1) + half(1) + half(1) + half(1) + word(7) + word(20) + word(28) + word(offset("self.so")) + word(0)
            + half(1) + half(0) + half(2) + half(1) + word(8) + word(20) + word(28) + word(offset("V_1")) + word(0)
            + half(1) + half(0) + half(3) + half(2) + word(9) + word(20) + word(0)
            + word(offset("V_2")) + word(8) + word(offset("V_1")) + word(0)
        let needed =
            half(1) + half(1) + word(offset("libc.so")) + word(16) + word(0)
            + word(5) + half(2) + half(4) + word(offset("LIBC_2")) + word(0)
        let notes = note("GNU", 1, word(0) + word(3) + word(2) + word(1)) + note("GNU", 3, buildID)
        let information = isWide ? number(UInt64(1 << 32 | 21)) : number(UInt32(1 << 8 | 21))
        var sections = [
            Section(name: "", type: 0, flags: 0, align: 0),
            Section(name: ".text", type: 1, flags: 6, align: 16, bytes: [UInt8](repeating: 0, count: 16)),
            Section(
                name: hasAllSymbols ? ".symtab" : ".dynsym", type: hasAllSymbols ? 2 : 11, link: 3, info: 1,
                entrySize: isWide ? 24 : 16, bytes: symbols),
            Section(name: ".dynstr", type: 3, align: 1, bytes: FileOfAnyForm.strings),
            Section(
                name: ".hash", type: 5, link: 2, entrySize: 4,
                bytes: word(1) + word(3) + word(2) + word(0) + word(0) + word(1)),
            Section(name: ".gnu.version", type: 0x6fff_ffff, link: 2, entrySize: 2, bytes: numbers),
            Section(name: ".gnu.version_d", type: 0x6fff_fffd, link: 3, info: 3, bytes: defined),
            Section(name: ".gnu.version_r", type: 0x6fff_fffe, link: 3, info: 1, bytes: needed),
            Section(name: ".note", type: 7, align: 4, bytes: notes),
            Section(
                name: ".rela.plt", type: 4, link: 2, entrySize: isWide ? 24 : 12,
                bytes: address(0x40) + information + address(8)),
            Section(name: ".dynamic", type: 6, flags: 3, link: 3, entrySize: isWide ? 16 : 8),
        ]
        // Addresses are known once the sizes are.
        func place() -> [Int] {
            var position = headerSize + 3 * segmentSize
            return sections.map { section in
                position = (position + max(section.align, 1) - 1) / max(section.align, 1) * max(section.align, 1)
                defer { position += section.bytes.count }
                return position
            }
        }
        var places = place()
        let entries: [(Int, Int)] = [
            (1, offset("libc.so")), (14, offset("self.so")), (4, places[4]), (5, places[3]), (6, places[2]),
            (10, FileOfAnyForm.strings.count), (11, isWide ? 24 : 16), (2, isWide ? 24 : 12), (20, 7), (23, places[9]),
            (0x6fff_fff0, places[5]), (0x6fff_fffc, places[6]), (0x6fff_fffd, 3), (0x6fff_fffe, places[7]),
            (0x6fff_ffff, 1), (0, 0),
        ]
        sections[10].bytes = entries.flatMap { address($0.0) + address($0.1) }
        if let debugLink {
            let name = Array(debugLink.name.utf8) + [0]
            let padding = [UInt8](repeating: 0, count: -name.count & 3)
            sections.append(
                Section(
                    name: ".gnu_debuglink", type: 1, flags: 0, align: 4,
                    bytes: name + padding + number(debugLink.checksum)))
        }
        if !packed.isEmpty {
            let words = packed.flatMap { address(Int($0)) }
            sections.append(Section(name: ".relr.dyn", type: 19, entrySize: isWide ? 8 : 4, bytes: words))
        }
        places = place()
        let end = places[places.count - 1] + sections[sections.count - 1].bytes.count

        var file =
            [0x7f, 0x45, 0x4c, 0x46, isWide ? 2 : 1, isBigEndian ? 2 : 1, 1, 0] + [UInt8](repeating: 0, count: 8)
        var names: [UInt8] = []
        var nameOffsets: [Int] = []
        for name in sections.map(\.name) + [".shstrtab"] {
            nameOffsets.append(names.count)
            names += Array(name.utf8) + [0]
        }
        let table = (end + names.count + 7) / 8 * 8
        file += number(type) + number(machine) + word(1) + address(0x40) + address(headerSize)
        file += address(hasSections ? table : 0) + word(0x5) + half(headerSize) + half(segmentSize) + half(3)
        file +=
            half(isWide ? 64 : 40) + half(hasSections ? sections.count + 1 : 0) + half(hasSections ? sections.count : 0)
        func segment(_ type: Int, _ start: Int, _ size: Int, flags: Int, align: Int) -> [UInt8] {
            let range = address(start) + address(start) + address(start) + address(size) + address(size)
            return isWide
                ? word(type) + word(flags) + range + address(align) : word(type) + range + word(flags) + address(align)
        }
        file += segment(1, 0, end, flags: 7, align: 0x1000)
        file += segment(2, places[10], sections[10].bytes.count, flags: 6, align: 8)
        file += segment(4, places[8], notes.count, flags: 4, align: 4)
        for (section, place) in zip(sections, places) where section.type != 0 {
            file += [UInt8](repeating: 0, count: place - file.count) + section.bytes
        }
        guard hasSections else { return file }
        file += names
        file += [UInt8](repeating: 0, count: table - file.count)
        sections.append(Section(name: ".shstrtab", type: 3, flags: 0, align: 1, bytes: names))
        for (index, section) in sections.enumerated() {
            let start = index == 0 ? 0 : index < places.count ? places[index] : end
            file += word(nameOffsets[index]) + word(section.type) + address(section.flags)
            file += address(section.flags & 2 != 0 ? start : 0) + address(start) + address(section.bytes.count)
            file += word(section.link) + word(section.info) + address(section.align) + address(section.entrySize)
        }
        return file
    }
}
