// The tables that the dynamic section names, and their faults.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DynamicTablesTests {
    /// The result of relocating a file with these dynamic entries; the table under test begins at `data`.
    static let data: UInt64 = 960

    static func fault(_ entries: [(UInt64, UInt64)], symbols: Bool = false) -> Fault? {
        var writer = ELFWriter()
        writer.append([UInt8](repeating: 0, count: 256))
        var all = entries
        if symbols {
            writer.addSymbol("strong", shndx: 0)
            all = writer.symbolEntries() + entries
        }
        writer.setDynamic(all)
        return load(writer.bytes).fault
    }

    static let end: UInt64 = 960 + 256

    static let faults: [([(UInt64, UInt64)], Fault?)] = [
        ([], nil),
        ([(7, data), (8, 0), (9, 24)], nil),
        ([(7, data)], Fault(.dynamicMissing, .dynamic(8))),
        ([(8, 24)], Fault(.dynamicMissing, .dynamic(7))),
        ([(8, 0)], nil),
        ([(7, data), (8, 24), (9, 16)], Fault(.badEntrySize, .dynamic(9), value: 16, limit: 24)),
        ([(7, data), (8, 25)], Fault(.tableSizeNotMultiple, .dynamic(8), value: 25, limit: 24)),
        ([(7, 1 << 40), (8, 24)], Fault(.dynamicAddressOutsideFile, .dynamic(7), value: 1 << 40, limit: 24)),
        (
            [(7, data), (8, 24 * 1000)],
            Fault(.dynamicAddressOutsideFile, .dynamic(7), value: data, limit: 24000)
        ),
        ([(7, .max), (8, 24)], Fault(.dynamicAddressOutsideFile, .dynamic(7), value: .max, limit: 24)),
        (
            [(7, data), (8, 0xffff_ffff_ffff_fff0)],
            Fault(.dynamicAddressOutsideFile, .dynamic(7), value: data, limit: 0xffff_ffff_ffff_fff0)
        ),
        ([(17, data)], Fault(.dynamicMissing, .dynamic(18))),
        ([(18, 16)], Fault(.dynamicMissing, .dynamic(17))),
        ([(17, data), (18, 16), (19, 24)], Fault(.badEntrySize, .dynamic(19), value: 24, limit: 16)),
        ([(17, data), (18, 17)], Fault(.tableSizeNotMultiple, .dynamic(18), value: 17, limit: 16)),
        ([(36, data)], Fault(.dynamicMissing, .dynamic(35))),
        ([(35, 8)], Fault(.dynamicMissing, .dynamic(36))),
        ([(36, data), (35, 8), (37, 4)], Fault(.badEntrySize, .dynamic(37), value: 4, limit: 8)),
        ([(36, data), (35, 9)], Fault(.tableSizeNotMultiple, .dynamic(35), value: 9, limit: 8)),
        ([(23, data), (2, 24), (20, 8)], Fault(.badPLTRelocationKind, .dynamic(20), value: 8)),
        ([(23, data), (2, 24)], Fault(.badPLTRelocationKind, .dynamic(20), value: 0)),
        // Without entries the table's address and form do not matter.
        ([(7, 1 << 40), (8, 0)], nil), ([(17, .max), (18, 0)], nil), ([(36, 1 << 40), (35, 0)], nil),
        ([(23, .max), (2, 0)], nil),
        ([(23, data), (2, 0)], nil),
        ([(2, 0)], nil),
        ([(2, 24)], Fault(.dynamicMissing, .dynamic(23))),
        ([(23, data), (20, 7)], Fault(.dynamicMissing, .dynamic(2))),
        ([(2, 24), (20, 7)], Fault(.dynamicMissing, .dynamic(23))),
        ([(23, data), (2, 24), (20, 17)], Fault(.tableSizeNotMultiple, .dynamic(2), value: 24, limit: 16)),
        ([(23, data), (2, 16), (20, 7)], Fault(.tableSizeNotMultiple, .dynamic(2), value: 16, limit: 24)),
        ([(5, data), (1, 5)], Fault(.needsLibrary, nameOffset: data + 5)),
        ([(5, 1 << 40), (1, 5)], Fault(.dynamicAddressOutsideFile, .dynamic(5), value: 1 << 40)),
        // Tables that would otherwise be ignored in silence.
        ([(0x6000_000f, data), (0x6000_0010, 16)], Fault(.relocationFormUnknown, .dynamic(0x6000_000f))),
        ([(0x6000_0011, data), (0x6000_0012, 16)], Fault(.relocationFormUnknown, .dynamic(0x6000_0011))),
        ([(0x6fff_e000, data), (0x6fff_e001, 16)], Fault(.relocationFormUnknown, .dynamic(0x6fff_e000))),
        ([(0x4000_0026, data)], Fault(.relocationFormUnknown, .dynamic(0x4000_0026))),
    ]

    @Test(arguments: faults.indices) func `malformed tables are reported`(_ index: Int) {
        let (entries, expected) = Self.faults[index]
        #expect(Self.fault(entries) == expected)
    }

    /// Entries for looking up symbols, and their fault; `data` has 256 bytes of `filler`.
    static let symbolFaults: [(entries: [(UInt64, UInt64)], filler: UInt8, fault: Fault)] = [
        ([(6, data), (11, 25)], 0, Fault(.badEntrySize, .dynamic(11), value: 25, limit: 24)),
        ([(6, 1 << 40)], 0, Fault(.dynamicAddressOutsideFile, .dynamic(6), value: 1 << 40)),
        ([(6, .max)], 0, Fault(.dynamicAddressOutsideFile, .dynamic(6), value: .max)),
        ([(6, data), (4, 1 << 40)], 0, Fault(.dynamicAddressOutsideFile, .dynamic(4), value: 1 << 40)),
        ([(6, data), (4, data)], 0xff, Fault(.hashTableMalformed, .dynamic(4))),
        (
            [(6, data), (0x6fff_fef5, 1 << 40)], 0,
            Fault(.dynamicAddressOutsideFile, .dynamic(0x6fff_fef5), value: 1 << 40)
        ),
        ([(6, data), (0x6fff_fef5, data)], 0xff, Fault(.hashTableMalformed, .dynamic(0x6fff_fef5))),
        (
            [(6, data), (5, 1 << 40), (10, 8)], 0,
            Fault(.dynamicAddressOutsideFile, .dynamic(5), value: 1 << 40, limit: 8)
        ),
        (
            [(6, data), (5, data), (10, 1 << 40)], 0,
            Fault(.dynamicAddressOutsideFile, .dynamic(5), value: data, limit: 1 << 40)
        ),
    ]

    /// A fault of a symbol table is reported only if a relocation refers to a symbol.
    @Test(arguments: symbolFaults.indices) func `tables of symbols are checked when they are needed`(_ index: Int) {
        let (entries, filler, expected) = Self.symbolFaults[index]
        for type in [1, 5, 6, 7, 8, 16, 18, 32, 36, 37] as [UInt32] {
            for symbol in [0, 1, 3] as [UInt32] {
                var writer = ELFWriter()
                writer.append([UInt8](repeating: filler, count: 256))
                let word = writer.append(words: [0, 0])
                let relocation = Relocation(type, at: word, symbol: symbol, addend: word)
                // Some types need a block of thread-local storage.
                writer.segments = [Segment(7, offset: word, vaddr: word, filesz: 8, align: 8)]
                writer.setDynamic(entries + writer.relaEntries([Relocation(8, at: word, addend: word), relocation]))
                let found = load(writer.bytes) { $0 }.fault
                // B + A and similar formulas refer to no symbol, and a copy has no original here.
                let looksUp = symbol != 0 && type != 8 && type != 37 && type != 5
                if looksUp {
                    #expect(found == expected, "type \(type), symbol \(symbol)")
                } else {
                    #expect(found?.rule == (type == 5 ? .copyWithoutSource : nil), "type \(type), symbol \(symbol)")
                }
            }
        }
    }

    /// The result of `strip --remove-section`: the dynamic entry stays, and zeros replace the table.
    @Test(arguments: [4, 0x6fff_fef5] as [UInt64]) func `a hash table that was removed from the file counts nothing`(
        _ tag: UInt64
    ) {
        var writer = ELFWriter()
        let zeros = writer.append([UInt8](repeating: 0, count: 64))
        let word = writer.append(words: [0, 0])
        writer.addSymbol("first", value: 0x1234, shndx: 0xfff1)
        writer.addSymbol("last", value: 0x5678, shndx: 0xfff1)
        let entries = writer.symbolEntries().filter { $0.0 != 4 } + [(tag, zeros)]
        writer.setDynamic(
            entries + writer.relaEntries([Relocation(1, at: word, symbol: 1), Relocation(6, at: word + 8, symbol: 2)]))
        let result = load(writer.bytes)
        #expect(result.fault == nil)
        guard result.fault == nil else { return }
        #expect(result.number(UInt64.self, at: word) == 0x1234)
        #expect(result.number(UInt64.self, at: word + 8) == 0x5678)
    }

    /// If no hash table counts the symbols, they end at the string table if that follows, or else at the end of the segment.
    @Test(arguments: [4, 0x6fff_fef5, nil] as [UInt64?]) func `symbols are counted up to the names`(_ tag: UInt64?)
        throws
    {
        for (strings, counted) in [(0, nil), (1, 0), (23, 0), (24, 1), (47, 1), (48, 2), (72, 3), (-24, nil)]
            as [(Int64, UInt64?)]
        {
            var writer = ELFWriter()
            writer.append([UInt8](repeating: 0, count: 64))
            let table = writer.append([UInt8](repeating: 0, count: 96))
            var entries: [(UInt64, UInt64)] = [(6, table), (5, table &+ UInt64(bitPattern: strings)), (10, 1)]
            if let tag { entries.append((tag, table - 64)) }
            let word = writer.append(words: [0])
            // A count whose symbol index is too large.
            writer.setDynamic(entries + writer.relaEntries([Relocation(1, at: word, symbol: 1000)]))
            let file = writer.bytes
            let all = (UInt64(file.count) - table) / 24
            let found = load(file).fault
            let expected = tag == nil ? all : counted ?? all
            #expect(
                found == Fault(.symbolIndexOutsideTable, .relocation(table: 7, index: 0), value: 1000, limit: expected))
        }
    }

    /// DT_RELACOUNT covers the first entries only: an entry of type 0 after them changes nothing.
    @Test(arguments: [nil, 0, 1, 31, 32, 33, 64] as [UInt64?]) func `entries beyond DT_RELACOUNT are checked`(
        _ count: UInt64?
    ) {
        var writer = ELFWriter()
        let words = writer.append([UInt8](repeating: 0xaa, count: 72 * 8))
        for other in [32, 33, 63, 64, 71] as [UInt64] where other >= count ?? 0 {
            var file = writer
            let list = (0..<72 as Range<UInt64>).map {
                Relocation($0 == other ? 0 : 8, at: words + $0 * 8, addend: 5)
            }
            var vouched: [(UInt64, UInt64)] = []
            if let count { vouched.append((0x6fff_fff9, count)) }
            file.setDynamic(file.relaEntries(list) + vouched)
            let result = load(file.bytes, bias: 0x20_0000)
            #expect(result.fault == nil && result.counts?[8] == 71 && result.counts?[0] == 1)
            for index in 0..<72 as Range<UInt64> {
                let word = result.number(UInt64.self, at: words + index * 8)
                #expect(word == (index == other ? 0xaaaa_aaaa_aaaa_aaaa : 0x20_0005))
            }
        }
    }

    /// The string table has a segment of its own, far after the symbols': the symbols end with their segment.
    @Test(arguments: [4, 0x6fff_fef5] as [UInt64]) func `symbols end with their segment`(_ tag: UInt64) {
        var writer = ELFWriter()
        let zeros = writer.append([UInt8](repeating: 0, count: 64))
        let table = writer.append([UInt8](repeating: 0, count: 96))
        let word = writer.append(words: [0])
        let far: UInt64 = 0x10_0000
        writer.setDynamic(
            [(6, table), (5, far), (10, 1), (tag, zeros)] + writer.relaEntries([Relocation(1, at: word, symbol: 1000)]))
        writer.segments.append(Segment(1, offset: zeros, vaddr: far, filesz: 8))
        let file = writer.bytes
        let place = FaultLocation.relocation(table: 7, index: 0)
        let all = (UInt64(file.count) - table) / 24
        #expect(load(file).fault == Fault(.symbolIndexOutsideTable, place, value: 1000, limit: all))
    }

    /// A resolver is called anywhere in the image, from the first byte to the last, at any link and run-time address.
    @Test(arguments: [0, 0x40_0000] as [UInt64]) func `a resolver lies in the image`(_ base: UInt64) {
        for (offset, isInside) in [(-1, false), (0, true), (0x3ff, true), (0x400, false), (0x4000_0000, false)]
            as [(Int64, Bool)]
        {
            var writer = ELFWriter(base: base)
            let word = writer.append(words: [0])
            writer.setDynamic(
                writer.relaEntries([Relocation(37, at: word, addend: base &+ UInt64(bitPattern: offset))]))
            var file = writer.bytes
            while file.count < 0x400 { file.append(0) }
            // p_filesz and p_memsz of the first program header.
            file.put(UInt64(0x400), at: 64 + 32)
            file.put(UInt64(0x400), at: 64 + 40)
            let result = load(file, bias: 0x20_0000) { _ in 0x77 }
            let resolver = base &+ UInt64(bitPattern: offset) &+ 0x20_0000
            #expect(
                result.fault
                    == (isInside
                        ? nil
                        : Fault(
                            .resolverOutsideImage, .relocation(table: 7, index: 0), value: resolver,
                            limit: base + 0x20_0400)))
        }
    }

    /// A hash table counts more symbols than the segment holds: one with 60 entries, and one whose first entry is the 60th.
    @Test(arguments: [4, 0x6fff_fef5] as [UInt64]) func `symbols that end past their segment are reported`(
        _ tag: UInt64
    ) {
        var writer = ELFWriter()
        let words: [UInt32] = [1, 60] + [UInt32](repeating: 0, count: 62)
        let hash = writer.append(words.flatMap { littleEndian($0) })
        let word = writer.append(words: [0])
        writer.setDynamic([(6, word), (tag, hash)] + writer.relaEntries([Relocation(1, at: word, symbol: 1)]))
        #expect(
            load(writer.bytes).fault == Fault(.dynamicAddressOutsideFile, .dynamic(6), value: word, limit: 60 * 24))
    }

    /// A hash table's count is used, whatever room there is before the string table.
    @Test(arguments: [1, 2, 3, 4] as [UInt32], [false, true]) func `a hash table counts the symbols`(
        _ count: UInt32, _ isGNU: Bool
    ) {
        var writer = ELFWriter()
        // nbucket, nchain and as many words; or one bucket, a bloom word, and a chain up to the last symbol.
        let chain = (0..<max(count, 1)).map { $0 + 2 == max(count, 2) ? 1 as UInt32 : 0 }
        let words: [UInt32] = isGNU ? [1, 1, 1, 0, 0, 0, 1] + chain : [1, count] + [UInt32](repeating: 0, count: 5)
        let hash = writer.append(words.flatMap { littleEndian($0) })
        let table = writer.append([UInt8](repeating: 0, count: 96))
        let word = writer.append(words: [0])
        let entries: [(UInt64, UInt64)] = [
            (6, table), (5, table + 48), (10, 1), (UInt64(isGNU ? 0x6fff_fef5 : 4), hash),
        ]
        writer.setDynamic(entries + writer.relaEntries([Relocation(1, at: word, symbol: 1000)]))
        let expected = isGNU ? max(UInt64(count), 2) : UInt64(count)
        let found = load(writer.bytes).fault
        #expect(found == Fault(.symbolIndexOutsideTable, .relocation(table: 7, index: 0), value: 1000, limit: expected))
    }

    /// A table must lie in a PT_LOAD segment; program headers after the last one do not count.
    @Test func `tables lie in segments that are loaded`() {
        var writer = ELFWriter()
        let word = writer.append(words: [0, 0])
        let table = writer.append(Relocation(8, at: word, addend: word).rela)
        // The same bytes at another address.
        let far: UInt64 = 0x10_0000
        for (type, isFound) in [(1, true), (2, false), (4, false), (6, false), (0x6474_e550, false)] as [(UInt32, Bool)]
        {
            var file = writer
            file.setDynamic([(7, far), (8, 24), (9, 24)])
            let other = Segment(type, offset: table, vaddr: far, filesz: 24)
            file.segments = [other] + file.segments
            guard type != 2 else { continue }
            let expected = isFound ? nil : Fault(.dynamicAddressOutsideFile, .dynamic(7), value: far, limit: 24)
            #expect(load(file.bytes).fault == expected, "\(type)")
            file.segments = Array(file.segments.reversed())
            #expect(load(file.bytes).fault == expected, "\(type)")
            // One less than their number.
            var bytes = file.bytes
            let count = bytes.number(UInt16.self, at: 56)
            bytes.put(count - 1, at: 56)
            #expect(
                load(bytes).fault == Fault(.dynamicAddressOutsideFile, .dynamic(7), value: far, limit: 24), "\(type)")
        }
    }

    /// DT_REL whose tail is DT_JMPREL, as the gABI permits: each addend in place is added to once.
    @Test func `entries in two tables are applied once`() {
        var writer = ELFWriter()
        let words = writer.append(words: [0x10, 0x20, 0x30])
        let table = writer.append((0..<3).flatMap { Relocation(8, at: words + $0 * 8).rel })
        for tail in 0...3 as ClosedRange<UInt64> {
            var file = writer
            var entries: [(UInt64, UInt64)] = [(17, table), (18, 48), (19, 16)]
            if tail > 0 { entries += [(23, table + 48 - tail * 16), (2, tail * 16), (20, 17)] }
            file.setDynamic(entries)
            let result = load(file.bytes, bias: 0x20_0000)
            #expect(result.fault == nil && result.counts?[8] == 3)
            guard result.fault == nil else { continue }
            let found = (0..<3).map { result.number(UInt64.self, at: words + $0 * 8) }
            #expect(found == [0x20_0010, 0x20_0020, 0x20_0030])
        }
    }

    /// A table that begins in a segment and ends past it is not read on to the end of the file.
    @Test func `a table that ends past its segment is reported`() {
        var writer = ELFWriter()
        let word = writer.append(words: [0, 0, 0, 0])
        let section = writer.append(words: [7, 0, 8, 48, 9, 24, 0, 0])
        let entry = Relocation(8, at: word, addend: word).rela
        let table = writer.append(entry + entry)
        writer.put(littleEndian(table), at: section + 8)
        writer.segments = [Segment(2, offset: section, vaddr: section, filesz: 64, align: 8)]
        let sound = writer.bytes
        #expect(load(sound).fault == nil)
        // The segment ends some bytes before the table does, which ends with the file.
        for missing in [1, 8, 24, 47] as [UInt64] {
            var file = sound
            file.put(UInt64(sound.count) - missing, at: 64 + 32)
            #expect(
                load(file).fault == Fault(.dynamicAddressOutsideFile, .dynamic(7), value: table, limit: 48),
                "\(missing)")
        }
    }

    @Test func `a dynamic section that is not a whole number of entries is reported`() {
        var writer = ELFWriter()
        let address = writer.append(words: [100, 1, 100, 2, 100])
        writer.segments.append(Segment(2, offset: address, vaddr: address, filesz: 40))
        #expect(load(writer.bytes).fault == Fault(.dynamicMisaligned, value: 40))
    }
}
