// The sentences of faults.

import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FaultTests {
    @Test func `numbers in a sentence are the fault's`() {
        #expect(
            sentence(Fault(.segmentBeyondFile, .programHeader(3), value: 0x2000, limit: 0x1fff))
                == "program header 3: its bytes end at 0x2000, beyond the file's end at 0x1fff")
        #expect(
            sentence(Fault(.fileTooShort, .header, value: 63, limit: 64))
                == "ELF header: the file ends after 63 bytes, inside a structure that needs 64")
    }

    @Test func `places are named as the specification names them`() {
        let cases: [(FaultLocation, String)] = [
            (.none, ""), (.header, "ELF header: "), (.offset(16), "file offset 0x10: "),
            (.programHeader(12), "program header 12: "), (.sectionHeader(7), "section header 7: "),
            (.dynamic(7), "dynamic entry DT_RELA: "), (.dynamic(0x6fff_fef5), "dynamic entry DT_GNU_HASH: "),
            (.dynamic(99), "dynamic entry 0x63: "), (.relocation(table: 23, index: 5), "DT_JMPREL entry 5: "),
            (.symbol(4), "dynamic symbol 4: "), (.address(0x1000), "address 0x1000: "),
            (.entry(section: 3, index: 20), "section 3 entry 20: "), (.archive(512), "archive offset 0x200: "),
        ]
        for (place, text) in cases {
            #expect(sentence(Fault(.noMemoryMap, place)) == text + "the firmware gave no memory map")
        }
    }

    /// Each tag has its own name, or its number.
    @Test func `tags without a name are numbers`() {
        let names: [UInt64: String] = [
            2: "PLTRELSZ", 4: "HASH", 5: "STRTAB", 6: "SYMTAB", 7: "RELA", 8: "RELASZ", 9: "RELAENT", 10: "STRSZ",
            11: "SYMENT", 17: "REL", 18: "RELSZ", 19: "RELENT", 20: "PLTREL", 23: "JMPREL", 35: "RELRSZ", 36: "RELR",
            37: "RELRENT", 0x6fff_fef5: "GNU_HASH",
        ]
        for tag in Array(0...50) + [0x6fff_fef4, 0x6fff_fef5, 0x6fff_fef6, .max] as [UInt64] {
            let name = names[tag].map { "DT_" + $0 } ?? "0x" + String(tag, radix: 16)
            let expected = "dynamic entry \(name): the firmware gave no memory map"
            #expect(sentence(Fault(.noMemoryMap, .dynamic(tag))) == expected)
        }
    }

    @Test func `names come from the file`() {
        let file = Array("\0libc.so\0two\0bad\u{1}name\0three\0four\0five\0six\0".utf8)
        func offset(_ name: String) -> UInt64 {
            let bytes = Array(name.utf8) + [0]
            return UInt64((1..<file.count).first { file[$0...].starts(with: bytes) } ?? 0)
        }
        var details = FaultDetails(Fault(.needsLibrary, nameOffset: 1))
        #expect(text(details, file) == "it needs libraries that no module provides: 'libc.so'")
        for name in ["two", "three", "four", "five"] { details.furtherNames.append(offset(name)) }
        #expect(
            text(details, file)
                == "it needs libraries that no module provides: 'libc.so', 'two', 'three', 'four' and 'five'")
        details.furtherNames.append(offset("six"))
        #expect(
            text(details, file)
                == "it needs libraries that no module provides: 'libc.so', 'two', 'three', 'four', 'five' and 1 more")
        #expect(sentence(Fault(.needsLibrary, nameOffset: offset("bad\u{1}name")), file).hasSuffix("'bad?name'"))
        for outside in [0, UInt64(file.count), .max] {
            #expect(sentence(Fault(.needsLibrary, nameOffset: outside), file).hasSuffix("provides: (no name)"))
        }
        // Without a NUL it ends with the file.
        #expect(sentence(Fault(.needsLibrary, nameOffset: 1), Array("\0abc".utf8)).hasSuffix("'abc'"))
    }

    /// Names longer than 200 bytes are cut, and marked as cut.
    @Test(arguments: [1, 199, 200, 201, 255, 256, 257, 300]) func `long names are cut`(_ size: Int) {
        let file = [0] + [UInt8](repeating: 0x61, count: size) + [0, 0x62]
        let shown = String(repeating: "a", count: min(size, 200)) + (size > 200 ? "..." : "")
        #expect(sentence(Fault(.needsLibrary, nameOffset: 1), file).hasSuffix("provides: '\(shown)'"))
    }

    private func text(_ details: FaultDetails, _ file: [UInt8]) -> String {
        var sink = TextCollector()
        Fault(.needsLibrary).write(to: &sink, details, file: file.span.bytes)
        return sink.text
    }

    @Test func `the first four further names are kept, and all are counted`() {
        var names = FurtherNames()
        for number in 1...6 as ClosedRange<UInt64> {
            names.append(number * 10)
            #expect(names.count == number && names.listed == min(number, 4))
            for index in 0..<names.listed { #expect(names[index] == (index + 1) * 10) }
        }
    }

    @Test func `a location keeps its kind, table and index for any rule and file`() {
        let locations: [FaultLocation] = [
            .none, .header, .offset(.max), .programHeader(1), .sectionHeader(2), .dynamic(.max), .symbol(.max),
            .relocation(table: 0xffff_ffff, index: .max), .entry(section: 0xffff_ffff, index: 0), .address(.max),
        ]
        for location in locations {
            for rule in [Rule.noModule, .imageAboveReach] {
                let fault = Fault(rule, location, value: 1, limit: .max).of(file: 15)
                #expect(fault.location == location && fault.rule == rule && fault.file == 15)
                #expect(fault.value == 1 && fault.limit == .max)
                #expect(fault.of(file: 3).file == 15)
            }
        }
    }

    @Test func `only a relocation's fault without a location gets one`() {
        let location = FaultLocation.relocation(table: 7, index: 3)
        #expect(Fault(.symbolUndefined, value: 5).of(file: 2).at(location).location == location)
        #expect(Fault(.symbolUndefined, value: 5).of(file: 2).at(location).file == 2)
        #expect(Fault(.symbolUndefined, .symbol(1)).at(location).location == .symbol(1))
        #expect(Fault(.noMemoryMap).at(location).location == .none)
    }

    /// A part beyond either end is clamped, and a part from an end to an earlier start is empty.
    @Test func `parts of a text`() {
        let text: Text = "abcdef"
        for (start, end, part) in [
            (0, 6, "abcdef"), (0, 7, "abcdef"), (-1, 2, "ab"), (1, 2, "b"), (2, 2, ""), (3, 2, ""), (6, 6, ""),
            (7, 9, ""),
            (5, 0, ""), (0, -1, ""), (5, .max, "f"), (.min, .max, "abcdef"),
        ] {
            #expect("\(text[start, end])" == part && text[start, end].count == part.count, "\(start) \(end)")
        }
        for (index, byte) in [(-1, 0), (0, 0x61), (5, 0x66), (6, 0), (.max, 0)] as [(Int, UInt8)] {
            #expect(text[index] == byte)
        }
        // Bytes of the whole beside a part are not the part's.
        #expect([-1, 0, 1, 2].map { text[2, 4][$0] } == [0, 0x63, 0x64, 0])
    }

    /// From the first word to the one before the end; an empty one counts.
    @Test func `words of a text`() {
        let text: Text = "one two  four"
        #expect((0..<6).map { "\(text.word($0))" } == ["one", "two", "", "four", "", ""])
        for (byte, start, index) in [
            ("o", 0, 0), ("o", 1, 6), ("t", 4, 4), ("r", 0, 12), ("r", 13, 13), ("x", 0, 13), ("o", 50, 50),
        ] as [(Character, Int, Int)] {
            #expect(text.index(of: byte.asciiValue!, from: start) == index)
        }
    }

    /// The blanks of a template take the numbers in order, at most four.
    @Test func `a template's blanks are its numbers`() {
        var sink = TextCollector()
        sink.write("%x, %d; %d and %x.", 16, 17, 18, 19)
        sink.write("no blank")
        sink.write("%d", 5)
        sink.write(" %x%d", 255, 10)
        #expect(sink.text == "0x10, 17; 18 and 0x13.no blank5 0xff10")
    }

    @Test func `a fault is four words`() { #expect(MemoryLayout<Fault>.size == 32) }
}
