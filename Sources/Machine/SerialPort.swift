// The first serial port, a 16550A (National Semiconductor PC16550D data sheet).

public import Diagnostics
internal import CMachine

/// COM1 at 115200 baud, 8 data bits, no parity. Literals go out 16 bytes at a time, as many as the FIFO takes, with one
/// instruction: under virtualisation a trap for the instruction costs more than the bytes.
public struct SerialPort: TextSink {
    private static let base: UInt16 = 0x3f8
    private static let capacity = 16
    /// What the FIFO has room for, as far as we know.
    private var room = 0

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

    /// Takes one byte.
    public mutating func write(_ byte: UInt8) {
        makeRoom()
        cm_out8(SerialPort.base, byte)
        room -= 1
    }

    /// Takes a literal.
    public mutating func write(_ text: StaticString) {
        var next = unsafe text.utf8Start
        var left = text.utf8CodeUnitCount
        while left > 0 {
            makeRoom()
            let count = min(left, room)
            // `left` bytes of the literal begin at `next`.
            unsafe cm_out8_string(SerialPort.base, next, UInt64(count))
            unsafe next += count
            left -= count
            room -= count
        }
    }

    /// Ends a line as terminals expect it from a serial port.
    public mutating func endLine() { write("\r\n") }

    /// Waits until the transmitter's FIFO is empty, if it may be full. A port that never says so, perhaps because there
    /// is none, is given up after a bounded wait.
    private mutating func makeRoom() {
        guard room == 0 else { return }
        var patience = 1_000_000
        while cm_in8(SerialPort.base + 5) & 0x20 == 0, patience > 0 {
            patience -= 1
        }
        room = SerialPort.capacity
    }
}
