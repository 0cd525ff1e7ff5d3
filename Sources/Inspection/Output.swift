// Standard output in large pieces, and whether it takes colour.

import ArgumentParser
import Bytes
import Diagnostics
import Foundation

/// When to colour.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, always, never

    /// Whether to colour what goes to descriptor 1: by default if it is a terminal and NO_COLOR is not set.
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

/// A colour or weight, by its SGR number; these look right on light and on dark ground.
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
    private var buffer: [UInt8] = []
    private let descriptor: Int32
    let isColored: Bool

    init(descriptor: Int32 = 1, color: ColorChoice = .auto) {
        self.descriptor = descriptor
        isColored = color.isOn
        buffer.reserveCapacity(1 << 17)
    }

    deinit { flush() }

    /// Takes one byte.
    func write(_ byte: UInt8) {
        buffer.append(byte)
        if buffer.count >= 1 << 16 { flush() }
    }

    /// Takes bytes.
    func write(_ bytes: [UInt8]) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= 1 << 16 { flush() }
    }

    /// Takes a string.
    func write(_ text: String) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= 1 << 16 { flush() }
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

    /// Hands over what was taken. Where nobody reads any more, the program ends quietly.
    func flush() {
        var start = 0
        while start < buffer.count {
            // In bounds: the slice is the buffer's.
            let count = unsafe buffer[start...].withUnsafeBytes {
                unsafe Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                exit(errno == EPIPE ? 0 : 74)
            }
            start += count
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
