// The fault that a call throws, and the sentence that a user would read.

public import Diagnostics
import Bytes
import Linking

/// The fault that `body` throws; nil if it throws none. Any other error stops the test run.
public func fault(_ body: () throws -> Void) -> Fault? {
    do {
        try body()
        return nil
    } catch let fault as Fault {
        return fault
    } catch {
        fatalError("not a Fault: \(error)")
    }
}

/// Text that grows on the heap.
public struct TextCollector: TextSink {
    private var bytes: [UInt8] = []
    /// The written text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// An empty text.
    public init() {}

    /// Takes one byte of UTF-8.
    public mutating func write(_ byte: UInt8) { bytes.append(byte) }
}

extension Text: CustomStringConvertible {
    /// The text as a string.
    public var description: String {
        var sink = TextCollector()
        sink.write(self)
        return sink.text
    }
}

/// The sentence of `fault`, with names from `file`.
public func sentence(_ fault: Fault, _ file: [UInt8] = []) -> String {
    var sink = TextCollector()
    fault.write(to: &sink, FaultDetails(of: fault, in: ByteView(file.span.bytes)), file: file.span.bytes)
    return sink.text
}
