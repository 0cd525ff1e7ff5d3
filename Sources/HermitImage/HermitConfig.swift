// hermit.toml: the kernel of an image, its arguments and its requirements (hermit-entry 0.10.11, module config).

public import Bytes
public import Diagnostics

/// An array of strings, which has been read once and found to be correct.
public struct TOMLStrings: ~Escapable {
    private var scanner: TOMLScanner
    private var isDone: Bool

    /// No strings.
    @_lifetime(copy text)
    init(none text: ByteView) {
        scanner = TOMLScanner(text)
        isDone = true
    }

    /// The strings of the array whose first byte after the bracket is at `start` of `text`.
    @_lifetime(copy text)
    init(_ text: ByteView, at start: UInt64) {
        scanner = TOMLScanner(text)
        scanner.offset = start
        isDone = false
    }

    /// Whether there are none.
    public var isEmpty: Bool {
        var strings = self
        return strings.next() == nil
    }

    /// The next string; nil at the end.
    @inline(never)  // Four callers: 2,600 bytes less.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() -> TOMLString? {
        guard !isDone, (try? scanner.skipLines()) != nil, let string = try? scanner.string() else {
            isDone = true
            return nil
        }
        if (try? scanner.skipLines()) == nil || (try? scanner.take(UInt8(ascii: ","))) == nil { isDone = true }
        return string
    }
}

/// The contents of hermit.toml.
public struct HermitConfig: ~Escapable {
    /// The name of the file at the root of an image.
    public static var name: StaticString { "hermit.toml" }

    /// The document.
    private let text: ByteView
    /// The offsets of the kernel's name and of the three arrays, after their first byte; 0 for those that are absent.
    private var kernelOffset: UInt64 = 0, kernelArgumentsOffset: UInt64 = 0
    private var argumentsOffset: UInt64 = 0, variablesOffset: UInt64 = 0
    /// The least memory, in bytes; 0 if it is not given.
    public private(set) var memory: UInt64 = 0
    /// The least number of processors; 0 if it is not given.
    public private(set) var processors: UInt64 = 0
    /// The keys and the tables seen so far.
    private var seenKeys = NumberSet(), seenTables = NumberSet()

    /// `kernel`: the path of the ELF file in the image.
    public var kernel: TOMLString {
        @_lifetime(copy self) get {
            var scanner = TOMLScanner(text)
            scanner.offset = kernelOffset
            // It has been read once without a fault.
            guard let name = try? scanner.string() else {
                return TOMLString(text, from: 0, to: 0, isBasic: false, isMultiline: false)
            }
            return name
        }
    }
    /// `input.kernel_args`.
    public var kernelArguments: TOMLStrings { @_lifetime(copy self) get { strings(kernelArgumentsOffset) } }
    /// `input.app_args`.
    public var arguments: TOMLStrings { @_lifetime(copy self) get { strings(argumentsOffset) } }
    /// `input.env_vars`; those without an equals sign are ignored.
    public var variables: TOMLStrings { @_lifetime(copy self) get { strings(variablesOffset) } }

    /// The fault of a kernel's name that is not a file of the image.
    var kernelFault: Fault { TOMLScanner(text).fault(.kernelNotInArchive, at: kernelOffset) }
    @_lifetime(copy self)
    private func strings(_ offset: UInt64) -> TOMLStrings {
        offset == 0 ? TOMLStrings(none: text) : TOMLStrings(text, at: offset)
    }

    private enum Table: Int, Named {
        case input, requirements

        var name: StaticString {
            switch self {
            case .input: "input"
            case .requirements: "requirements"
            }
        }
    }
    private enum Key: Int, Named {
        case version, kernel, kernelArguments, arguments, variables, memory, processors

        var name: StaticString {
            switch self {
            case .version: "version"
            case .kernel: "kernel"
            case .kernelArguments: "kernel_args"
            case .arguments: "app_args"
            case .variables: "env_vars"
            case .memory: "memory"
            case .processors: "cpus"
            }
        }

        /// The table that it stands in; nil for the root.
        var table: Table? {
            switch self {
            case .version, .kernel: nil
            case .kernelArguments, .arguments, .variables: .input
            case .memory, .processors: .requirements
            }
        }
    }

    /// Reads `text`. Keys may be given in any order; arrays and requirements may be left out.
    ///
    /// Throws `configurationSyntax`, `configurationKey` for a key or a table that is unknown or given twice, `configurationValue`,
    /// `configurationVersion`, and `configurationIncomplete` if there is no kernel.
    @_lifetime(copy text)
    public init(_ text: ByteView) throws(Fault) {
        self.text = text
        var scanner = TOMLScanner(text)
        var table: Table?
        while true {
            try scanner.skipLines()
            guard scanner.offset < text.count else { break }
            if scanner.byte == UInt8(ascii: "[") {
                scanner.offset &+= 1
                scanner.skipBlanks()
                let start = scanner.offset
                let named = Table(named: try scanner.key())
                guard let named, seenTables.take(named.rawValue) else {
                    throw scanner.fault(.configurationKey, at: start)
                }
                scanner.skipBlanks()
                try scanner.take(UInt8(ascii: "]"))
                table = named
            } else {
                let start = scanner.offset
                let key = Key(named: try scanner.key())
                scanner.skipBlanks()
                guard let key, key.table == table, seenKeys.take(key.rawValue) else {
                    throw scanner.fault(.configurationKey, at: start)
                }
                try scanner.take(UInt8(ascii: "="))
                scanner.skipBlanks()
                try readValue(of: key, &scanner)
            }
            try scanner.endLine()
        }
        guard seenKeys.contains(Key.version.rawValue) else { throw Fault(.configurationVersion, value: 1, limit: 1) }
        guard kernelOffset > 0 else { throw Fault(.configurationIncomplete) }
    }

    private mutating func readValue(of key: Key, _ scanner: inout TOMLScanner) throws(Fault) {
        let start = scanner.offset
        switch key {
        case .version:
            var version = try HermitConfig.string(&scanner)
            guard version.next() == UInt8(ascii: "1"), version.next() == nil else {
                throw scanner.fault(.configurationVersion, at: start)
            }
        case .kernel:
            try HermitConfig.requireText(try HermitConfig.string(&scanner), isEmptyAllowed: false, scanner, at: start)
            kernelOffset = start
        case .kernelArguments: kernelArgumentsOffset = try HermitConfig.array(&scanner)
        case .arguments: argumentsOffset = try HermitConfig.array(&scanner)
        case .variables: variablesOffset = try HermitConfig.array(&scanner)
        case .memory:
            if scanner.byte == UInt8(ascii: "\"") || scanner.byte == UInt8(ascii: "'") {
                guard let size = MemoryAmount.bytes(try scanner.string()) else {
                    throw scanner.fault(.configurationValue, at: start)
                }
                memory = size
            } else {
                memory = try scanner.integer()
            }
        case .processors:
            processors = try scanner.integer()
            guard processors <= UInt64(UInt32.max) else { throw scanner.fault(.configurationValue, at: start) }
        }
    }

    /// Reads a string. Throws `configurationValue` for any other value.
    @_lifetime(copy scanner)
    @_lifetime(scanner: copy scanner)
    private static func string(_ scanner: inout TOMLScanner) throws(Fault) -> TOMLString {
        guard scanner.byte == UInt8(ascii: "\"") || scanner.byte == UInt8(ascii: "'") else {
            throw scanner.fault(.configurationValue, at: scanner.offset)
        }
        return try scanner.string()
    }

    /// Throws `configurationValue` for an empty string, or one with a NUL, which no command line and no name can hold.
    private static func requireText(
        _ string: TOMLString, isEmptyAllowed: Bool, _ scanner: borrowing TOMLScanner, at start: UInt64
    ) throws(Fault) {
        var bytes = string
        var isEmpty = true
        while let byte = bytes.next() {
            guard byte != 0 else { throw scanner.fault(.configurationValue, at: start) }
            isEmpty = false
        }
        guard isEmptyAllowed || !isEmpty else { throw scanner.fault(.configurationValue, at: start) }
    }

    /// Reads an array of strings, and returns its offset, after its bracket.
    @_lifetime(scanner: copy scanner)
    private static func array(_ scanner: inout TOMLScanner) throws(Fault) -> UInt64 {
        guard scanner.byte == UInt8(ascii: "[") else { throw scanner.fault(.configurationValue, at: scanner.offset) }
        scanner.offset &+= 1
        let start = scanner.offset
        while true {
            try scanner.skipLines()
            if scanner.byte == UInt8(ascii: "]") { break }
            let item = scanner.offset
            try requireText(try string(&scanner), isEmptyAllowed: true, scanner, at: item)
            try scanner.skipLines()
            if scanner.byte == UInt8(ascii: "]") { break }
            try scanner.take(UInt8(ascii: ","))
        }
        scanner.offset &+= 1
        return start
    }
}

/// A set of numbers below 64.
private struct NumberSet {
    private var bits: UInt64 = 0

    /// Whether `number` is in it.
    func contains(_ number: Int) -> Bool { bits >> UInt64(truncatingIfNeeded: number) & 1 != 0 }

    /// Adds `number`; false if it is already in the set.
    mutating func take(_ number: Int) -> Bool {
        guard !contains(number) else { return false }
        bits |= 1 << UInt64(truncatingIfNeeded: number)
        return true
    }
}

/// An amount of memory, as text.
enum MemoryAmount {
    /// The number of bytes that `text` means: a number, perhaps with a fraction, and a unit of the crate byte-unit: K, M, G, T, P and E,
    /// with or without B, are powers of 1000; Ki, KiB and the like are powers of 1024. Nil for any other text, and for more than 63 bits.
    static func bytes(_ text: TOMLString) -> UInt64? {
        var text = text
        var next = text.next()
        while next == 0x20 { next = text.next() }
        // The integer part, and the fraction `part / scale`.
        var (whole, part, scale): (UInt64, UInt64, UInt64) = (0, 0, 1)
        var (hasDigit, hasPoint) = (false, false)
        while let byte = next {
            if byte == UInt8(ascii: "."), hasDigit, !hasPoint {
                (hasDigit, hasPoint) = (false, true)
            } else if byte >= 0x30, byte <= 0x39 {
                hasDigit = true
                if hasPoint {
                    (part, scale) = (part &* 10 &+ UInt64(byte & 15), scale &* 10)
                } else {
                    whole = whole &* 10 &+ UInt64(byte & 15)
                }
                guard whole < 1 << 59, scale <= 1_000_000_000 else { return nil }
            } else {
                break
            }
            next = text.next()
        }
        guard hasDigit else { return nil }
        while next == 0x20 { next = text.next() }
        var unit: UInt64 = 1
        if let letter = next, letter != UInt8(ascii: "B"), letter != 0x20 {
            let units: Text = "KMGTPE"
            let index = letter == UInt8(ascii: "k") ? 0 : units.index(of: letter)
            guard index < units.count else { return nil }
            next = text.next()
            let isBinary = next == UInt8(ascii: "i")
            if isBinary { next = text.next() }
            var power = 0
            while power <= index {
                unit = unit &* (isBinary ? 1024 : 1000)
                power &+= 1
            }
        }
        if next == UInt8(ascii: "B") { next = text.next() }
        while next == 0x20 { next = text.next() }
        guard next == nil else { return nil }
        let (bytes, overflow) = whole.multipliedReportingOverflow(by: unit)
        // Both factors are below 10^9.
        let rest = (unit % scale &* part &+ scale &- 1) / scale
        let (sum, carry) = bytes.addingReportingOverflow(unit / scale &* part &+ rest)
        return overflow || carry || sum >> 63 != 0 ? nil : sum
    }
}

/// Cases that are numbered from 0, and have a name in the document.
private protocol Named: RawRepresentable<Int> {
    var name: StaticString { get }
}

extension Named {
    /// The case with this name.
    fileprivate init?(named name: TOMLString) {
        var number = 0
        while let found = Self(rawValue: number) {
            if name.isSame(as: ByteView(found.name)) {
                self = found
                return
            }
            number &+= 1
        }
        return nil
    }
}
