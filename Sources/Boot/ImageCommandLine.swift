// The command line for the kernel of an image: from hermit.toml and from the user's own line.

import Bytes
import Diagnostics
import HermitImage

/// Text that is written into a region; bytes that do not fit are only counted.
struct LineWriter: ~Copyable, ~Escapable {
    private var region: ByteRegion
    /// The number of bytes so far.
    private(set) var count = 0

    /// Writes into `region`.
    @_lifetime(copy region)
    init(_ region: consuming ByteRegion) { self.region = region }

    /// Adds a byte.
    @inline(never)  // Many callers: 2,000 bytes less.
    @_lifetime(self: copy self)
    mutating func put(_ byte: UInt8) {
        _ = region.store(byte, atOffset: count)
        count &+= 1
    }

    /// Adds a space, unless there is nothing yet.
    @_lifetime(self: copy self)
    mutating func separate() {
        if count > 0 { put(0x20) }
    }

    /// Adds all bytes of `text` after a space; nothing if there are none.
    @_lifetime(self: copy self)
    mutating func put(_ text: ByteView) {
        guard text.count > 0 else { return }
        separate()
        var offset: UInt64 = 0
        while let byte = text.byte(at: offset) {
            put(byte)
            offset &+= 1
        }
    }

    /// Adds a string as it is.
    @_lifetime(self: copy self)
    mutating func put(_ string: TOMLString) {
        separate()
        var bytes = string
        while let byte = bytes.next() { put(byte) }
    }

    /// Adds `prefix` and a string as one word for readers that split lines as a shell does: with quotes, if something in it needs them.
    @_lifetime(self: copy self)
    mutating func put(word string: TOMLString, prefix: Text = "") {
        separate()
        var bytes = string
        var (isPlain, isEmpty) = (true, prefix.count == 0)
        while let byte = bytes.next() {
            isPlain = isPlain && LineWriter.isPlain(byte)
            isEmpty = false
        }
        let hasQuotes = !isPlain || isEmpty
        if hasQuotes { put(UInt8(ascii: "'")) }
        for index in 0..<prefix.count { put(prefix[index]) }
        bytes = string
        while let byte = bytes.next() {
            if byte == UInt8(ascii: "'") {
                // The quotes end, and begin again.
                put(byte)
                put(UInt8(ascii: "\\"))
                put(byte)
            }
            put(byte)
        }
        if hasQuotes { put(UInt8(ascii: "'")) }
    }

    /// Whether a byte needs no quotes.
    private static func isPlain(_ byte: UInt8) -> Bool {
        let letter = byte | 0x20
        if letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z") || byte >= 0x80 { return true }
        let others: Text = "0123456789-_./=,:+@%"
        return others.index(of: byte) < others.count
    }
}

/// The line of the kernel of an image.
///
/// It begins with the user's first word (boot loaders put the file's path there), or else the kernel's name. Then come
/// `kernel_args`, as they are; the variables of `env_vars`, each as `env=NAME=VALUE`; the rest of the user's line; `--` and
/// `app_args`. Anything but variables in the user's line replaces `kernel_args` and `app_args`, as with uhyve. The user's variables
/// come after the image's, so they win.
enum ImageCommandLine {
    /// Writes the line for an image with `config`; `line` is the one that the starter handed over.
    static func write(_ config: HermitConfig, _ line: ByteView, to writer: inout LineWriter) {
        let user = UserWords(line)
        if user.path.count > 0 { writer.put(user.path) } else { writer.put(word: config.kernel) }
        if !user.hasArguments {
            var arguments = config.kernelArguments
            while let argument = arguments.next() { writer.put(argument) }
        }
        var variables = config.variables
        while let variable = variables.next() {
            // A name alone would take the value of the host's variable, and there is no host.
            guard variable.contains(UInt8(ascii: "=")) else { continue }
            writer.put(word: variable, prefix: "env=")
        }
        writer.put(user.rest)
        if !user.hasArguments, !config.arguments.isEmpty {
            writer.put(ByteView("--"))
            var arguments = config.arguments
            while let argument = arguments.next() { writer.put(word: argument) }
        }
    }
}

/// The parts of a user's line.
private struct UserWords: ~Escapable {
    /// The first word, if it is a path; otherwise empty.
    let path: ByteView
    /// The rest of the line.
    let rest: ByteView
    /// Whether anything in `rest` is not a variable.
    private(set) var hasArguments = false

    @_lifetime(copy line)
    init(_ line: ByteView) {
        var offset: UInt64 = 0
        let first = UserWords.next(in: line, &offset)
        let isPath =
            first.count > 0 && line.byte(at: first.start) != UInt8(ascii: "-")
            && !UserWords.isVariable(line, first.start)
        path = line.part(at: first.start, size: isPath ? first.count : 0)
        if !isPath { offset = first.start }
        while line.byte(at: offset) == 0x20 { offset &+= 1 }
        rest = line.part(at: offset, size: line.count &- offset)
        offset = 0
        while true {
            let word = UserWords.next(in: rest, &offset)
            guard word.count > 0 else { break }
            if !UserWords.isVariable(rest, word.start) { hasArguments = true }
        }
    }

    /// The offset of the next word of `line` after `offset`, and its size; 0 at the end. Words are split as a shell does it.
    private static func next(in line: ByteView, _ offset: inout UInt64) -> (start: UInt64, count: UInt64) {
        while line.byte(at: offset) == 0x20 { offset &+= 1 }
        let start = offset
        var quote: UInt8 = 0
        while let byte = line.byte(at: offset) {
            if byte == 0x20, quote == 0 { break }
            offset &+= 1
            switch byte {
            case UInt8(ascii: "\\") where quote != UInt8(ascii: "'"):
                if offset < line.count { offset &+= 1 }
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                quote = quote == byte ? 0 : quote == 0 ? byte : quote
            default: break
            }
        }
        return (start, offset &- start)
    }

    /// Whether the word at `start` is a variable, perhaps in quotes.
    private static func isVariable(_ line: ByteView, _ start: UInt64) -> Bool {
        let first = line.byte(at: start)
        let isQuoted = first == UInt8(ascii: "'") || first == UInt8(ascii: "\"")
        // "env="
        return line.word32(at: isQuoted ? start &+ 1 : start) == 0x3d76_6e65
    }
}

extension TOMLString {
    /// Whether `wanted` is one of its bytes.
    fileprivate func contains(_ wanted: UInt8) -> Bool {
        var bytes = self
        while let byte = bytes.next() { if byte == wanted { return true } }
        return false
    }
}
