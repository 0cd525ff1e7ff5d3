// Rust's mangled names as people write them: the legacy scheme, and v0 (RFC 2603).

/// Names that rustc made.
enum RustName {
    /// The name that `symbol` stands for; nil where it is none of Rust's.
    static func demangle(_ symbol: String) -> String? {
        // LLVM gives what it has promoted or split a suffix.
        let bytes = Array(symbol.utf8)
        if bytes.starts(with: "_R".utf8) {
            var parser = RustPath(Array(bytes.dropFirst(2)))
            return parser.symbol()
        }
        return bytes.starts(with: "_ZN".utf8) ? legacy(Array(bytes.dropFirst(3))) : nil
    }

    /// Lengths and identifiers up to `E`; the last is `h` and 16 hexadecimal digits, which nobody wants to read.
    private static func legacy(_ bytes: [UInt8]) -> String? {
        var parts: [String] = []
        var index = 0
        while index < bytes.count, bytes[index] != UInt8(ascii: "E") {
            var length = 0
            let start = index
            while index < bytes.count, case 0x30...0x39 = bytes[index], length < 1 << 20 {
                length = length * 10 + Int(bytes[index] - 0x30)
                index += 1
            }
            guard index > start, length > 0, length <= bytes.count - index else { return nil }
            parts.append(String(decoding: bytes[index..<index + length], as: UTF8.self))
            index += length
        }
        guard index < bytes.count, let hash = parts.popLast(), !parts.isEmpty, hash.utf8.count == 17,
            hash.hasPrefix("h"),
            hash.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return parts.map(unescaped).joined(separator: "::")
    }

    /// What stands for characters that no symbol may have: `$LT$`, `$u7b$`, and two full stops for two colons.
    private static func unescaped(_ part: String) -> String {
        let marks = [
            "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ",",
        ]
        var text = ""
        var rest = Substring(part)
        // An identifier cannot begin with a dollar sign.
        if rest.hasPrefix("_$") { rest = rest.dropFirst() }
        while let first = rest.first {
            if first == "$", let end = rest.dropFirst().firstIndex(of: "$") {
                let mark = String(rest[rest.index(after: rest.startIndex)..<end])
                let scalar =
                    mark.hasPrefix("u") ? UInt32(mark.dropFirst(), radix: 16).flatMap(Unicode.Scalar.init) : nil
                if let known = marks[mark] ?? scalar.map({ String(Character($0)) }) {
                    text += known
                    rest = rest[end...].dropFirst()
                    continue
                }
            }
            if rest.hasPrefix("..") {
                text += "::"
                rest = rest.dropFirst(2)
            } else {
                text.append(first)
                rest = rest.dropFirst()
            }
        }
        return text
    }
}

/// A name of scheme v0, as it is read: a grammar of one letter each, with references to what stood before.
///
/// A name may refer to itself and double with each reference, so depth and length have a limit.
private struct RustPath {
    private let bytes: [UInt8]
    private var index = 0
    private var text = ""
    private var depth = 0
    /// Lifetimes that are bound by a `for`.
    private var lifetimes: UInt64 = 0
    private var isSkipping = false

    private struct Malformed: Error {}

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The whole symbol; nil where it is malformed.
    mutating func symbol() -> String? {
        // No version has a number but the first, which has none.
        if let first = bytes.first, (0x30...0x39).contains(first) { return nil }
        do {
            try path(inValue: true)
            // The crate that instantiates it.
            if index < bytes.count, bytes[index] != UInt8(ascii: "."), bytes[index] != UInt8(ascii: "$") {
                isSkipping = true
                try path(inValue: false)
            }
        } catch { return nil }
        return index == bytes.count || bytes[index] == UInt8(ascii: ".") || bytes[index] == UInt8(ascii: "$")
            ? text : nil
    }

    // MARK: Letters and numbers

    private mutating func next() throws -> UInt8 {
        guard index < bytes.count else { throw Malformed() }
        index += 1
        return bytes[index - 1]
    }

    private mutating func take(_ letter: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: letter) else { return false }
        index += 1
        return true
    }

    private mutating func write(_ new: String) throws {
        guard !isSkipping else { return }
        text += new
        guard text.utf8.count < 1 << 14 else { throw Malformed() }
    }

    /// A number of base 62 and `_`: `_` is 0, `0_` 1.
    private mutating func base62() throws -> UInt64 {
        if take("_") { return 0 }
        var value: UInt64 = 0
        while !take("_") {
            let letter = try next()
            let digit: UInt8
            switch letter {
            case 0x30...0x39: digit = letter - 0x30
            case 0x61...0x7a: digit = letter - 0x61 + 10
            case 0x41...0x5a: digit = letter - 0x41 + 36
            default: throw Malformed()
            }
            let (product, over) = value.multipliedReportingOverflow(by: 62)
            let (sum, more) = product.addingReportingOverflow(UInt64(digit))
            guard !over, !more, sum < .max else { throw Malformed() }
            value = sum
        }
        return value + 1
    }

    /// A number after `letter`, one more than it says; 0 where the letter is not there.
    private mutating func optional(_ letter: Unicode.Scalar) throws -> UInt64 {
        guard take(letter) else { return 0 }
        let value = try base62()
        guard value < .max else { throw Malformed() }
        return value + 1
    }

    /// An identifier without its disambiguator.
    private mutating func identifier() throws -> String {
        let isPunycode = take("u")
        var length = 0
        guard index < bytes.count, (0x30...0x39).contains(bytes[index]) else { throw Malformed() }
        if !take("0") {
            while index < bytes.count, case 0x30...0x39 = bytes[index] {
                length = length * 10 + Int(bytes[index] - 0x30)
                guard length < 1 << 20 else { throw Malformed() }
                index += 1
            }
        }
        _ = take("_")
        guard length <= bytes.count - index else { throw Malformed() }
        let name = bytes[index..<index + length]
        index += length
        return isPunycode ? try RustPath.punycode(Array(name)) : String(decoding: name, as: UTF8.self)
    }

    /// RFC 3492, with `_` for its hyphen.
    private static func punycode(_ bytes: [UInt8]) throws -> String {
        let end = bytes.lastIndex(of: UInt8(ascii: "_"))
        var scalars = bytes[..<(end ?? 0)].map { UInt32($0) }
        var (value, place, bias) = (128 as UInt32, 0, 72)
        var index = end.map { $0 + 1 } ?? 0
        guard index < bytes.count else { throw Malformed() }
        while index < bytes.count {
            let old = place
            var (weight, step) = (1, 36)
            while true {
                guard index < bytes.count else { throw Malformed() }
                let letter = bytes[index]
                index += 1
                let digit: Int
                switch letter {
                case 0x61...0x7a: digit = Int(letter) - 0x61
                case 0x30...0x39: digit = Int(letter) - 0x30 + 26
                default: throw Malformed()
                }
                place += digit * weight
                guard place < 1 << 40 else { throw Malformed() }
                let threshold = min(max(step - bias, 1), 26)
                if digit < threshold { break }
                weight *= 36 - threshold
                guard weight < 1 << 40 else { throw Malformed() }
                step += 36
            }
            let count = scalars.count + 1
            var delta = (place - old) / (old == 0 ? 700 : 2)
            delta += delta / count
            var steps = 0
            while delta > 455 {
                delta /= 35
                steps += 36
            }
            bias = steps + 36 * delta / (delta + 38)
            guard place / count < 0x11_0000 else { throw Malformed() }
            value += UInt32(place / count)
            place %= count
            scalars.insert(value, at: place)
            place += 1
        }
        let text = String(String.UnicodeScalarView(scalars.compactMap(Unicode.Scalar.init)))
        guard text.unicodeScalars.count == scalars.count else { throw Malformed() }
        return text
    }

    /// Calls `body`, no deeper than a limit.
    private mutating func nested(_ body: (inout RustPath) throws -> Void) throws {
        guard depth < 200 else { throw Malformed() }
        depth += 1
        try body(&self)
        depth -= 1
    }

    /// Calls `body` at the place before that the number here refers to.
    private mutating func backReference(_ body: (inout RustPath) throws -> Void) throws {
        let here = index - 1
        let target = try base62()
        // Only what stands before, so that there is an end.
        guard target < UInt64(here) else { throw Malformed() }
        guard !isSkipping else { return }
        let back = index
        index = Int(target)
        try nested(body)
        index = back
    }

    // MARK: Paths

    private mutating func path(inValue: Bool) throws {
        try nested { try $0.pathBody(inValue: inValue) }
    }

    private mutating func pathBody(inValue: Bool) throws {
        switch Unicode.Scalar(try next()) {
        case "C":
            _ = try optional("s")
            try write(try identifier())
        case "N":
            let space = try next()
            try path(inValue: inValue)
            let number = try optional("s")
            let name = try identifier()
            if (0x41...0x5a).contains(space) {
                let kind =
                    space == UInt8(ascii: "C")
                    ? "closure" : space == UInt8(ascii: "S") ? "shim" : String(Unicode.Scalar(space))
                try write("::{" + kind + (name.isEmpty ? "" : ":" + name) + "#\(number)}")
            } else if !name.isEmpty {
                try write("::" + name)
            }
        case "M":
            try skipImplPath()
            try write("<")
            try type()
            try write(">")
        case "X":
            try skipImplPath()
            try traitOf()
        case "Y": try traitOf()
        case "I":
            try path(inValue: inValue)
            if inValue { try write("::") }
            try write("<")
            try list { try $0.genericArgument() }
            try write(">")
        case "B": try backReference { try $0.path(inValue: inValue) }
        default: throw Malformed()
        }
    }

    /// A type as a trait: `<T as Trait>`.
    private mutating func traitOf() throws {
        try write("<")
        try type()
        try write(" as ")
        try path(inValue: false)
        try write(">")
    }

    /// Where an implementation stands is of no interest.
    private mutating func skipImplPath() throws {
        let wasSkipping = isSkipping
        isSkipping = true
        _ = try optional("s")
        try path(inValue: false)
        isSkipping = wasSkipping
    }

    /// Elements up to `E`, with commas between them; returns their number.
    @discardableResult
    private mutating func list(_ element: (inout RustPath) throws -> Void) throws -> Int {
        var count = 0
        while !take("E") {
            if count > 0 { try write(", ") }
            try element(&self)
            count += 1
        }
        return count
    }

    private mutating func genericArgument() throws {
        if take("L") {
            try lifetime(try base62())
        } else if take("K") {
            try constant()
        } else {
            try type()
        }
    }

    private mutating func lifetime(_ number: UInt64) throws {
        guard number > 0 else { return try write("'_") }
        guard number <= lifetimes else { throw Malformed() }
        let place = lifetimes - number
        try write(place < 26 ? "'" + String(Unicode.Scalar(UInt8(0x61 + place))) : "'_\(place)")
    }

    /// `for<'a, …>` in front of what `body` writes.
    private mutating func binder(_ body: (inout RustPath) throws -> Void) throws {
        let bound = try optional("G")
        guard bound < 1000 else { throw Malformed() }
        let before = lifetimes
        if bound > 0 {
            try write("for<")
            for number in 0..<bound {
                if number > 0 { try write(", ") }
                lifetimes += 1
                try lifetime(1)
            }
            try write("> ")
        }
        try body(&self)
        lifetimes = before
    }

    // MARK: Types

    private static let basic: [Unicode.Scalar: String] = [
        "b": "bool", "c": "char", "e": "str", "u": "()", "a": "i8", "s": "i16", "l": "i32", "x": "i64", "n": "i128",
        "i": "isize", "h": "u8", "t": "u16", "m": "u32", "y": "u64", "o": "u128", "j": "usize", "f": "f32", "d": "f64",
        "z": "!", "p": "_", "v": "...",
    ]

    private mutating func type() throws { try nested { try $0.typeBody() } }

    private mutating func typeBody() throws {
        let letter = Unicode.Scalar(try next())
        if let name = Self.basic[letter] { return try write(name) }
        switch letter {
        case "A":
            try write("[")
            try type()
            try write("; ")
            try constant()
            try write("]")
        case "S":
            try write("[")
            try type()
            try write("]")
        case "T":
            try write("(")
            if try list({ try $0.type() }) == 1 { try write(",") }
            try write(")")
        case "R", "Q":
            try write("&")
            if take("L") {
                let number = try base62()
                if number > 0 {
                    try lifetime(number)
                    try write(" ")
                }
            }
            try write(letter == "Q" ? "mut " : "")
            try type()
        case "P", "O":
            try write(letter == "P" ? "*const " : "*mut ")
            try type()
        case "F": try binder { try $0.function() }
        case "D":
            try write("dyn ")
            try binder { try $0.dynamicTraits() }
            guard take("L") else { throw Malformed() }
            let number = try base62()
            if number > 0 {
                try write(" + ")
                try lifetime(number)
            }
        case "B": try backReference { try $0.type() }
        default:
            index -= 1
            try path(inValue: false)
        }
    }

    private mutating func function() throws {
        if take("U") { try write("unsafe ") }
        if take("K") {
            let convention = take("C") ? "C" : try identifier().replacing("_", with: "-")
            try write("extern \"\(convention)\" ")
        }
        try write("fn(")
        try list { try $0.type() }
        try write(")")
        if take("u") { return }
        try write(" -> ")
        try type()
    }

    private mutating func dynamicTraits() throws {
        var isFirst = true
        while !take("E") {
            if !isFirst { try write(" + ") }
            isFirst = false
            try dynamicTrait()
        }
    }

    /// A trait whose associated types go among its generic arguments.
    private mutating func dynamicTrait() throws {
        var isOpen = try openPath()
        while take("p") {
            try write(isOpen ? ", " : "<")
            isOpen = true
            try write(try identifier() + " = ")
            try type()
        }
        if isOpen { try write(">") }
    }

    /// A path whose list of generic arguments, if it has one, is left open; returns whether it has.
    private mutating func openPath() throws -> Bool {
        var isOpen = false
        if take("B") {
            try backReference { isOpen = try $0.openPath() }
        } else if take("I") {
            try path(inValue: false)
            try write("<")
            try list { try $0.genericArgument() }
            isOpen = true
        } else {
            try path(inValue: false)
        }
        return isOpen
    }

    // MARK: Constants

    private mutating func constant() throws { try nested { try $0.constantBody() } }

    private mutating func constantBody() throws {
        let letter = Unicode.Scalar(try next())
        switch letter {
        case "p": try write("_")
        case "B": try backReference { try $0.constant() }
        case "b":
            switch try hexadecimal() {
            case "0": try write("false")
            case "1": try write("true")
            default: throw Malformed()
            }
        case "c":
            guard let scalar = UInt32(try hexadecimal(), radix: 16).flatMap(Unicode.Scalar.init) else {
                throw Malformed()
            }
            try write("'\(scalar)'")
        case "a", "s", "l", "x", "n", "i", "h", "t", "m", "y", "o", "j":
            if take("n") { try write("-") }
            let digits = try hexadecimal()
            try write(UInt64(digits, radix: 16).map { "\($0)" } ?? "0x" + digits)
        default: throw Malformed()
        }
    }

    /// Hexadecimal digits up to `_`, without zeros in front.
    private mutating func hexadecimal() throws -> String {
        var digits = ""
        while !take("_") {
            let letter = try next()
            guard (0x30...0x39).contains(letter) || (0x61...0x66).contains(letter) else { throw Malformed() }
            if !digits.isEmpty || letter != 0x30 { digits.append(Character(Unicode.Scalar(letter))) }
        }
        return digits.isEmpty ? "0" : digits
    }
}
