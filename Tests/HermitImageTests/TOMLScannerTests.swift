// hermit.toml character by character: the allowed characters of keys, strings, comments and numbers.

import Bytes
import Diagnostics
import HermitImage
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct TOMLScannerTests {
    /// The fault of a document that begins with a version and a kernel.
    private func refusal(_ rest: [UInt8]) -> Fault? {
        let document = Array("version = '1'\nkernel = 'k'\n".utf8) + rest
        return fault { _ = try HermitConfig(ByteView(document.span)) }
    }

    @Test func `keys without quotes consist of letters, digits, underscores and dashes`() {
        for byte in 0...255 as ClosedRange<UInt8> {
            let character = Character(UnicodeScalar(byte))
            let isBare = byte < 128 && (character.isLetter || character.isNumber) || byte == 0x2d || byte == 0x5f
            // An unknown key is still a key.
            let found = refusal([byte] + Array("y = 1".utf8))
            let isSpace = byte == 0x20 || byte == 9 || byte == 10 || byte == 0x23
            guard !isSpace, byte != 0x5b else { continue }
            #expect(found?.rule == (isBare ? .configurationKey : .configurationSyntax), "\(byte)")
            let second = refusal([0x78, byte] + Array(" = 1".utf8))
            #expect(second?.rule == .configurationKey || byte == 0x22 || byte == 0x27, "\(byte)")
        }
    }

    /// Separators of a document's parts: blanks and comments anywhere, line ends of one byte or two, a lone CR nowhere.
    @Test func `line ends, blanks and comments separate a document's parts`() {
        for (text, isRight) in [
            ("\n", true), ("\r\n", true), ("\r", false), ("\r\r\n", false), ("\n\r", false), (" \t \n", true),
            ("# c", true),
            ("# c\r\n", true), ("# c\r", false), ("# c\rx\n", false), ("#\u{7f}", false), ("#\u{1}\n", false),
            ("#\t\u{e9}\n", true),
            ("[requirements] # c\ncpus = 1 # c\n# d", true), ("[requirements]\ncpus = 1\r", false),
            ("[requirements] cpus = 1", false),
            ("[requirements]\r\ncpus = 1\r\n", true), ("[ requirements\t]", true), ("[requirements", false),
            ("[require ments]", false),
            ("[\"requirements\"]\n'cpus'=1", true), ("[requirements]\ncpus = \n1", false),
            ("[requirements]\ncpus\n= 1", false),
            ("[requirements]\ncpus = 1 1", false),
            ("[input]\napp_args = [ # c\n 'a' # c\n , # c\n 'b', # c\n ] # c\n", true),
            ("[input]\napp_args = ['a'\r\n,\r\n]", true), ("[input]\napp_args = ['a'\r,]", false),
            ("[input]\napp_args = [,]", false),
            ("[input]\napp_args = ['a'", false), ("[input]\napp_args = [", false), ("[input]\napp_args = ['a',", false),
            ("[]", false),
            ("[input]\napp_args = []]", false), ("\u{0}", false), ("x", false), ("= 1", false), ("''' ''' = 1", false),
        ] {
            #expect((refusal(Array(text.utf8)) == nil) == isRight, "\(text.debugDescription)")
        }
    }

    /// A fault's line and column are counted in characters, for both line ends.
    @Test func `lines end with LF, and columns are characters`() {
        for (text, line, column) in [
            ("x", 3, 1), ("\n\nx", 5, 1), ("\r\n\r\nx", 5, 1), ("  x", 3, 3), ("\t\tx", 3, 3),
            ("# \u{e9}\u{4e2d}\u{1f600}\nx", 4, 1),
            ("'\u{e9}\u{4e2d}\u{1f600}' x", 3, 1), ("[input]\r\napp_args = ['\u{1f600}', 1]", 4, 18),
        ] as [(String, UInt64, UInt64)] {
            let found = refusal(Array(text.utf8))
            #expect(found?.value == line && found?.limit == column, "\(text.debugDescription)")
        }
    }

    /// UTF-8 as in the Unicode standard, at the first and the last byte of each row of its table 3-7, compared with the standard library.
    @Test func `strings and comments are UTF-8`() {
        let second: [UInt8] = [0x27, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
        let others: [UInt8] = [0x41, 0x80, 0xbf, 0xc0]
        for first in 0x7e...0xff as ClosedRange<UInt8> {
            for two in second where two != 0x27 {
                for three in others {
                    for four in others {
                        let bytes = [first, two, three, four]
                        let isRight = String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0x7f)
                        let string = refusal(Array("[input]\napp_args = ['".utf8) + bytes + Array("']".utf8))
                        let comment = refusal(Array("#".utf8) + bytes)
                        guard (string == nil) == isRight, (comment == nil) == isRight else {
                            Issue.record("\(bytes)")
                            return
                        }
                    }
                }
            }
            // Cut off by the string's end, and by the document's.
            for count in 1...3 {
                let bytes = [first, 0x90, 0x80].prefix(count)
                let isRight = String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0x7f)
                #expect((refusal(Array("[input]\napp_args = ['".utf8) + bytes + Array("']".utf8)) == nil) == isRight)
                #expect((refusal(Array("#".utf8) + bytes) == nil) == isRight)
            }
        }
    }

    /// Strings contain no control characters except tabs, and line ends in multi-line strings.
    @Test func `control characters are refused`() {
        for byte in 0...0x7f as ClosedRange<UInt8> {
            for (quote, isMultiline) in [("'", false), ("\"", false), ("'''", true), ("\"\"\"", true)] {
                guard byte != 0x5c, byte != quote.utf8.first else { continue }
                let isRight = byte >= 0x20 && byte != 0x7f || byte == 9 || byte == 10 && isMultiline
                let text = Array("[input]\napp_args = [\(quote)a".utf8) + [byte] + Array("b\(quote)]".utf8)
                #expect((refusal(text) == nil) == isRight, "\(byte) \(quote)")
            }
        }
    }

    /// Numbers up to 63 bits in every base, and their forms.
    @Test func `integers have 63 bits, in every base`() {
        for (text, value) in [
            ("0", 0), ("00", nil), ("01", nil), ("0_1", nil), ("10", 10), ("1_0", 10), ("1__0", nil), ("_1", nil),
            ("1_", nil), ("+", nil),
            ("-", nil), ("+0", 0), ("-0", 0), ("+1", 1), ("--0", nil), ("+-0", nil), ("0x", nil), ("0x_1", nil),
            ("0x1_f", 31),
            ("0xg", nil), ("0X1", nil), ("+0x1", nil), ("-0x0", nil), ("0o7", 7), ("0o8", nil), ("0o", nil), ("0b1", 1),
            ("0b2", nil),
            ("0b", nil), ("0x00ff", 255), ("0o017", 15), ("0b0011", 3), ("9a", nil), ("9-", nil), ("9.0", nil),
            ("9e1", nil),
            ("07:30", nil), ("1979-05-27", nil), ("9223372036854775807", .max >> 1),
            ("0x7fff_ffff_ffff_ffff", .max >> 1),
            ("0o777777777777777777777", .max >> 1), ("0b" + String(repeating: "1", count: 63), .max >> 1), ("'1'", 1),
            ("inf", nil),
            ("", nil), ("true", nil), ("[1]", nil),
        ] as [(String, UInt64?)] {
            let document = Array("version = '1'\nkernel = 'k'\n[requirements]\nmemory = \(text)".utf8)
            var memory: UInt64?
            let found = fault { memory = try HermitConfig(ByteView(document.span)).memory }
            #expect(memory == value && (found == nil) == (value != nil), "\(text)")
            if value == nil { #expect(found?.rule == .configurationSyntax, "\(text)") }
        }
        // One more than the largest, and more digits than any number has.
        for text in [
            "9223372036854775808", "0x8000000000000000", "0o1000000000000000000000",
            "0b1" + String(repeating: "0", count: 63), "-1",
            "18446744073709551616", "99999999999999999999999", "0xffffffffffffffffffff",
        ] {
            #expect(
                refusal(Array("[requirements]\nmemory = \(text)".utf8))
                    == Fault(.configurationValue, value: 4, limit: 10), "\(text)")
        }
    }

    /// The value of an escape, at the limits of UTF-8's forms and of valid characters.
    @Test func `escapes are encoded`() throws {
        for number in [
            1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xffff, 0x1_0000, 0x3_ffff, 0x4_0000,
            0x10_ffff, 0x11_0000, 0xffff_ffff,
        ] as [UInt32] {
            let scalar = UnicodeScalar(number)
            for digits in [4, 8] where number >> UInt32(digits * 4 - 1) <= 1 || digits == 8 {
                guard digits == 8 || number <= 0xffff else { continue }
                for text in [String(number, radix: 16), String(number, radix: 16, uppercase: true)] {
                    let escape =
                        (digits == 4 ? "\\u" : "\\U") + String(repeating: "0", count: digits - text.count) + text
                    let document = Array("version = '1'\nkernel = \"a\(escape)b\"".utf8)
                    guard let scalar else {
                        #expect(fault { _ = try HermitConfig(ByteView(document.span)) }?.rule == .configurationSyntax)
                        continue
                    }
                    let config = try HermitConfig(ByteView(document.span))
                    let expected = Array("a\(Character(scalar))b".utf8)
                    let isSame = config.kernel.isSame(as: ByteView(expected.span))
                    #expect(isSame, "\(escape)")
                    for other in [Array(expected.dropLast()), expected + [0x62], expected.map { $0 ^ 1 }] {
                        let isOther = config.kernel.isSame(as: ByteView(other.span))
                        #expect(!isOther)
                    }
                }
            }
        }
        for text in ["\\u004", "\\u004g", "\\U0000004", "\\u", "\\x41", "\\a", "\\ ", "\\", "\\u-041"] {
            #expect(refusal(Array("[input]\napp_args = [\"\(text)\"]".utf8))?.rule == .configurationSyntax, "\(text)")
        }
    }
}
