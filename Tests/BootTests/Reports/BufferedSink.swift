// Text with the serial port's buffering: it is sent by flushing.

import Diagnostics

/// Text that is collected up to the next flush.
struct BufferedSink: TextSink {
    private var pending: [UInt8] = []
    /// The flushed text, one element per flush.
    private(set) var parts: [String] = []

    /// All flushed text.
    var text: String { parts.joined() }
    /// Whether nothing waits for the next flush.
    var isFlushed: Bool { pending.isEmpty }

    mutating func write(_ byte: UInt8) { pending.append(byte) }

    mutating func flush() {
        guard !pending.isEmpty else { return }
        parts.append(String(decoding: pending, as: UTF8.self))
        pending = []
    }
}
