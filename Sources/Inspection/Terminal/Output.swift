// Standard output in large pieces, and whether it has colour.

import ArgumentParser
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc

/// When to colour.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, always, never

    /// Whether to colour the output to descriptor 1: by default if it is a terminal and NO_COLOR is not set.
    var isOn: Bool {
        switch self {
        case .always: true
        case .never: false
        case .auto:
            isatty(1) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
                && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        }
    }
}

/// A colour or weight, by its SGR number; all are readable on a light and on a dark ground.
enum Style: Int {
    case bold = 1
    case dim = 2
    case red = 31
    case green = 32
    case yellow = 33
    case cyan = 36
}

/// Bytes on their way to a descriptor.
final class Output: TextSink {
    var buffer: OutputBuffer
    let isColored: Bool
    /// Whether a listing has begun a JSON document, and has not ended it.
    var isDocumentOpen = false
    /// Whether JSON documents are elements of one array.
    var isArray = false
    /// The number of documents begun.
    private var documents = 0
    /// The number of columns that lines of sentences may have.
    private let width: Int
    /// Whether a title has been written.
    private var hasTitle = false

    init(descriptor: Int32 = 1, color: ColorChoice = .auto) {
        buffer = OutputBuffer(descriptor: descriptor)
        isColored = color.isOn
        width = min(max(Output.terminalWidth ?? 80, 40), 120)
    }

    /// The number of columns of the terminal at descriptor 1; nil if that is not a terminal, so that a pipe always gets the same text.
    static var terminalWidth: Int? {
        var size = winsize()
        // The request fills the structure that it is given.
        guard isatty(1) == 1, unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return min(Int(size.ws_col), 1000)
    }

    /// Takes one byte.
    func write(_ byte: UInt8) { buffer.append(byte) }

    /// Takes bytes.
    func write(_ bytes: [UInt8]) { for byte in bytes { buffer.append(byte) } }

    /// Takes a string.
    func write(_ text: String) { buffer.append(text) }

    /// Takes a string, and hands everything over.
    func writeAll(_ text: String) {
        write(text)
        flush()
    }

    /// Takes a string in a style.
    func write(_ text: String, _ style: Style) {
        write(isColored ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text)
    }

    /// Takes a string and a line end.
    func line(_ text: String = "") {
        write(text)
        write(UInt8(ascii: "\n"))
    }

    /// Takes a string in a style, and a line end.
    func line(_ text: String, _ style: Style) {
        write(text, style)
        write(UInt8(ascii: "\n"))
    }

    /// Takes the name of the file that the next lines are about, with an empty line before it unless it is the first.
    func title(_ name: String) {
        if hasTitle { line() }
        hasTitle = true
        line("\(printable(name)):", .bold)
    }

    /// Takes the label of a line and the text after it, which is broken between words so that it ends before the terminal does, or
    /// column 80.
    func label(_ label: String, _ text: String, style: Style = .dim) {
        write("  ")
        write(label, style)
        write(String(repeating: " ", count: max(0, 12 - label.count)) + " ")
        if !text.isEmpty { wrap(text, indent: 15) }
    }

    /// Takes `text` and a line end, from column `indent` on, broken between words so that lines end before the terminal does, or
    /// column 80.
    func wrap(_ text: String, indent: Int) {
        var column = indent
        var isFirst = true
        for word in text.split(separator: " ") {
            if !isFirst, column + word.count + 1 > width - 1 {
                write("\n" + String(repeating: " ", count: indent))
                column = indent
            } else if !isFirst {
                write(" ")
                column += 1
            }
            write(String(word))
            column += word.count
            isFirst = false
        }
        line()
    }

    /// Takes the separator between a JSON document and the one before it.
    func beginDocument() {
        if isArray { write(documents == 0 ? "[\n" : ",\n") }
        documents += 1
    }

    /// Ends the array of documents.
    func endArray() {
        if isArray { write(documents == 0 ? "[]\n" : "]\n") }
    }

    /// Ends the JSON document that a listing has begun and could not continue because of `error`.
    func endDocument(with error: some Encodable) throws {
        guard isDocumentOpen else { return }
        isDocumentOpen = false
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        line("\n],\"error\":\(String(decoding: try encoder.encode(error), as: UTF8.self))}")
    }

    /// Hands over the bytes taken so far. If the reader has gone, the program ends quietly.
    func flush() { buffer.flush() }
}

/// `text` without characters that a terminal or a browser could take for a command: controls and changes of direction.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
                    "?"
                default: scalar
                }
            }))
}
