// The guest's output on its way to standard output.

import Glibc

/// Bytes on their way to standard output.
struct PendingOutput {
    /// Whether anybody reads.
    var isOpen = true
    private var bytes: [UInt8] = []
    private var offset = 0
    private var endsWithCarriageReturn = false
    /// The most bytes of one write: poll reports that a pipe has room for as many; other files wait, or accept a part.
    private let limit: Int

    init() {
        var status = stat()
        // The call fills the structure.
        let isPipe = unsafe fstat(1, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        limit = isPipe ? Int(PIPE_BUF) : .max
    }

    var isEmpty: Bool { offset == bytes.count || !isOpen }

    /// Takes `new`, without the carriage returns of line ends if `dropsCarriageReturns`. Everything earlier has been written.
    mutating func take(_ new: Span<UInt8>, _ dropsCarriageReturns: Bool) {
        bytes.removeAll(keepingCapacity: true)
        offset = 0
        // Read only, and within the closure.
        guard dropsCarriageReturns else {
            return unsafe new.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
        }
        for index in new.indices {
            let byte = new[index]
            if endsWithCarriageReturn, byte != 0x0a { bytes.append(0x0d) }
            endsWithCarriageReturn = byte == 0x0d
            if !endsWithCarriageReturn { bytes.append(byte) }
        }
    }

    /// Takes a carriage return at the very end.
    mutating func end() {
        if endsWithCarriageReturn { bytes.append(0x0d) }
        endsWithCarriageReturn = false
    }

    /// Writes some of it; returns errno.
    mutating func write() -> Int32 {
        let (start, count) = (offset, min(limit, bytes.count - offset))
        // In bounds, read only, and within the closure.
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(1, $0.baseAddress! + start, count) }
        if written > 0 { offset += written }
        // QEMU makes the terminal non-blocking, also for this program.
        return written < 0 && errno != EINTR && errno != EAGAIN ? errno : 0
    }
}
