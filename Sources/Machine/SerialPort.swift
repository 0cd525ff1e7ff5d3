// The first serial port, a 16550A (National Semiconductor PC16550D data sheet).

public import Diagnostics
internal import CMachine

/// COM1 at 115200 baud, 8 data bits, no parity. Bytes are gathered and sent 16 at a time, as many as the FIFO takes.
public struct SerialPort: TextSink {
    private static let base: UInt16 = 0x3f8
    private static let capacity = 16
    private var pending = InlineArray<16, UInt8>(repeating: 0)
    private var count = 0

    /// Sets up the port: divisor 1, 8 data bits, FIFOs on, no interrupts.
    public init() {
        cm_out8(SerialPort.base + 1, 0)
        cm_out8(SerialPort.base + 3, 0x80)
        cm_out8(SerialPort.base, 1)
        cm_out8(SerialPort.base + 1, 0)
        cm_out8(SerialPort.base + 3, 3)
        cm_out8(SerialPort.base + 2, 0x07)
        cm_out8(SerialPort.base + 4, 3)
    }

    /// Takes one byte; a line feed becomes carriage return and line feed.
    public mutating func write(_ byte: UInt8) {
        if byte == 0x0a { put(0x0d) }
        put(byte)
    }

    private mutating func put(_ byte: UInt8) {
        pending[count] = byte
        count += 1
        if count == SerialPort.capacity { flush() }
    }

    /// Sends what was gathered, once the transmitter's FIFO is empty. A port that never says so, perhaps because there is
    /// none, is given up after a bounded wait.
    public mutating func flush() {
        guard count > 0 else { return }
        var patience = 1_000_000
        while cm_in8(SerialPort.base + 5) & 0x20 == 0, patience > 0 {
            patience -= 1
        }
        let bytes = pending.span
        // The pointer does not leave the closure; `count` never exceeds the array's size.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe cm_out8_string(SerialPort.base, buffer.baseAddress.unsafelyUnwrapped, UInt64(count))
        }
        count = 0
    }
}
