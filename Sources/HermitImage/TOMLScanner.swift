// TOML 1.0.0 (toml.io), as far as hermit.toml uses it: keys, tables, strings, integers and arrays of strings.

public import Bytes
import Diagnostics

/// A string of a document: the text between its quotes, which has been read once and found to be correct.
public struct TOMLString: ~Escapable {
    private let text: ByteView
    /// The offsets of the start and the end of the text, without its quotes.
    let start: UInt64, end: UInt64
    /// Whether backslashes begin escapes, and whether it may have several lines.
    private let isBasic: Bool, isMultiline: Bool
    private var offset: UInt64
    /// The bytes left of an escape's character, the next one lowest, and their number.
    private var pending: UInt32 = 0, pendingCount = 0

    /// The string that `text` has from `start` to `end`.
    @_lifetime(copy text)
    init(_ text: ByteView, from start: UInt64, to end: UInt64, isBasic: Bool, isMultiline: Bool) {
        self.text = text
        (self.start, self.end) = (start, end)
        (self.isBasic, self.isMultiline) = (isBasic, isMultiline)
        offset = start
    }

    /// The next byte of its UTF-8; nil at the end.
    @inline(never)  // Many callers: 10,000 bytes less.
    @_lifetime(self: copy self)
    public mutating func next() -> UInt8? {
        while true {
            if pendingCount > 0 {
                let byte = UInt8(truncatingIfNeeded: pending)
                pending >>= 8
                pendingCount &-= 1
                return byte
            }
            guard offset < end, let byte = text.byte(at: offset) else { return nil }
            offset &+= 1
            // CR LF counts as LF.
            if byte == 0x0d, isMultiline { continue }
            guard byte == UInt8(ascii: "\\"), isBasic else { return byte }
            guard let letter = text.byte(at: offset) else { return nil }
            offset &+= 1
            switch letter {
            case UInt8(ascii: "b"): return 8
            case UInt8(ascii: "t"): return 9
            case UInt8(ascii: "n"): return 10
            case UInt8(ascii: "f"): return 12
            case UInt8(ascii: "r"): return 13
            case UInt8(ascii: "u"): encode(digits: 4)
            case UInt8(ascii: "U"): encode(digits: 8)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): return letter
            default:
                // A backslash at the end of a line: skip white space and line ends.
                while offset < end, let space = text.byte(at: offset), space.isBlank || space.isLineEnd { offset &+= 1 }
            }
        }
    }

    /// Takes the code point of an escape, and encodes it in UTF-8.
    @_lifetime(self: copy self)
    private mutating func encode(digits: UInt64) {
        var number: UInt32 = 0
        let last = offset &+ digits
        while offset < last {
            number = number << 4 | UInt32((text.byte(at: offset) ?? 0).hexadecimalDigit & 15)
            offset &+= 1
        }
        if number < 0x80 {
            (pending, pendingCount) = (number, 1)
        } else if number < 0x800 {
            (pending, pendingCount) = (0x80c0 | number >> 6 | number << 8 & 0x3f00, 2)
        } else if number < 0x1_0000 {
            pending = 0x80_80e0 | number >> 12 | number << 2 & 0x3f00 | number << 16 & 0x3f_0000
            pendingCount = 3
        } else {
            pending =
                0x8080_80f0 | number >> 18 | number >> 4 & 0x3f00 | number << 10 & 0x3f_0000 | number << 24
                & 0x3f00_0000
            pendingCount = 4
        }
    }

    /// Whether it is `other`.
    public func isSame(as other: ByteView) -> Bool {
        var string = self
        var index: UInt64 = 0
        while let byte = string.next() {
            guard byte == other.byte(at: index) else { return false }
            index &+= 1
        }
        return index == other.count
    }
}

/// Reads a document from its start to its end.
struct TOMLScanner: ~Escapable {
    /// The document.
    let text: ByteView
    /// The offset of the next byte.
    var offset: UInt64 = 0

    /// A scanner at the start of `text`.
    @_lifetime(copy text)
    init(_ text: ByteView) { self.text = text }

    /// The next byte; 0 at the end. A document must not contain a 0.
    var byte: UInt8 { text.byte(at: offset) ?? 0 }

    /// A fault of `rule` at `offset`: its value is the line and its limit the column, both counted from 1, in characters.
    func fault(_ rule: Rule, at offset: UInt64) -> Fault {
        var (line, column): (UInt64, UInt64) = (1, 1)
        var index: UInt64 = 0
        while index < offset, let byte = text.byte(at: index) {
            index &+= 1
            if byte == 0x0a {
                (line, column) = (line &+ 1, 1)
            } else if byte & 0xc0 != 0x80 {
                column &+= 1
            }
        }
        return Fault(rule, value: line, limit: column)
    }

    /// The fault of text that breaks the syntax, at the current offset.
    var syntaxFault: Fault { fault(.configurationSyntax, at: offset) }

    /// Passes spaces and tabs.
    @_lifetime(self: copy self)
    mutating func skipBlanks() {
        while byte.isBlank { offset &+= 1 }
    }

    /// Passes `expected`. Throws `configurationSyntax` for anything else.
    @_lifetime(self: copy self)
    mutating func take(_ expected: UInt8) throws(Fault) {
        guard byte == expected, offset < text.count else { throw syntaxFault }
        offset &+= 1
    }

    /// Passes a line end; false if there is none.
    @_lifetime(self: copy self)
    private mutating func takeLineEnd() -> Bool {
        let isPair = byte == 0x0d && text.byte(at: offset &+ 1) == 0x0a
        guard isPair || byte == 0x0a else { return false }
        offset &+= isPair ? 2 : 1
        return true
    }

    /// Passes spaces, line ends and comments.
    @_lifetime(self: copy self)
    mutating func skipLines() throws(Fault) {
        repeat {
            skipBlanks()
            try skipComment()
        } while takeLineEnd()
    }

    /// Passes the rest of a line: spaces, a comment, and the line's end.
    @_lifetime(self: copy self)
    mutating func endLine() throws(Fault) {
        skipBlanks()
        try skipComment()
        guard offset == text.count || takeLineEnd() else { throw syntaxFault }
    }

    @_lifetime(self: copy self)
    private mutating func skipComment() throws(Fault) {
        guard byte == UInt8(ascii: "#") else { return }
        while offset < text.count, !byte.isLineEnd || byte == 0x0d && text.byte(at: offset &+ 1) != 0x0a {
            try passCharacter()
        }
    }

    /// Passes a character that strings and comments may contain: valid UTF-8, and no control character except the tab.
    @_lifetime(self: copy self)
    private mutating func passCharacter() throws(Fault) {
        let first = byte
        guard first >= 0x20 && first != 0x7f || first == 9 else { throw syntaxFault }
        guard first >= 0x80 else {
            offset &+= 1
            return
        }
        // The bytes that may come second (Unicode 15.0, table 3-7).
        var (low, high): (UInt8, UInt8) = (0x80, 0xbf)
        var following = 1
        switch first {
        case 0xc2...0xdf: break
        case 0xe0: (low, following) = (0xa0, 2)
        case 0xed: (high, following) = (0x9f, 2)
        case 0xe1...0xef: following = 2
        case 0xf0: (low, following) = (0x90, 3)
        case 0xf4: (high, following) = (0x8f, 3)
        case 0xf1...0xf3: following = 3
        default: throw syntaxFault
        }
        var index: UInt64 = 1
        while following > 0 {
            guard let next = text.byte(at: offset &+ index), next >= low, next <= high else { throw syntaxFault }
            (low, high) = (0x80, 0xbf)
            index &+= 1
            following &-= 1
        }
        offset &+= index
    }

    /// Passes a key: bare, or in quotes.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    mutating func key() throws(Fault) -> TOMLString {
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
            guard !isMultiline else { throw syntaxFault }
            return try string()
        }
        let start = offset
        while byte.isBare { offset &+= 1 }
        guard offset > start else { throw syntaxFault }
        return TOMLString(text, from: start, to: offset, isBasic: false, isMultiline: false)
    }

    /// Whether three quotes follow.
    private var isMultiline: Bool {
        text.byte(at: offset &+ 1) == byte && text.byte(at: offset &+ 2) == byte
    }

    /// Passes a string of any of the four kinds. Throws `configurationSyntax`.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    mutating func string() throws(Fault) -> TOMLString {
        let quote = byte
        guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { throw syntaxFault }
        let isBasic = quote == UInt8(ascii: "\"")
        let isMultiline = isMultiline
        offset &+= isMultiline ? 3 : 1
        // A line end right after the quotes is not part of the string.
        if isMultiline { _ = takeLineEnd() }
        let start = offset
        while true {
            guard offset < text.count else { throw syntaxFault }
            if byte == quote {
                if !isMultiline { break }
                // Up to two quotes may stand before the three that end it.
                if self.isMultiline {
                    if text.byte(at: offset &+ 3) == quote { offset &+= 1 }
                    if text.byte(at: offset &+ 3) == quote { offset &+= 1 }
                    break
                }
                offset &+= 1
            } else if byte == UInt8(ascii: "\\"), isBasic {
                offset &+= 1
                try passEscape(isMultiline: isMultiline)
            } else if !isMultiline || !takeLineEnd() {
                try passCharacter()
            }
        }
        let end = offset
        offset &+= isMultiline ? 3 : 1
        return TOMLString(text, from: start, to: end, isBasic: isBasic, isMultiline: isMultiline)
    }

    /// Passes the rest of an escape, after the backslash.
    @_lifetime(self: copy self)
    private mutating func passEscape(isMultiline: Bool) throws(Fault) {
        let letter = byte
        var digits: UInt64 = 0
        switch letter {
        case UInt8(ascii: "b"), UInt8(ascii: "t"), UInt8(ascii: "n"), UInt8(ascii: "f"), UInt8(ascii: "r"),
            UInt8(ascii: "\""), UInt8(ascii: "\\"):
            break
        case UInt8(ascii: "u"): digits = 4
        case UInt8(ascii: "U"): digits = 8
        default:
            // Spaces may stand between the backslash and the line's end.
            guard isMultiline else { throw syntaxFault }
            let start = offset
            skipBlanks()
            guard takeLineEnd() else { throw fault(.configurationSyntax, at: start) }
            repeat { skipBlanks() } while takeLineEnd()
            return
        }
        let start = offset
        offset &+= 1
        var number: UInt64 = 0
        while digits > 0 {
            guard byte.hexadecimalDigit < 16 else { throw syntaxFault }
            number = number << 4 | UInt64(byte.hexadecimalDigit)
            offset &+= 1
            digits &-= 1
        }
        // It must be a Unicode scalar value.
        guard number < 0xd800 || number > 0xdfff && number < 0x11_0000 else {
            throw fault(.configurationSyntax, at: start)
        }
    }

    /// Passes an integer that is not negative. Throws `configurationSyntax`, and `configurationValue` for one of more than 63 bits, and
    /// for a negative one.
    @_lifetime(self: copy self)
    mutating func integer() throws(Fault) -> UInt64 {
        let start = offset
        let isNegative = byte == UInt8(ascii: "-")
        let hasSign = isNegative || byte == UInt8(ascii: "+")
        if hasSign { offset &+= 1 }
        var radix: UInt64 = 10
        if byte == UInt8(ascii: "0"), !hasSign {
            switch text.byte(at: offset &+ 1) {
            case UInt8(ascii: "x"): radix = 16
            case UInt8(ascii: "o"): radix = 8
            case UInt8(ascii: "b"): radix = 2
            default: break
            }
            if radix != 10 { offset &+= 2 }
        }
        let first = offset
        var (number, count): (UInt64, UInt64) = (0, 0)
        var isDigit = false
        while true {
            let digit = UInt64(byte.hexadecimalDigit)
            if digit < radix {
                isDigit = true
                count &+= 1
                guard number <= (1 << 63 &- 1 &- digit) / radix else { throw fault(.configurationValue, at: start) }
                number = number &* radix &+ digit
            } else if byte == UInt8(ascii: "_"), isDigit {
                // An underscore stands only between digits.
                isDigit = false
            } else {
                break
            }
            offset &+= 1
        }
        // Leading zeros are not allowed in decimal numbers.
        guard isDigit, radix != 10 || count == 1 || text.byte(at: first) != UInt8(ascii: "0"), !byte.isBare,
            byte != UInt8(ascii: "."), byte != UInt8(ascii: ":")
        else { throw syntaxFault }
        guard !isNegative || number == 0 else { throw fault(.configurationValue, at: start) }
        return number
    }
}

extension UInt8 {
    /// A space or a tab.
    var isBlank: Bool { self == 0x20 || self == 9 }
    /// A byte of a line's end.
    var isLineEnd: Bool { self == 0x0a || self == 0x0d }
    /// Whether it may be part of a key without quotes.
    var isBare: Bool {
        let letter = self | 0x20
        return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z") || self >= 0x30 && self <= 0x39
            || self == UInt8(ascii: "-") || self == UInt8(ascii: "_")
    }
    /// The value of a hexadecimal digit; 0xff for any other byte.
    var hexadecimalDigit: UInt8 {
        let letter = (self | 0x20) &- UInt8(ascii: "a")
        let digit = self &- UInt8(ascii: "0")
        return digit < 10 ? digit : letter < 6 ? letter &+ 10 : 0xff
    }
}
