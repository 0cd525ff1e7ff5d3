// The command line of an image's kernel: from hermit.toml, from the user, and from both.

import Bytes
import Diagnostics
import HermitImage
import TestSupport
import Testing

@testable import Boot

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ImageCommandLineTests {
    /// The line for an image with this `configuration` and the user's `line`.
    static func line(_ configuration: String, _ line: String) throws -> String {
        let text = Array(("version = \"1\"\n" + configuration).utf8)
        let user = Array(line.utf8)
        let config = try HermitConfig(ByteView(text.span))
        var counter = LineWriter(ByteRegion(MutableRawSpan(), at: 0))
        ImageCommandLine.write(config, ByteView(user.span), to: &counter)
        let count = counter.count
        var room = [UInt8](repeating: 0xcc, count: count)
        var span = room.mutableSpan
        var writer = LineWriter(ByteRegion(span.mutableBytes, at: 0))
        ImageCommandLine.write(config, ByteView(user.span), to: &writer)
        // The counted size is the written size.
        let written = writer.count
        #expect(written == count)
        return String(decoding: room, as: UTF8.self)
    }

    static let full = """
        kernel = "bin/app"
        [input]
        kernel_args = ["-freq 1000", "-ip"]
        app_args = ["one", "two words"]
        env_vars = ["A=1", "HOST", "B=x y"]
        """
    static let variables = " env=A=1 'env=B=x y'"

    /// Whether a word is the user's path, a variable or an argument, in each spelling.
    @Test(arguments: [
        // Nothing, or only the path.
        ("", "bin/app -freq 1000 -ip", "", true), ("build/loader", "build/loader -freq 1000 -ip", "", true),
        ("  build/loader ", "build/loader -freq 1000 -ip", "", true),
        ("'a b'/loader", "'a b'/loader -freq 1000 -ip", "", true),
        (#"a\ b"#, #"a\ b -freq 1000 -ip"#, "", true), (#"a\"#, #"a\ -freq 1000 -ip"#, "", true),
        (#""a\" b""#, #""a\" b" -freq 1000 -ip"#, "", true), (#"'a\' b"#, #"'a\'"#, " b", false),
        (#"'a" b' c"#, #"'a" b'"#, " c", false), (#""a' b" c"#, #""a' b""#, " c", false),
        // A variable is neither a path nor an argument.
        ("env=C=2", "bin/app -freq 1000 -ip", " env=C=2", true),
        ("'env=C=2 3'", "bin/app -freq 1000 -ip", " 'env=C=2 3'", true),
        (#""env=C=2 3""#, "bin/app -freq 1000 -ip", #" "env=C=2 3""#, true),
        ("loader env=C=2 'env=D=3'", "loader -freq 1000 -ip", " env=C=2 'env=D=3'", true),
        (#"loader "env=C=2""#, "loader -freq 1000 -ip", #" "env=C=2""#, true),
        // Anything else replaces the image's arguments.
        ("loader -- three", "loader", " -- three", false), ("-- three", "bin/app", " -- three", false),
        ("-x", "bin/app", " -x", false), ("loader env=C=2 x", "loader", " env=C=2 x", false),
        ("loader   env", "loader", " env", false), ("loader env-C=2", "loader", " env-C=2", false),
    ]) func `the user's words are recognised`(_ user: String, _ start: String, _ rest: String, _ isImages: Bool) throws
    {
        let end = isImages ? " -- one 'two words'" : ""
        #expect(try Self.line(Self.full, user) == start + Self.variables + rest + end)
    }

    /// Words that a shell would split or change are quoted: each special byte alone, and empty words.
    @Test func `a word stays a word`() throws {
        for byte in (0x20...0x7e as ClosedRange<UInt8>) {
            let letter = String(UnicodeScalar(byte))
            let isPlain = letter.first!.isLetter || letter.first!.isNumber || "-_./=,:+@%".contains(letter)
            let escaped = letter == "\"" || letter == "\\" ? "\\" + letter : letter
            let expected = isPlain ? "a\(letter)" : letter == "'" ? #"'a'\'''"# : "'a\(letter)'"
            let line = try Self.line("kernel = \"k\"\n[input]\napp_args = [\"a\(escaped)\"]", "")
            #expect(line == "k -- " + expected)
            let variable = isPlain ? "env=V=\(letter)" : letter == "'" ? #"'env=V='\'''"# : "'env=V=\(letter)'"
            #expect(try Self.line("kernel = \"k\"\n[input]\nenv_vars = [\"V=\(escaped)\"]", "") == "k " + variable)
        }
        // The bytes 0xc3 and 0x80, 0xa9 or 0xbf.
        #expect(
            try Self.line("kernel = \"k\"\n[input]\napp_args = [\"\", \"À\", \"é\", \"ÿ\"]", "") == "k -- '' À é ÿ")
        #expect(try Self.line("kernel = \"a b\"", "") == "'a b'")
    }

    @Test func `missing parts leave no trace`() throws {
        #expect(try Self.line("kernel = \"k\"", "") == "k")
        #expect(
            try Self.line("kernel = \"k\"\n[input]\napp_args = []\nkernel_args = []\nenv_vars = [\"HOST\"]", "") == "k")
        #expect(try Self.line("kernel = \"k\"\n[input]\nkernel_args = [\"a  b\", \"\"]", "") == "k a  b ")
    }
}
