// hermit.toml, with Python's tomllib as a witness.

import Bytes
import Diagnostics
import Foundation
import HermitImage
import TestSupport
import Testing

/// A document's contents, in JSON's order; nil if it is refused.
struct Reading: Equatable, Codable {
    var kernel = "", kernelArguments: [String] = [], arguments: [String] = [], variables: [String] = []
    var memory: UInt64 = 0, processors: UInt64 = 0

    init(_ text: [UInt8]) throws(Fault) {
        let config = try HermitConfig(ByteView(text.span))
        kernel = Reading.text(config.kernel)
        kernelArguments = Reading.texts(config.kernelArguments)
        arguments = Reading.texts(config.arguments)
        variables = Reading.texts(config.variables)
        (memory, processors) = (config.memory, config.processors)
    }

    private static func text(_ string: TOMLString) -> String {
        var (letters, bytes) = (string, [UInt8]())
        while let byte = letters.next() { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func texts(_ strings: TOMLStrings) -> [String] {
        var (rest, list) = (strings, [String]())
        while let string = rest.next() { list.append(text(string)) }
        return list
    }
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HermitConfigTests {
    private static let example = #"""
        # An image.
        version = "1"   # the only one
        "kernel" = "/bin/app\u00e9"

        [ input ]
        kernel_args = ["-freq 1000", '-ip', "10.0.5.3",]
        app_args = [ # several
          "one\ttwo \"quoted\" \\ \U0001F600",
          'C:\path', """
        first
          second \
            third""",
          '''
        lit'er''al''', """"two quotes""""", "",
        ]
        env_vars = ["A=b", "HOST"]

        [requirements]
        memory = "64 MiB"
        cpus = 0x1_0
        """#

    @Test func `every key is read`() throws {
        for text in [Self.example, Self.example.replacing("\n", with: "\r\n"), Self.example + "\n\n# end"] {
            let reading = try Reading(Array(text.utf8))
            #expect(reading.kernel == "/bin/app\u{e9}")
            #expect(reading.kernelArguments == ["-freq 1000", "-ip", "10.0.5.3"])
            #expect(
                reading.arguments == [
                    "one\ttwo \"quoted\" \\ \u{1f600}", "C:\\path", "first\n  second third", "lit'er''al",
                    "\"two quotes\"\"", "",
                ])
            #expect(reading.variables == ["A=b", "HOST"])
            #expect(reading.memory == 64 << 20 && reading.processors == 16)
        }
        for (number, value) in [
            ("0", 0), ("+0", 0), ("-0", 0), ("1", 1), ("+7", 7), ("1_000", 1000), ("0x0", 0), ("0xfF", 255),
            ("0o17", 15),
            ("0b101", 5), ("4294967295", 4_294_967_295),
        ] as [(String, UInt64)] {
            let text = "version='1'\nkernel='k'\n[requirements]\ncpus = \(number)\nmemory = \(number) # end\n"
            let reading = try Reading(Array(text.utf8))
            #expect(reading.processors == value && reading.memory == value, "\(number)")
        }
        let least = try Reading(Array("kernel='k'\nversion='1'".utf8))
        #expect(least.kernel == "k" && least.arguments.isEmpty && least.memory == 0 && least.processors == 0)
    }

    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("10 B", 10), ("1K", 1000), ("1KB", 1000), ("1 kB", 1000), ("1Ki", 1024),
            ("1 KiB", 1024),
            ("128M", 128_000_000), ("64 MiB", 64 << 20), ("1.5 GiB", 3 << 29), ("0.1KiB", 103),
            ("2TB", 2_000_000_000_000),
            ("1EiB", 1 << 60), (" 7 ", 7),
        ] as [(String, UInt64)])
    func `amounts of memory are read`(_ text: String, _ bytes: UInt64) throws {
        let document = "version = '1'\nkernel = 'k'\n[requirements]\nmemory = '\(text)'"
        #expect(try Reading(Array(document.utf8)).memory == bytes)
    }

    /// The largest is 2^63 - 1, whichever part exceeds it: the number, its product with the unit, the fraction, their sum.
    @Test(
        arguments: [
            ("7.999999999EiB", 9_223_372_035_701_854_304), ("8EiB", nil), ("8191PiB", 8191 << 50), ("8192PiB", nil),
            ("16384PiB", nil),
            ("9.223372036EB", 9_223_372_036_000_000_000), ("9.223372037EB", nil), ("9EB", 9_000_000_000_000_000_000),
            ("10EB", nil), ("18EB", nil), ("18.4EB", nil), ("18.5EB", nil), ("18.999999999E", nil), ("19E", nil),
            ("36.8EB", nil),
            ("15.999999999EiB", nil), ("16EiB", nil), ("16.5EiB", nil), ("576460752303423487", (1 << 59) - 1),
            ("576460752303423488", nil), ("576460752303423487K", nil), ("1.000000001G", 1_000_000_001),
            ("1.0000000001G", nil),
            ("0.000000001G", 1), ("0.0000000001K", nil), ("0.0001K", 1), ("1.0009Ki", 1025), ("1.Ki", nil),
            (".5Ki", nil), ("1.5.5K", nil),
            ("1 .5K", nil), ("1k", 1000), ("1kiB", 1024), ("1P", 1_000_000_000_000_000), ("1PiB", 1 << 50),
            ("3T", 3_000_000_000_000),
            ("3TiB", 3 << 40), ("1E", 1_000_000_000_000_000_000), ("1m", nil), ("1iB", nil), ("1KBB", nil),
            ("1Kii", nil), ("K", nil),
            ("", nil), (" ", nil), ("1 1", nil), ("1K 1", nil), ("1 K i", nil), ("-1", nil), ("1  KiB  ", 1024),
            ("0.5", 1), ("0EiB", 0),
        ] as [(String, UInt64?)])
    func `amounts of memory are read up to the largest`(_ text: String, _ bytes: UInt64?) throws {
        let document = Array("version = '1'\nkernel = 'k'\n[requirements]\nmemory = '\(text)'".utf8)
        guard let bytes else {
            #expect(fault { _ = try Reading(document) } == Fault(.configurationValue, value: 4, limit: 10))
            return
        }
        #expect(try Reading(document).memory == bytes)
    }

    @Test(
        arguments: [
            // The document, the rule that it breaks, and the place.
            ("", .configurationVersion, 1, 1), ("version = '1'", .configurationIncomplete, 0, 0),
            ("kernel = 'k'", .configurationVersion, 1, 1), ("version = '2'", .configurationVersion, 1, 11),
            ("version = 1", .configurationValue, 1, 11), ("version = '1'\nkernel = ''", .configurationValue, 2, 10),
            ("version = '1'\nkernel = [", .configurationValue, 2, 10),
            ("version = '1'\nversion = '1'", .configurationKey, 2, 1),
            ("name = 'x'", .configurationKey, 1, 1), ("kernel_args = []", .configurationKey, 1, 1),
            ("[input]\nmemory = 1", .configurationKey, 2, 1), ("[input]\n[input]", .configurationKey, 2, 2),
            ("[other]", .configurationKey, 1, 2), ("[[input]]", .configurationSyntax, 1, 2),
            ("[input]\napp_args = ['a' 'b']", .configurationSyntax, 2, 17),
            ("[input]\napp_args = ['a',,]", .configurationValue, 2, 17),
            ("[input]\napp_args = ['a', 1]", .configurationValue, 2, 18),
            ("[input]\napp_args = 'a'", .configurationValue, 2, 12),
            ("[input]\napp_args = [\"\\u0000\"]", .configurationValue, 2, 13),
            ("[input]\napp_args = [\"\\x\"]", .configurationSyntax, 2, 15),
            ("[input]\napp_args = [\"\\ud800\"]", .configurationSyntax, 2, 15),
            ("[input]\napp_args = ['\u{e9}\n']", .configurationSyntax, 2, 15),
            ("[input]\napp_args = ['''\n\u{7}''']", .configurationSyntax, 3, 1),
            ("[requirements]\ncpus = -1", .configurationValue, 2, 8),
            ("[requirements]\ncpus = 01", .configurationSyntax, 2, 10),
            ("[requirements]\ncpus = 1.5", .configurationSyntax, 2, 9),
            ("[requirements]\ncpus = 4294967296", .configurationValue, 2, 8),
            ("[requirements]\ncpus = 1_", .configurationSyntax, 2, 10),
            ("[requirements]\ncpus = 0b12", .configurationSyntax, 2, 11),
            ("[requirements]\ncpus = true", .configurationSyntax, 2, 8),
            ("[requirements]\nmemory = '1 b'", .configurationValue, 2, 10),
            ("[requirements]\nmemory = '1X'", .configurationValue, 2, 10),
            ("[requirements]\nmemory = '9999999TiB'", .configurationValue, 2, 10),
            ("a.b = 1", .configurationKey, 1, 1), ("version = '1' kernel = 'k'", .configurationSyntax, 1, 15),
            ("version = '1\n'", .configurationSyntax, 1, 13), ("\u{1}", .configurationSyntax, 1, 1),
            ("# \u{7f}", .configurationSyntax, 1, 3),
            ("\r", .configurationSyntax, 1, 1), ("'''k''' = 1", .configurationSyntax, 1, 1),
            ("= 1", .configurationSyntax, 1, 1),
            ("version = '1'\0", .configurationSyntax, 1, 14),
        ] as [(String, Rule, UInt64, UInt64)])
    func `faults have a line and a column`(
        _ text: String, _ rule: Rule, _ line: UInt64, _ column: UInt64
    ) {
        let expected = Fault(rule, value: line, limit: column)
        #expect { try Reading(Array(text.utf8)) } throws: { ($0 as? Fault) == expected }
    }

    /// Code points of characters, at the borders of those that are none.
    @Test(
        arguments: [
            (0, false), (1, true), (0x7f, true), (0x80, true), (0x7ff, true), (0x800, true), (0xd7ff, true),
            (0xd800, false), (0xdbff, false), (0xdfff, false), (0xe000, true), (0xffff, true), (0x1_0000, true),
            (0x10_ffff, true), (0x11_0000, false), (0xffff_ffff, false),
        ] as [(UInt32, Bool)])
    func `escapes name characters`(_ number: UInt32, _ isCharacter: Bool) throws {
        let digits = String(number, radix: 16)
        let long = "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        let short = number > 0xffff ? long : "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        for escape in [long, short] {
            let text = Array("version = \"1\"\nkernel = \"k\"\n[input]\napp_args = [\"\(escape)\"]".utf8)
            let arguments = (try? Reading(text))?.arguments
            #expect(arguments == (isCharacter ? [String(UnicodeScalar(number)!)] : nil))
        }
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0x80], [0xc3], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are refused`(_ bytes: [UInt8]) {
        let expected = Fault(.configurationSyntax, value: 1, limit: 3)
        #expect { try Reading(Array("# ".utf8) + bytes) } throws: { ($0 as? Fault) == expected }
    }

    /// Python's tomllib accepts every document that is accepted here, and reads the same.
    @Test(.enabled(if: isInstalled("python3"), "python3 is not installed"))
    func `changed documents are accepted or refused as by tomllib`() async throws {
        let folder = try Folder()
        var random = Randomness(state: 9)
        let base = Array(Self.example.utf8)
        let pieces = [
            "\"", "'", "\\", "\n", "\r\n", "\"\"\"", "'''", "#", "[", "]", ",", " ", "\\u0041", "\\\n", "_", "0", "\t",
            "=", "x", "\u{e9}",
        ]
        var documents: [[UInt8]] = []
        for _ in 0..<6000 {
            var text = base
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                let piece = Array(pieces.randomElement(using: &random)!.utf8)
                let end = min(text.count, place + Int.random(in: 0...2, using: &random))
                text.replaceSubrange(place..<end, with: piece)
            }
            documents.append(text)
        }
        try folder.write("cases", documents.flatMap { littleEndian(UInt32($0.count)) + $0 })
        try await folder.python(
            """
            import struct, json
            try: import tomllib
            except ImportError: import tomli as tomllib
            cases, position, answers = open('cases', 'rb').read(), 0, []
            while position < len(cases):
                size, = struct.unpack_from('<I', cases, position)
                text = cases[position + 4:position + 4 + size]
                position += 4 + size
                try:
                    d = tomllib.loads(text.decode())
                    i, r = d.get('input', {}), d.get('requirements', {})
                    for strings in i.values(): assert all(isinstance(x, str) for x in strings)
                    answers.append(dict(kernel=d['kernel'], kernelArguments=i.get('kernel_args', []), arguments=i.get('app_args', []),
                                        variables=i.get('env_vars', []), memory=0, processors=r.get('cpus', 0)))
                except Exception as error: answers.append(None)
            json.dump(answers, open('answers', 'w'))
            """)
        let answers = try JSONDecoder().decode([Reading?].self, from: Data(try folder.read("answers")))
        var accepted = 0
        for (text, answer) in zip(documents, answers) {
            guard var reading = try? Reading(text) else { continue }
            accepted += 1
            reading.memory = 0
            #expect(reading == answer, "\(String(decoding: text, as: UTF8.self))")
        }
        #expect(accepted > 500)
    }

    @Test func `a document cut at any length or with any byte changed is read or refused`() {
        let base = Array(Self.example.utf8)
        for length in 0..<base.count { _ = try? Reading(Array(base.prefix(length))) }
        var refused = 0
        for offset in base.indices {
            for value in [0, 9, 10, 13, 0x22, 0x27, 0x5c, 0x80, 0xff] as [UInt8] {
                var changed = base
                changed[offset] = value
                if (try? Reading(changed)) == nil { refused += 1 }
            }
        }
        #expect(refused > 1000)
    }
}
