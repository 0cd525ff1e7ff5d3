// The UEFI application's start info, read as the loader reads it; the firmware's texts and folders.

import Bytes
import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing
@testable import UEFI

@Suite(.timeLimit(.minutes(minutesPerTest))) struct StartInfoWriterTests {
    /// UTF-16, with the terminating 0.
    static func wide(_ text: String) -> [UInt8] { (Array(text.utf16) + [0]).flatMap { littleEndian($0) } }

    /// The loader's reading of a start info: modules with their strings, regions, the command line.
    struct Told: Equatable {
        var modules: [(AddressRange, String)] = []
        var regions: [MemoryRegion] = []
        var commandLine = ""
        var rsdp: UInt64 = 0
        var confidentialBlob: UInt64 = 0x80_d000

        static func == (left: Told, right: Told) -> Bool {
            left.regions == right.regions && left.commandLine == right.commandLine && left.rsdp == right.rsdp
                && left.confidentialBlob == right.confidentialBlob
                && left.modules.elementsEqual(right.modules) { $0.0 == $1.0 && $0.1 == $1.1 }
        }
    }

    static let ram = Descriptor(type: 7, start: 0, pages: 0x40)
    private static let address: UInt64 = 0x2_0000

    /// Writes a start info of `size` bytes by `fill`, and reads it as the loader does; nil if `fill` or the map lacks room.
    private func told(
        size: UInt64 = 0x2000, _ descriptors: [Descriptor] = [ram], _ fill: (inout StartInfoWriter) -> Bool
    ) throws -> Told? {
        var bytes = [UInt8](repeating: 0xee, count: 0x4_0000)
        let map = descriptors.flatMap { $0.bytes() }
        var block = [UInt8](repeating: 0xee, count: Int(size))
        var span = block.mutableSpan
        var isWritten = false
        do {
            var writer = StartInfoWriter(
                ByteRegion(span.mutableBytes, at: Self.address), rsdp: 0xf_1234, confidentialBlob: 0x80_d000)
            isWritten = fill(&writer) && writer.finish(FirmwareMemory(ByteView(map.span.bytes), entrySize: 48))
        }
        guard isWritten else { return nil }
        bytes.replaceSubrange(Int(Self.address)..<Int(Self.address + size), with: block)
        func text(_ range: AddressRange) -> String {
            String(decoding: bytes[Int(range.start)..<Int(range.end)], as: UTF8.self)
        }
        var platform = Platform(.uefi, information: Self.address)
        try platform.read(PhysicalMemory(ByteView(bytes.span.bytes), origin: 0))
        let facts = platform.facts
        return Told(
            modules: (0..<facts.moduleCount).map { (facts.module($0).range, text(facts.module($0).commandLine)) },
            regions: (0..<facts.memoryMap.count).map { facts.memoryMap[$0] }, commandLine: text(facts.commandLine),
            rsdp: facts.rsdp, confidentialBlob: facts.confidentialBlob)
    }

    private static let app = AddressRange(0x3_0000, 0x3_1234), library = AddressRange(0x3_2000, 0x3_2001)

    @Test func `the loader reads everything that was written`() throws {
        let name = Self.wide("libgrün.so.1"), line = Self.wide("loader.verbose -- one")
        let told = try told { writer in
            writer.addModule(Self.app) && writer.setCommandLine(FirmwareText(ByteView(line.span.bytes)))
                && writer.addModule(Self.library, name: FirmwareText(ByteView(name.span.bytes)))
        }
        #expect(
            told
                == Told(
                    modules: [(Self.app, ""), (Self.library, "libgrün.so.1")],
                    regions: [MemoryRegion(range: AddressRange(0, 0x4_0000), kind: .available)],
                    commandLine: "loader.verbose -- one", rsdp: 0xf_1234))
    }

    /// Each form of UTF-8 at its first and its last character, and halves of pairs.
    @Test func `characters of every size are written`() throws {
        for number in [
            0x21, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x1_0000, 0x1_03ff, 0x1_0400, 0xf_ffff,
            0x10_ffff,
        ] as [UInt32] {
            let text = "a\(Character(UnicodeScalar(number)!))b"
            let units = Self.wide(text)
            let told = try told { $0.setCommandLine(FirmwareText(ByteView(units.span.bytes))) }
            #expect(told?.commandLine == text, "\(number)")
        }
        for units in [
            [0xd800], [0xdbff], [0xdc00], [0xdfff], [0xd800, 0xd800], [0xdc00, 0xd800], [0xd800, 0xe000],
            [0xdc00, 0xdc00],
        ]
            as [[UInt16]]
        {
            let bytes = ([0x61] + units + [0x62, 0]).flatMap { littleEndian($0) }
            let expected =
                "a" + units.map { 0xd800...0xdfff ~= $0 ? "\u{fffd}" : String(UnicodeScalar($0)!) }.joined() + "b"
            #expect(try told { $0.setCommandLine(FirmwareText(ByteView(bytes.span.bytes))) }?.commandLine == expected)
        }
    }

    /// Only the complete mark counts.
    @Test func `a byte order mark is left out`() throws {
        for (mark, isMark) in [
            ([0xef, 0xbb, 0xbf], true), ([0xef, 0xbb, 0xbe], false), ([0xef, 0xba, 0xbf], false),
            ([0xee, 0xbb, 0xbf], false),
            ([0xef, 0xbb], false), ([0xef], false), ([], false),
        ] as [([UInt8], Bool)] {
            let file = mark + Array("xyz".utf8)
            let found = try told { $0.setCommandLine(file: ByteView(file.span.bytes)) }
            let expected = isMark ? "xyz" : String(decoding: file, as: UTF8.self)
            #expect(found?.commandLine == expected)
        }
        let alone: [UInt8] = [0xef, 0xbb, 0xbf]
        #expect(try told { $0.setCommandLine(file: ByteView(alone.span.bytes)) }?.commandLine == "")
    }

    @Test func `a start info with only a memory map`() throws {
        let told = try told { _ in true }
        #expect(told?.modules.isEmpty == true && told?.commandLine == "")
    }

    @Test func `neighbours of one kind are one region`() throws {
        let descriptors = [
            Descriptor(type: 3, start: 0, pages: 1), Descriptor(type: 7, start: 0x1000, pages: 0x3f),
            Descriptor(type: 10, start: 0x4_0000, pages: 1), Descriptor(type: 7, start: 0x4_1000, pages: 1),
            Descriptor(type: 2, start: 0x4_2000, pages: 1), Descriptor(type: 7, start: 0x4_4000, pages: 1),
        ]
        // Each region that does not merge takes 24 bytes: with one less there is no room.
        let size = StartInfoWriter.size(texts: 0, regions: 4)
        #expect(
            try told(size: size, descriptors) { _ in true }?.regions == [
                MemoryRegion(range: AddressRange(0, 0x4_0000), kind: .available),
                MemoryRegion(range: AddressRange(0x4_0000, 0x4_1000), kind: .acpiNonVolatile),
                MemoryRegion(range: AddressRange(0x4_1000, 0x4_3000), kind: .available),
                MemoryRegion(range: AddressRange(0x4_4000, 0x4_5000), kind: .available),
            ])
        #expect(try told(size: size - 24, descriptors) { _ in true } == nil)
    }

    @Test func `seventeen modules are too many`() throws {
        #expect(try told { writer in (0..<16).allSatisfy { _ in writer.addModule(Self.app) } }?.modules.count == 16)
        #expect(try told { writer in (0..<17).allSatisfy { _ in writer.addModule(Self.app) } } == nil)
    }

    @Test func `a text without room is reported`() throws {
        let line = Self.wide(String(repeating: "x", count: 100))
        let size = StartInfoWriter.size(texts: 101, regions: 1)
        #expect(
            try told(size: size) { $0.setCommandLine(FirmwareText(ByteView(line.span.bytes))) }?.commandLine.utf8.count
                == 100)
        for less in [24, 40, 125] as [UInt64] {
            #expect(
                try told(size: size - less) { $0.setCommandLine(FirmwareText(ByteView(line.span.bytes))) } == nil,
                "\(less)")
        }
    }

    /// The NUL of a line belongs to it, and needs room.
    @Test(arguments: [0, 1, 7, 100]) func `a line's end needs room`(_ count: Int) {
        let text = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        let ends = (0...0x1000).lazy.map { size -> [UInt8]? in
            var block = [UInt8](repeating: 0xee, count: size)
            var span = block.mutableSpan
            var isWritten = false
            do {
                var writer = StartInfoWriter(
                    ByteRegion(span.mutableBytes, at: Self.address), rsdp: 0, confidentialBlob: 0)
                isWritten = writer.setCommandLine(file: ByteView(text.span))
            }
            return isWritten ? block : nil
        }
        let first = ends.first { $0 != nil } ?? nil
        #expect(first?.suffix(count + 1) == (text + [0])[...])
    }

    // MARK: The command line

    /// Load options, and the resulting command line.
    static let options: [(String, String)] = [
        ("", ""), ("   ", ""), (" -- one two ", "-- one two"), ("-- a\tb", "-- a b"),
        // OVMF's word for QEMU's -initrd, and similar ones of users.
        (" initrd=initrd", ""), ("initrd=initrd", ""), ("-- one initrd=initrd", "-- one"),
        ("-- one initrd=initrd2", "-- one initrd=initrd2"), ("-- xinitrd=initrd", "-- xinitrd=initrd"),
        ("initrd=initrd -- one", "initrd=initrd -- one"), ("-- initrd=initrd initrd=initrd", "-- initrd=initrd"),
        // GRUB's first word, and the shell's.
        ("BOOT_IMAGE=/loader.efi loader.quiet -- a", "loader.quiet -- a"), ("BOOT_IMAGE=/x", ""),
        ("fs0:\\EFI\\loader.EFI -- a.efi", "-- a.efi"), ("loader.efi", ""), ("-- loader.efi", "-- loader.efi"),
        (".efi", ""), ("efi", "efi"), ("BOOT_IMAGE", "BOOT_IMAGE"),
        ("BOOT_IMAGE=x -- y initrd=initrd", "-- y"), ("env=A=ä€😀 -- b", "env=A=ä€😀 -- b"),
    ]

    @Test(arguments: options) func `words that others have added are removed from load options`(
        _ options: String, _ line: String
    ) throws {
        let bytes = Self.wide(options)
        // With or without a terminating 0.
        for count in [bytes.count, bytes.count - 2] {
            let part = Array(bytes[..<count])
            #expect(try told { $0.setCommandLine(FirmwareText(ByteView(part.span.bytes))) }?.commandLine == line)
        }
    }

    @Test func `options that are not text are ignored`() throws {
        for bytes in [[1, 0, 2, 0], [0x41], [0x41, 0, 0x42], [0x0a, 0]] as [[UInt8]] {
            #expect(
                try told { $0.setCommandLine(FirmwareText(ByteView(bytes.span.bytes))) }?.commandLine == "", "\(bytes)")
        }
    }

    static let files: [(String, String)] = [
        ("", ""), ("\n", ""), ("-- one two\n", "-- one two"), ("loader.quiet\r\n-- one\r\n", "loader.quiet  -- one"),
        ("\u{feff}-- one", "-- one"), ("-- a\0b", "-- a"), ("a.efi -- b initrd=initrd", "a.efi -- b initrd=initrd"),
        ("\u{feff}", ""), ("-- ä", "-- ä"),
    ]

    @Test(arguments: files) func `a file's lines are joined`(_ file: String, _ line: String) throws {
        let bytes = Array(file.utf8)
        #expect(try told { $0.setCommandLine(file: ByteView(bytes.span.bytes)) }?.commandLine == line)
    }

    // MARK: Texts and folders

    @Test func `half a pair of surrogates is not a character`() throws {
        let name = [0xd800, 0x41, 0xdc00, 0xd83d, 0xde00, 0xdbff].flatMap { littleEndian(UInt16($0)) }
        let told = try told { $0.addModule(Self.app, name: FirmwareText(ByteView(name.span.bytes))) }
        #expect(told?.modules.first?.1 == "\u{fffd}A\u{fffd}😀\u{fffd}")
    }

    @Test(
        arguments: [
            ("libfoo.so", true), ("LIBFOO.SO", true), ("libfoo.so.1", true), (".so", true), ("a.so.b", true),
            ("libfoo.sox", false), ("libfooso", false), ("hermit-app", false), ("so", false), ("", false),
            ("a.s", false),
            ("a.sol.so", true),
        ])
    func `shared objects are recognised by their names`(_ name: String, _ isShared: Bool) {
        let bytes = Self.wide(name)
        #expect(FirmwareText(ByteView(bytes.span.bytes)).namesSharedObject == isShared)
        var entry = [UInt8](repeating: 0, count: 80) + bytes
        #expect(FolderEntry(ByteView(entry.span.bytes))?.isSharedObject == isShared)
        // EFI_FILE_DIRECTORY.
        entry.put(UInt64(0x10), at: 72)
        #expect(FolderEntry(ByteView(entry.span.bytes))?.isSharedObject == false)
    }

    @Test func `an entry without a name is ignored`() {
        for count in [0, 72, 80] {
            let bytes = [UInt8](repeating: 0, count: count)
            let isEntry = FolderEntry(ByteView(bytes.span.bytes)) != nil
            #expect(!isEntry)
        }
    }
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct StartProblemTests {
    /// All of them: numbers from 0 on.
    private static let problems = (0...UInt8.max).compactMap(StartProblem.init(rawValue:))

    @Test func `every problem has a sentence, advice and a status`() {
        #expect(Self.problems.count == 9)
        for problem in Self.problems {
            let (sentence, advice) = (string(problem.sentence), string(problem.advice))
            #expect(sentence.count > 10 && advice.count > 10, "\(problem)")
            #expect(
                !sentence.hasSuffix(".") && sentence.first?.isLowercase == true && !advice.contains("  "), "\(problem)")
            // EFI_SUCCESS would mean success.
            #expect(problem.status >> 63 == 1 && problem.status << 1 != 0, "\(problem)")
        }
        #expect(Set(Self.problems.map { string($0.sentence) }).count == Self.problems.count)
    }

    private func string(_ text: Text) -> String {
        String(decoding: (0..<text.count).map { text[$0] }, as: UTF8.self)
    }
}
