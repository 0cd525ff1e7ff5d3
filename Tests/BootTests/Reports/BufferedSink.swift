// Text as the serial port has it: what has not been flushed is not there yet.

import Diagnostics

/// Text that is gathered up to the next flush.
struct BufferedSink: TextSink {
    private var pending: [UInt8] = []
    /// What was flushed, by flushes.
    private(set) var parts: [String] = []

    /// All that was flushed.
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
