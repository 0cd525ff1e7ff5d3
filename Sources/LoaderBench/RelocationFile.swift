// Shared objects of any size that consist of relocations, on which the loader, the system's dynamic linker and readelf are measured.

import Architecture
import ELF
import Foundation

/// The kinds of relocations that are measured.
enum RelocationKind: String, CaseIterable, Codable {
    /// R_X86_64_RELATIVE in DT_RELA, DT_RELACOUNT set.
    case relative = "RELATIVE"
    /// DT_RELR.
    case packed = "RELR"
    /// R_X86_64_64 against symbols in a GNU hash table; two relocations for each symbol, sorted by symbol, as linkers do.
    case symbolic = "64, GNU hash"

    /// The least number of bytes to read and write for relocating `count` words: the table, and the words, which RELR reads, too.
    func traffic(_ count: Int) -> Int {
        switch self {
        case .relative, .symbolic: count * (Int(RelocationEntry.relaSize) + 8)
        case .packed: count * (8 + 8) + count * 8 / 63
        }
    }
}

/// A file of 64-bit words under construction.
struct RelocationFile {
    private var words: [UInt64] = []
    private var sections:
        [(name: String, type: UInt32, flags: UInt64, start: Int, end: Int, link: UInt64, entry: UInt64)] =
            []
    /// The sections of names and of symbols, by the order in which they are made.
    private static let (stringSection, symbolSection, dataSection): (UInt64, UInt64, UInt64) = (1, 3, 5)
    /// The flags of sections in memory, and of written ones.
    private static let read = SectionHeader.Flags.alloc, written = SectionHeader.Flags.alloc | SectionHeader.Flags.write

    /// Writes a shared object with `count` relocations of `kind`; without `isRelocated`, the same except for the tags of the relocation
    /// table.
    static func write(_ kind: RelocationKind, _ count: Int, to path: String, isRelocated: Bool = true) throws {
        var file = RelocationFile()
        let data = file.make(kind, count, isRelocated)
        try data.write(to: URL(fileURLWithPath: path))
    }

    private var end: Int { words.count * 8 }

    private mutating func section(
        _ name: String, _ type: UInt32, _ flags: UInt64, from start: Int, link: UInt64 = 0, entry: UInt64 = 0
    ) {
        sections.append((name, type, flags, start, end, link, entry))
    }

    /// The sizes and places that the file's parts need of each other.
    private struct Plan {
        let kind: RelocationKind
        /// The number of relocations, and of symbols.
        let count: Int, symbolCount: Int
        /// The relocation table, and the words to relocate, which come last, after a page boundary.
        let table: Int, tableSize: Int, data: Int

        init(_ kind: RelocationKind, _ count: Int, symbolCount: Int, symbols: Int) {
            (self.kind, self.count, self.symbolCount) = (kind, count, symbolCount)
            table = symbols + (symbolCount + 1) * Int(Symbol.size)
            let packedWords = 1 + (count - 1 + 62) / 63
            tableSize = kind == .packed ? packedWords * 8 : count * Int(RelocationEntry.relaSize)
            let page = Int(PageSize.size4KiB.rawValue)
            data = (table + tableSize + page - 1) / page * page
        }

        /// The address of a word to relocate.
        func place(_ index: Int) -> UInt64 { UInt64(data + index * 8) }

        /// The address that a word gets: another word's, far away.
        func target(_ index: Int) -> UInt64 { place(index * 7919 % count) }
    }

    private mutating func make(_ kind: RelocationKind, _ count: Int, _ isRelocated: Bool) -> Data {
        typealias Kind = SectionHeader.Kind
        let (read, written) = (RelocationFile.read, RelocationFile.written)
        words = Array(repeating: 0, count: 64)
        let symbolCount = kind == .symbolic ? count / 2 : 1
        let sorted = GNUHash(symbolNames(symbolCount))
        let stringsStart = end
        let (strings, offsets) = RelocationFile.strings(sorted.names)
        append(bytes: strings)
        section(".dynstr", Kind.stringTable, read, from: stringsStart)
        let hashStart = end
        append(bytes: sorted.table)
        section(".gnu.hash", Kind.gnuHash, read, from: hashStart, link: RelocationFile.symbolSection)
        let symbolsStart = end
        let plan = Plan(kind, count, symbolCount: symbolCount, symbols: symbolsStart)
        appendSymbols(plan, offsets)
        words.reserveCapacity(words.count + count * 4 + 1024)
        appendTable(plan)
        words += Array(repeating: 0, count: (plan.data - end) / 8)
        for index in 0..<count { words.append(kind == .packed ? plan.target(index) : 0) }
        section(".data", Kind.programBits, written, from: plan.data)
        let dynamicStart = end
        var dynamic: [(tag: UInt64, value: UInt64)] = [
            (DynamicTag.stringTable, UInt64(stringsStart)), (DynamicTag.stringTableSize, UInt64(strings.count)),
            (DynamicTag.symbolTable, UInt64(symbolsStart)), (DynamicTag.symbolEntrySize, Symbol.size),
            (DynamicTag.gnuHash, UInt64(hashStart)),
        ]
        if isRelocated { dynamic += RelocationFile.tags(of: plan) }
        words += (dynamic + [(DynamicTag.end, 0)]).flatMap { [$0.tag, $0.value] }
        section(".dynamic", Kind.dynamic, written, from: dynamicStart, link: RelocationFile.stringSection, entry: 16)
        writeHeaders(plan.data, dynamicStart)
        return unsafe words.withUnsafeBytes { unsafe Data($0) }
    }

    /// A string table of `names`, and their offsets in it.
    private static func strings(_ names: [[UInt8]]) -> (bytes: [UInt8], offsets: [UInt64]) {
        var bytes: [UInt8] = [0]
        var offsets: [UInt64] = []
        for name in names {
            offsets.append(UInt64(bytes.count))
            bytes += name + [0]
        }
        return (bytes, offsets)
    }

    /// The symbols, whose names are at `offsets`: variables of eight bytes.
    private mutating func appendSymbols(_ plan: Plan, _ offsets: [UInt64]) {
        let start = end
        words += [0, 0, 0]
        let info = UInt64(Symbol.Binding.global << 4 | Symbol.Kind.object)
        for index in 0..<plan.symbolCount {
            words += [
                offsets[index] | info << 32 | RelocationFile.dataSection << 48, plan.place(index % plan.count), 8,
            ]
        }
        section(
            ".dynsym", SectionHeader.Kind.dynamicSymbols, RelocationFile.read, from: start,
            link: RelocationFile.stringSection, entry: Symbol.size)
    }

    /// The relocations.
    private mutating func appendTable(_ plan: Plan) {
        let count = plan.count
        switch plan.kind {
        case .relative:
            let type = UInt64(RelocationNumber.relative)
            for index in 0..<count { words += [plan.place(index), type, plan.target(index)] }
        case .symbolic:
            let type = UInt64(RelocationNumber.absolute64)
            for index in 0..<count {
                words += [plan.place(index), UInt64(1 + index / 2 % plan.symbolCount) << 32 | type, 8]
            }
        case .packed:
            words.append(plan.place(0))
            var done = 1
            while done < count {
                let number = min(63, count - done)
                words.append((number == 63 ? .max : (1 << UInt64(number + 1)) - 1) | 1)
                done += number
            }
            return section(".relr.dyn", SectionHeader.Kind.relr, RelocationFile.read, from: plan.table, entry: 8)
        }
        section(
            ".rela.dyn", SectionHeader.Kind.rela, RelocationFile.read, from: plan.table,
            link: RelocationFile.symbolSection, entry: RelocationEntry.relaSize)
    }

    /// The dynamic entries that name the relocation table.
    private static func tags(of plan: Plan) -> [(tag: UInt64, value: UInt64)] {
        let (table, size) = (UInt64(plan.table), UInt64(plan.tableSize))
        guard plan.kind != .packed else {
            return [(DynamicTag.relr, table), (DynamicTag.relrSize, size), (DynamicTag.relrEntrySize, 8)]
        }
        let tags = [
            (DynamicTag.rela, table), (DynamicTag.relaSize, size),
            (DynamicTag.relaEntrySize, RelocationEntry.relaSize),
        ]
        return tags + (plan.kind == .relative ? [(DynamicTag.relativeCount, UInt64(plan.count))] : [])
    }

    private mutating func append(bytes: [UInt8]) {
        var index = 0
        while index < bytes.count {
            var word: UInt64 = 0
            for byte in 0..<min(8, bytes.count - index) { word |= UInt64(bytes[index + byte]) << UInt64(byte * 8) }
            words.append(word)
            index += 8
        }
    }

    private func symbolNames(_ count: Int) -> [[UInt8]] {
        (0..<count).map { index in
            var name = Array("symbol_".utf8)
            var rest = index
            repeat {
                name.append(UInt8(ascii: "a") + UInt8(rest % 26))
                rest /= 26
            } while rest > 0
            return name
        }
    }

    /// The ELF header, the program headers and, at the end, the section headers with their names.
    private mutating func writeHeaders(_ dataStart: Int, _ dynamicStart: Int) {
        let segmentsEnd = end
        var names: [UInt8] = [0]
        var nameOffsets: [Int] = []
        let namesStart = end
        for name in sections.map(\.name) + [".shstrtab"] {
            nameOffsets.append(names.count)
            names += Array(name.utf8) + [0]
        }
        append(bytes: names)
        section(".shstrtab", SectionHeader.Kind.stringTable, 0, from: namesStart)
        let headersStart = end
        words += Array(repeating: 0, count: 8)
        for (index, section) in sections.enumerated() {
            let isLoaded = section.flags & SectionHeader.Flags.alloc != 0
            let hasSymbols = section.type == SectionHeader.Kind.dynamicSymbols
            words += [
                UInt64(nameOffsets[index]) | UInt64(section.type) << 32, section.flags,
                isLoaded ? UInt64(section.start) : 0,
                UInt64(section.start), UInt64(section.end - section.start),
                // sh_info of a symbol table: the first symbol that is not local.
                section.link | (hasSymbols ? 1 << 32 : 0), 8, section.entry,
            ]
        }
        typealias Kind = ProgramHeader.Kind
        let read = ProgramHeader.Flags.read, written = ProgramHeader.Flags.read | ProgramHeader.Flags.write
        words.replaceSubrange(
            0..<8,
            with: headerWords(
                .dynamic, programHeaderCount: 4, sectionHeaders: UInt64(headersStart),
                sectionHeaderCount: UInt64(sections.count + 1), nameSection: UInt64(sections.count)))
        let page = PageSize.size4KiB.rawValue
        writeSegment(0, type: Kind.load, flags: read, start: 0, end: dataStart, align: page)
        writeSegment(1, type: Kind.load, flags: written, start: dataStart, end: segmentsEnd, align: page)
        writeSegment(2, type: Kind.dynamic, flags: written, start: dynamicStart, end: segmentsEnd, align: 8)
        writeSegment(3, type: Kind.stack, flags: written, start: 0, end: 0, align: 16)
    }

    private mutating func writeSegment(
        _ index: Int, type: UInt32, flags: UInt32, start: Int, end: Int, align: UInt64
    ) {
        let size = UInt64(end - start)
        words.replaceSubrange(
            8 + index * 7..<15 + index * 7,
            with: [UInt64(type) | UInt64(flags) << 32, UInt64(start), UInt64(start), UInt64(start), size, size, align])
    }
}

/// The ELF header of a file for x86-64 without an entry point, as 64-bit words. Program headers follow it, if there are any.
func headerWords(
    _ type: FileType, programHeaderCount: UInt64, sectionHeaders: UInt64, sectionHeaderCount: UInt64,
    nameSection: UInt64
) -> [UInt64] {
    // ELFCLASS64, ELFDATA2LSB, EV_CURRENT; e_type, e_machine, EV_CURRENT.
    [
        UInt64(FileHeader.magic) | 0x1_0102 << 32, 0,
        UInt64(type.rawValue) | UInt64(MachineType.amd64) << 16 | 1 << 32, 0,
        programHeaderCount > 0 ? FileHeader.size : 0, sectionHeaders,
        FileHeader.size << 32 | (programHeaderCount > 0 ? ProgramHeader.size << 48 : 0),
        programHeaderCount | SectionHeader.size << 16 | sectionHeaderCount << 32 | nameSection << 48,
    ]
}

/// A GNU hash table, and the names in the order that it needs.
struct GNUHash {
    let names: [[UInt8]]
    let table: [UInt8]

    init(_ unsorted: [[UInt8]]) {
        let buckets = max(1, unsorted.count / 4)
        var bloomWords = 1
        while bloomWords * 64 < unsorted.count * 12 { bloomWords *= 2 }
        let hashed = unsorted.map { name in (hash: name.reduce(5381 as UInt32) { $0 &* 33 &+ UInt32($1) }, name: name) }
            .sorted { Int($0.hash) % buckets < Int($1.hash) % buckets }
        names = hashed.map(\.name)
        var bloom = [UInt64](repeating: 0, count: bloomWords)
        var starts = [UInt32](repeating: 0, count: buckets)
        var chain = hashed.map { $0.hash & ~1 }
        for (index, entry) in hashed.enumerated() {
            bloom[Int(entry.hash / 64) % bloomWords] |=
                1 << UInt64(entry.hash % 64) | 1 << UInt64((entry.hash >> 26) % 64)
            let bucket = Int(entry.hash) % buckets
            if starts[bucket] == 0 { starts[bucket] = UInt32(index + 1) }
            if index + 1 == hashed.count || Int(hashed[index + 1].hash) % buckets != bucket { chain[index] |= 1 }
        }
        var bytes: [UInt8] = []
        for word in [UInt32(buckets), 1, UInt32(bloomWords), 26] { GNUHash.append(word, to: &bytes) }
        for word in bloom {
            GNUHash.append(UInt32(truncatingIfNeeded: word), to: &bytes)
            GNUHash.append(UInt32(truncatingIfNeeded: word >> 32), to: &bytes)
        }
        for word in starts + chain { GNUHash.append(word, to: &bytes) }
        table = bytes
    }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
