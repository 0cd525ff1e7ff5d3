// Long listings: threads write rows in order, numbers and names have any length, and readers may close the pipe early.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ListingTests {
    /// Numbers of every length, each with its neighbours.
    static let numbers: [UInt64] =
        (0..<64).flatMap { [1 << $0 &- 1, 1 << $0, 1 << $0 &+ 1] as [UInt64] }
        + (0..<20).flatMap { exponent in
            let power = (0..<exponent).reduce(1 as UInt64) { value, _ in value &* 10 }
            return [power &- 1, power, power &+ 1]
        } + [.max]

    /// A name whose length and odd bytes depend on `index`.
    static func name(_ index: Int) -> [UInt8] {
        var name = (0..<index % 77).map { UInt8(0x41 + ($0 + index) % 26) }
        let odd: [UInt8] = [0x1b, 0x22, 0x5c, 0x7f, 0x80, 0xff, 0x20, 0x7e, 0x1f, 0x01]
        if index % 3 == 0, !name.isEmpty { name[index / 3 % name.count] = odd[index / 7 % odd.count] }
        return name
    }

    /// The sample with a table of `count` symbols, found through section headers.
    static func symbols(_ count: Int) -> [UInt8] {
        var file = Sample.application
        var symbols = [UInt8](repeating: 0, count: 24)
        var strings: [UInt8] = [0] + Array(".symtab".utf8) + [0]
        for index in 1..<count {
            symbols += littleEndian(UInt32(strings.count)) + [UInt8(index % 256), UInt8(index % 4)]
            symbols += littleEndian(UInt16(truncatingIfNeeded: index * 7))
            symbols += littleEndian(numbers[index % numbers.count]) + littleEndian(numbers[index * 5 % numbers.count])
            strings += name(index) + [0]
        }
        func append(_ bytes: [UInt8]) -> Int {
            file += [UInt8](repeating: 0, count: (8 - file.count % 8) % 8) + bytes
            return file.count - bytes.count
        }
        func header(_ name: UInt32, _ type: UInt32, _ offset: Int, _ size: Int, link: UInt64 = 0) -> [UInt8] {
            let words = [0, 0, UInt64(offset), UInt64(size), link, 1, 0]
            return littleEndian(name) + littleEndian(type) + words.flatMap { littleEndian($0) }
        }
        let symbolsStart = append(symbols)
        let stringsStart = append(strings)
        let table = append(
            header(0, 0, 0, 0) + header(1, 2, symbolsStart, symbols.count, link: 2)
                + header(0, 3, stringsStart, strings.count))
        file = file.putting(UInt64(table), at: 40).putting(UInt16(64), at: 58)
        return file.putting(UInt16(3), at: 60).putting(UInt16(2), at: 62)
    }

    static let count = 30_000

    @Test func symbolsInText() async throws {
        let folder = try Folder()
        try folder.write("file", Self.symbols(Self.count))
        let run = try await Tool.run(["symbols", "file"], in: folder.url)
        #expect(run.status == 0)
        let lines = run.output.split(separator: "\n").dropFirst()
        #expect(lines.count == Self.count)
        for (index, line) in lines.enumerated().dropFirst() {
            let value = "0x" + String(Self.numbers[index % Self.numbers.count], radix: 16)
            let size = String(Self.numbers[index * 5 % Self.numbers.count])
            let name = String(
                decoding: Self.name(index).map { $0 >= 0x20 && $0 < 0x7f ? $0 : 0x3f }, as: UTF8.self)
            let front =
                pad("\(index)", 6) + " .symtab " + pad(value, 12) + " " + pad(size, 8) + " "
            #expect(line.hasPrefix(front) && line.hasSuffix(name), "row \(index): \(line)")
            if line.hasPrefix(front) != true { break }
        }
    }

    @Test func symbolsInJSON() async throws {
        let folder = try Folder()
        try folder.write("file", Self.symbols(Self.count))
        let run = try await Tool.run(["symbols", "--json", "file"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        let rows = try #require(document?["rows"] as? [[String: Any]])
        #expect(rows.count == Self.count)
        for (index, row) in rows.enumerated().dropFirst() {
            let name = String(String.UnicodeScalarView(Self.name(index).map { Unicode.Scalar($0) }))
            let isRight =
                row["index"] as? Int == index && row["name"] as? String == name
                && row["value"] as? String == "0x" + String(Self.numbers[index % Self.numbers.count], radix: 16)
                && (row["size"] as? NSNumber)?.uint64Value == Self.numbers[index * 5 % Self.numbers.count]
            #expect(isRight, "row \(index): \(row)")
            if !isRight { break }
        }
    }

    @Test func relocationsInOrder() async throws {
        var writer = ELFWriter()
        let word = writer.append(words: [0])
        let relocations = (0..<Self.count).map {
            Relocation(8, at: word &+ UInt64($0), addend: Self.numbers[$0 % Self.numbers.count])
        }
        writer.setDynamic(writer.relaEntries(relocations))
        let folder = try Folder()
        try folder.write("file", writer.bytes)
        let run = try await Tool.run(["relocations", "file"], in: folder.url)
        let lines = run.output.split(separator: "\n").dropFirst()
        #expect(lines.count == Self.count)
        for (index, line) in lines.enumerated() {
            let place = "0x" + String(word + UInt64(index), radix: 16)
            let value = "0x" + String(Self.numbers[index % Self.numbers.count], radix: 16)
            let expected =
                pad("\(index)", 6) + " RELA    8 RELATIVE  " + pad(place, 12) + " B + A      " + pad(value, 18) + " -"
            #expect(line == expected)
            if line != expected { break }
        }
    }

    /// Addends in place are read from mapped pages of the file, from bytes that are copied because they share a page with
    /// others, and from a copy of the whole file if it is standard input: all three give the same.
    @Test func addendsInPlaceAreTheFiles() async throws {
        var writer = ELFWriter()
        let words = writer.append(words: (0..<4096).map { UInt64($0) << 20 | 0xabc })
        let last = words + 4095 * 8
        writer.setDynamic(writer.relrEntries([words] + [UInt64](repeating: .max, count: 65) + [last]))
        let folder = try Folder()
        try folder.write("file", writer.bytes)
        let mapped = try await Tool.run(["relocations", "file"], in: folder.url)
        let copied = try await Tool.run(["relocations", "-"], input: writer.bytes)
        #expect(mapped.output == copied.output)
        let lines = mapped.output.split(separator: "\n")
        #expect(lines.count == 4096 + 1 + 1)
        #expect(lines[1].hasSuffix(" 0xabc -"))
        #expect(lines[1001].hasSuffix(" 0x3e800abc -"))
        #expect(lines[4096].hasSuffix(" 0xfff00abc -"))
    }

    /// If a table ends past the end of a file that was cut short, the fault has both ends.
    @Test func sectionsPastTheEnd() async throws {
        let folder = try Folder()
        let file = Sample.object
        let table = file.number(UInt64.self, at: 40)
        let end = table + 64 * UInt64(file.number(UInt16.self, at: 60))
        // The symbol table: a size of 2^32 and the end of the file's sections.
        let symbols = try #require((0..<end).first { file.number(UInt32.self, at: Int(table + $0 * 64) + 4) == 2 })
        let offset = file.number(UInt64.self, at: Int(table + symbols * 64) + 24)
        try folder.write("long", file.putting(1 << 32 as UInt64, at: Int(table + symbols * 64) + 32))
        try folder.write("cut", Array(file.dropLast(1)))
        func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
        let size = UInt64(file.count)
        for (words, sentence) in [
            (
                ["sections", "cut"],
                "ELF header: the section headers end at \(hex(end)), beyond the file's end at \(hex(size - 1))"
            ),
            (
                ["symbols", "long"],
                "section header \(symbols): the section's bytes end at \(hex(offset + 1 << 32)), beyond the file's end at "
                    + hex(size)
            ),
        ] {
            let run = try await Tool.run(words, in: folder.url)
            #expect(run.status == 2)
            #expect(run.errors.hasPrefix("\(words[1]): error: \(sentence); "), "\(run.errors)")
        }
    }

    /// Compact relocations are listed like others, whether the loader applies them or not: the file may not be an application, or their
    /// section may not be in memory.
    @Test(arguments: ["_start", "other"]) func compactRelocations(_ symbol: String) async throws {
        let relocations = [
            Relocation(1, at: 0, symbol: 1, addend: 2), Relocation(2, at: 12, symbol: 1, addend: 1 << 40),
        ]
        var file = ObjectFile(symbols: [ObjectSymbol(name: symbol, size: 4, info: 0x12, section: 1)])
        file.sections = [6, 0].map { flags in
            ObjectSection(
                name: flags > 0 ? ".text" : ".debug", flags: flags, bytes: [UInt8](repeating: 0, count: 16),
                relocations: relocations)
        }
        let folder = try Folder()
        try folder.write("rela", file.bytes)
        for index in file.sections.indices {
            file.sections[index].compact = TestSupport.compactRelocations(relocations)
        }
        try folder.write("crel", file.bytes)
        let words = ["relocations", "--json"]
        let full = try await Tool.run(words + ["rela"], in: folder.url)
        let compact = try await Tool.run(words + ["crel"], in: folder.url)
        #expect(full.status == 1 || symbol == "other")
        #expect(compact.status == full.status)
        #expect(compact.output.replacing("crel", with: "rela") == full.output)
        #expect(full.output.split(separator: "\n").count == 4 + 2)
        file.sections[0].compact = TestSupport.compactRelocations(Array(relocations.prefix(1)))
        try folder.write("crel", file.bytes)
        let map = try await Tool.run(["map", "crel"], in: folder.url)
        #expect(map.output.contains("  1 relocated place\n") == (symbol == "_start"), "\(map.output)")
    }

    @Test func readersThatGoAway() async throws {
        let folder = try Folder()
        try folder.write("file", Self.symbols(Self.count))
        let script = "{ \(Tool.program.path) symbols file; echo status $? >&3; } 3>&1 | head -n 1"
        let output = await Tool.other("sh", ["-c", "cd '\(folder.url.path)' && \(script)"])
        // The first line, or an earlier status; nothing hangs, and there is no error message.
        #expect(output?.isEmpty == false)
    }

    private func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
