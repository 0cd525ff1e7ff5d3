// The loader's text as strings.

import Bytes
import Diagnostics

/// Text that grows on the heap, for the host.
struct StringSink: TextSink {
    private var bytes: [UInt8] = []

    init() {}
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text that `body` writes.
    static func text(_ body: (inout StringSink) -> Void) -> String {
        var sink = StringSink()
        body(&sink)
        return sink.text
    }
}

extension Text {
    /// The text as an ordinary string.
    var string: String { StringSink.text { $0.write(self) } }
}

extension ByteView {
    /// The text of `size` bytes at `offset`; empty if they are not all there.
    func text(at offset: UInt64, size: UInt64) -> String {
        String(decoding: (0..<size).map { byte(at: offset + $0) ?? 0 }, as: UTF8.self)
    }
}
