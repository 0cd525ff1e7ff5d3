// The facts in a guest's output: addresses for symbols, and the application's exit code.

/// Takes a guest's output piece by piece, and keeps the addresses of a crash and the code that the kernel ends with.
///
/// It sees every byte, so it works on bytes only, and reads most lines once.
struct GuestLog {
    /// An address in the output.
    struct Mention: Hashable {
        let address: UInt64
        /// Whether it is a return address: the call lies before it.
        let isReturnAddress: Bool
    }

    /// The addresses from the first line that reports a crash on, each once, in order.
    var mentions: [Mention] { crash.mentions }
    /// The addresses in earlier lines (kernels print their memory layout).
    var mentionsBefore: [Mention] { start.mentions }
    /// Whether a line reported a crash.
    private(set) var hasCrash = false
    /// The image's address according to the loader.
    private(set) var imageStart: UInt64?
    /// The exit code in the kernel's last line about it.
    private(set) var exitCode: Int?
    /// How many bytes have come.
    private(set) var count = 0

    private var start = MentionList(), crash = MentionList()
    private var isBooting = true
    /// The beginning of a line whose end has not arrived.
    private var line: [UInt8] = []
    /// The most bytes of a line that are kept: a guest may print without end.
    private static let lineLimit = 1 << 16

    /// Takes a piece of the output.
    mutating func take(_ bytes: Span<UInt8>) {
        count += bytes.count
        var first = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
            let rest = bytes.extracting(first..<index)
            if line.isEmpty {
                read(rest)
            } else {
                keep(rest)
                end()
            }
            first = index + 1
        }
        keep(bytes.extracting(first..<bytes.count))
    }

    /// Takes the kept part of a last line without an end.
    mutating func end() {
        let whole = line
        line.removeAll(keepingCapacity: true)
        if !whole.isEmpty { read(whole.span) }
    }

    private mutating func keep(_ bytes: Span<UInt8>) {
        let room = Self.lineLimit - line.count
        for index in 0..<min(bytes.count, room) { line.append(bytes[index]) }
    }

    /// Reads a line without its line feed.
    private mutating func read(_ whole: Span<UInt8>) {
        let line = whole.extracting(first: Self.lineLimit)
        let text = LineText(line)
        if let loaders = text.find("[LOADER] ") {
            if isBooting {
                if let found = text.find("] image at 0x") { imageStart = text.hexadecimal(at: found) }
                // The loader's report of a boot that succeeds is not a crash.
                if text.find(", entry point 0x") != nil { isBooting = false }
            }
            let isError =
                text.starts("error: CPU exception ", at: loaders) || text.starts("on the stack: ", at: loaders)
            guard isError || hasCrash else { return }
            hasCrash = true
        } else if !hasCrash {
            hasCrash = text.tellsOfCrash
        }
        if let found = text.find("shutting down with code ") { exitCode = text.lastDecimal(at: found) ?? exitCode }
        let returns = text.isFrame
        let isCrash = hasCrash
        text.forEachAddress { address in
            let mention = Mention(address: address, isReturnAddress: returns)
            if isCrash { crash.add(mention) } else { start.add(mention) }
        }
    }
}

/// Addresses, each once, up to a limit.
private struct MentionList {
    private(set) var mentions: [GuestLog.Mention] = []
    private var known: Set<UInt64> = []
    private static let limit = 4096

    mutating func add(_ mention: GuestLog.Mention) {
        guard mentions.count < Self.limit, known.insert(mention.address).inserted else { return }
        mentions.append(mention)
    }
}

/// The bytes of a line, and what can be found in them.
private struct LineText: ~Escapable {
    private let bytes: Span<UInt8>

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    /// Whether `text` stands at `offset`.
    func starts(_ text: StaticString, at offset: Int) -> Bool {
        guard offset >= 0, text.utf8CodeUnitCount <= bytes.count - offset else { return false }
        for index in 0..<text.utf8CodeUnitCount {
            // A literal's bytes are valid for ever, and there are as many as it says.
            let wanted = unsafe text.utf8Start[index]
            guard bytes[offset + index] == wanted else { return false }
        }
        return true
    }

    /// The offset of the end of the first `text`; nil if there is none.
    func find(_ text: StaticString) -> Int? {
        let first = unsafe text.utf8Start[0]
        guard bytes.count >= text.utf8CodeUnitCount else { return nil }
        for offset in 0...bytes.count - text.utf8CodeUnitCount where bytes[offset] == first {
            if starts(text, at: offset) { return offset + text.utf8CodeUnitCount }
        }
        return nil
    }

    /// Whether the line has a word for a crash, in letters of either case, or is a frame of a backtrace.
    var tellsOfCrash: Bool {
        let words: [StaticString] = ["panic", "exception", "fault", "abort", "assert", "backtrace", "traceback"]
        for offset in bytes.indices {
            // Lower and upper case differ in one bit. The words begin with these letters.
            switch bytes[offset] | 0x20 {
            case UInt8(ascii: "p"), UInt8(ascii: "e"), UInt8(ascii: "f"), UInt8(ascii: "a"), UInt8(ascii: "b"),
                UInt8(ascii: "t"):
                for word in words where startsInAnyCase(word, at: offset) { return true }
            default: break
            }
        }
        return isFrame
    }

    private func startsInAnyCase(_ text: StaticString, at offset: Int) -> Bool {
        guard text.utf8CodeUnitCount <= bytes.count - offset else { return false }
        for index in 0..<text.utf8CodeUnitCount {
            // As above.
            let wanted = unsafe text.utf8Start[index]
            guard bytes[offset + index] | 0x20 == wanted else { return false }
        }
        return true
    }

    /// Whether the line is one of the loader's search of the stack, or a frame of a backtrace other than the innermost:
    /// `#1 0x…`, `  1: 0x…`, perhaps with words in brackets in front of it.
    var isFrame: Bool {
        if find("[LOADER] on the stack: ") != nil { return true }
        var offset = 0
        while offset < bytes.count, bytes[offset] == UInt8(ascii: "[") {
            while offset < bytes.count, bytes[offset] != UInt8(ascii: "]") { offset += 1 }
            offset += 1
        }
        while offset < bytes.count, bytes[offset] == 0x20 || bytes[offset] == 0x09 { offset += 1 }
        let hasHash = offset < bytes.count && bytes[offset] == UInt8(ascii: "#")
        if hasHash { offset += 1 }
        var (number, digits) = (0, 0)
        while offset < bytes.count, case 0x30...0x39 = bytes[offset], digits < 9 {
            number = number * 10 + Int(bytes[offset] - 0x30)
            (offset, digits) = (offset + 1, digits + 1)
        }
        guard digits > 0, number > 0, offset < bytes.count else { return false }
        if hasHash { return bytes[offset] == 0x20 || bytes[offset] == 0x09 }
        return bytes[offset] == UInt8(ascii: ":") && offset + 1 < bytes.count && bytes[offset + 1] == 0x20
    }

    /// The hexadecimal number at `offset`, of up to 16 digits.
    func hexadecimal(at offset: Int) -> UInt64? {
        var (value, digits) = (0 as UInt64, 0)
        for index in offset..<max(offset, bytes.count) {
            guard digits < 16, let digit = Self.digit(bytes[index]) else { break }
            value = value << 4 | UInt64(digit)
            digits += 1
        }
        return digits > 0 ? value : nil
    }

    /// The decimal number at `offset`, if only spaces, controls and the end of a colour sequence follow it in the line.
    func lastDecimal(at offset: Int) -> Int? {
        var offset = offset
        let isNegative = offset < bytes.count && bytes[offset] == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        var (value, digits) = (0, 0)
        while offset < bytes.count, case 0x30...0x39 = bytes[offset], digits < 10 {
            value = value * 10 + Int(bytes[offset] - 0x30)
            (offset, digits) = (offset + 1, digits + 1)
        }
        guard digits > 0, offset == bytes.count || bytes[offset] <= 0x20 else { return nil }
        return isNegative ? -value : value
    }

    /// Calls `body` with each word that is written as an address: `0x` and up to 16 digits, or 16 digits.
    func forEachAddress(_ body: (UInt64) -> Void) {
        var index = 0
        while index < bytes.count {
            guard Self.isWord(bytes[index]) else {
                index += 1
                continue
            }
            let start = index
            var isNumber = true
            let hasPrefix = starts("0x", at: start)
            if hasPrefix { index += 2 }
            var value: UInt64 = 0
            let first = index
            while index < bytes.count, Self.isWord(bytes[index]) {
                if let digit = Self.digit(bytes[index]) { value = value << 4 | UInt64(digit) } else { isNumber = false }
                index += 1
            }
            let count = index - first
            if isNumber, hasPrefix ? (1...16).contains(count) : count == 16 { body(value) }
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
        default: false
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
