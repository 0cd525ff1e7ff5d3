// Addresses in what a guest prints, to be told as symbols afterwards.

/// Takes a guest's output piece by piece and keeps the addresses in it.
struct MentionedAddresses {
    /// An address in the output.
    struct Mention: Hashable {
        let address: UInt64
        /// Whether the line says that it is where a call returns to: the call itself lies before it.
        let isReturnAddress: Bool
    }

    /// Those of the output so far, each once, in order.
    private(set) var mentions: [Mention] = []
    /// Where the loader said that the image lies.
    private(set) var imageStart: UInt64?

    private var line: [UInt8] = []
    private var isBooting = true
    private var known: Set<UInt64> = []
    /// A guest may print without end: more than these are not kept, nor is more of a line.
    private static let limit = 4096, lineLimit = 1 << 16

    /// Takes a piece of the output.
    mutating func take(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            if byte == 0x0a {
                endLine()
            } else if line.count < Self.lineLimit {
                line.append(byte)
            }
        }
    }

    /// Takes what has been kept of a last line without an end.
    mutating func end() { endLine() }

    private mutating func endLine() {
        defer { line.removeAll(keepingCapacity: true) }
        let text = String(decoding: line, as: UTF8.self)
        if isBooting, text.contains("[LOADER] ") {
            if let range = text.firstRange(of: "] image at 0x") {
                imageStart = UInt64(text[range.upperBound...].prefix { $0.isHexDigit }, radix: 16)
            }
            // What the loader reports of a boot that goes well is no crash.
            guard text.contains("[LOADER] error: CPU exception ") else {
                if text.contains(", entry point 0x") { isBooting = false }
                return
            }
            isBooting = false
        }
        let returns = Self.isFrame(text)
        for address in Self.addresses(in: line) where mentions.count < Self.limit && known.insert(address).inserted {
            mentions.append(Mention(address: address, isReturnAddress: returns))
        }
    }

    /// Whether `line` is one of the loader's search of the stack, or a frame of a backtrace other than the innermost:
    /// `#1 0x…`, `  1: 0x…`.
    private static func isFrame(_ line: String) -> Bool {
        if line.contains("[LOADER] on the stack: ") { return true }
        guard let match = line.firstMatch(of: /^(?:\[[^\]]*\])*\s*(?:#([0-9]+)\s|([0-9]+):\s)/) else { return false }
        return (match.1 ?? match.2).flatMap { Int($0) } ?? 0 > 0
    }

    /// Words of `line` that are written as addresses: `0x` and up to 16 digits, or 16 digits.
    private static func addresses(in line: [UInt8]) -> [UInt64] {
        var found: [UInt64] = []
        var index = 0
        while index < line.count {
            guard isWord(line[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < line.count, isWord(line[index]) { index += 1 }
            let word = line[start..<index]
            let hasPrefix = word.starts(with: [0x30, 0x78])
            let digits = hasPrefix ? word.dropFirst(2) : word
            guard hasPrefix ? (1...16).contains(digits.count) : digits.count == 16,
                let address = UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
            else { continue }
            found.append(address)
        }
        return found
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f: true
        default: false
        }
    }
}
