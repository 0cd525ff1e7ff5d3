// The compiler that built the kernel, as its file names it, and the layout of BootInfo that follows.

import Boot
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct CompilerTests {
    /// An object file of entry version `version`, with this `.comment`.
    private static func file(_ version: UInt8, _ comment: [UInt8]?, flags: UInt64 = 0x30, name: String = ".comment")
        -> [UInt8]
    {
        var file = ObjectFile()
        file.symbols = [ObjectSymbol(name: "_start", size: 1, info: 0x12, section: 1)]
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [0xf4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(version)),
        ]
        if let comment { file.sections.append(ObjectSection(name: name, flags: flags, bytes: comment)) }
        return file.bytes
    }

    /// A comment, and the compiler's minor version; nil if the compiler is unknown.
    private func decision(
        _ file: [UInt8], _ options: LoaderOptions = LoaderOptions()
    ) throws(Fault) -> (compiler: RustVersion?, isAligned: Bool) {
        let application = try Application(ByteView(file.span.bytes), options)
        return (application.decidingCompiler, application.alignsWideIntegers)
    }

    static let comments: [(String, UInt64?)] = [
        ("rustc version 1.77.0 (aedd173a2 2024-03-17)", 77), ("rustc version 1.76.0", 76), ("rustc version 1.9.0", 9),
        ("\0Linker: LLD 18.1.3\0rustc version 1.78.0-nightly (f4b771bf1 2024-03-14)\0", 78),
        // Of two compilers the older one counts if both use one layout for BootInfo; otherwise the compiler is unknown.
        ("rustc version 1.79.0\0rustc version 1.78.0", 78), ("rustc version 1.70.0\0rustc version 1.60.0", 60),
        ("rustc version 1.80.0\0rustc version 2.5.0", 80), ("rustc version 2.5.0\0rustc version 1.80.0", 80),
        ("rustc version 2.1.0\0rustc version 2.0.0", 0), ("rustc version 0.90.0\0rustc version 1.5.0", 90),
        ("rustc version 1.70.0\0rustc version 1.80.0", nil), ("rustc version 1.80.0\0rustc version 1.70.0", nil),
        ("clang version 17.0.0", nil), ("", nil), ("rustc version", nil), ("rustc version ", nil),
        ("rustc version 1", nil), ("rustc version 1.", nil), ("rustc version x.77", nil),
        ("rustc version 1.777777777777777777777777", 777_777), ("rrustc version 1.77", 77), ("r", nil),
        (String(repeating: "r", count: 5000) + "rustc version 1.77", nil),
    ]

    @Test(arguments: comments) func `the comment's compiler decides`(_ comment: String, _ minor: UInt64?) throws {
        for version in [2, 3] as [UInt8] {
            let found = try decision(Self.file(version, Array(comment.utf8)))
            let isAligned = found.compiler.map { $0.major > 1 || $0.major == 1 && $0.minor >= 77 } ?? false
            #expect(found.compiler?.minor == minor && found.isAligned == isAligned)
        }
        for version in [1, 4] as [UInt8] {
            let found = try decision(Self.file(version, Array(comment.utf8)))
            #expect(found.compiler == nil && !found.isAligned)
        }
    }

    /// A linked file of entry version `version`, with this `.comment` among its sections.
    private static func linked(_ version: UInt8, _ comment: String) -> [UInt8] {
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(hermitNote(version))
        let (text, names) = (Array(comment.utf8), Array("\0.comment\0.shstrtab\0".utf8))
        let sections = [
            (writer.append(text, align: 8), text.count, 1), (writer.append(names, align: 8), names.count, 10),
        ]
        var file = writer.bytes
        file += [UInt8](repeating: 0, count: -file.count & 7)
        let headers = file.count
        file += [UInt8](repeating: 0, count: 3 * 64)
        for (index, section) in sections.enumerated() {
            let header = headers + 64 * (index + 1)
            file.put(UInt32(section.2), at: header)
            file.put(index == 0 ? 1 : 3 as UInt32, at: header + 4)
            file.put(index == 0 ? 0x30 : 0 as UInt64, at: header + 8)
            file.put(section.0, at: header + 24)
            file.put(UInt64(section.1), at: header + 32)
        }
        file.put(UInt64(headers), at: 40)
        for (offset, value) in [(58, 64), (60, 3), (62, 2)] as [(Int, UInt16)] { file.put(value, at: offset) }
        return file
    }

    @Test(arguments: comments) func `a linked file's comment decides as well`(_ comment: String, _ minor: UInt64?)
        throws
    {
        for version in [2, 3] as [UInt8] {
            let found = try decision(Self.linked(version, comment))
            let isAligned = found.compiler.map { $0.major > 1 || $0.major == 1 && $0.minor >= 77 } ?? false
            #expect(found.compiler?.minor == minor && found.isAligned == isAligned)
        }
        #expect(try decision(Self.linked(4, comment)).compiler == nil)
        // Without a sound section table the compiler is unknown.
        let damaged = Self.linked(3, comment).putting(63 as UInt16, at: 58)
        #expect(try decision(damaged).compiler == nil)
    }

    @Test func `an option overrides it`() throws {
        var options = LoaderOptions()
        for comment in [nil, "rustc version 1.78.0", "rustc version 1.60.0"] {
            for isAligned in [false, true] {
                options.alignsWideIntegers = isAligned
                let found = try decision(Self.file(2, comment.map { Array($0.utf8) }), options)
                #expect(found.compiler == nil && found.isAligned == isAligned)
            }
        }
        for isAligned in [false, true] {
            options.alignsWideIntegers = isAligned
            #expect(
                fault { _ = try decision(Self.file(4, nil), options) } == Fault(.alignmentOptionMisplaced, value: 4))
        }
    }

    @Test func `only a section of that name that is not in memory counts`() throws {
        let comment = Array("rustc version 1.78.0".utf8)
        #expect(try decision(Self.file(3, comment, name: ".comments")).compiler == nil)
        #expect(try decision(Self.file(3, comment, flags: 2)).compiler == nil)
        #expect(try decision(Self.file(3, comment)).compiler?.minor == 78)
    }
}
