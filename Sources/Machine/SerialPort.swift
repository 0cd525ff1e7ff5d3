// The first serial port, a 16550A (National Semiconductor PC16550D data sheet).

import Architecture
public import Diagnostics
internal import CMachine

/// COM1 at 115200 baud, 8 data bits, no parity. Text is buffered until it is flushed, and sent 16 bytes at a time, as many as fit in the
/// FIFO: the port's status is read once for all of them.
public struct SerialPort: TextSink {
    private static var base: UInt16 { IOPort.serial }
    /// The port's registers, as offsets from `base`, and values of theirs (table II of the data sheet).
    private enum Register {
        static var interruptEnable: UInt16 { 1 }
        static var fifoControl: UInt16 { 2 }
        static var fifosOn: UInt8 { 1 }
        static var lineControl: UInt16 { 3 }
        static var eightDataBits: UInt8 { 3 }
        /// DLAB: the first two registers are the divisor's.
        static var divisorAccess: UInt8 { 0x80 }
        static var divisorLow: UInt16 { 0 }
        static var divisorHigh: UInt16 { 1 }
        static var modemControl: UInt16 { 4 }
        /// DTR and RTS.
        static var readyAndRequest: UInt8 { 3 }
    }
    private static let capacity = UInt64(CM_SERIAL_CAPACITY)
    private var count: UInt64 = 0
    private var isSetUp = false

    /// The port, which is not touched before there is something to send.
    public init() {}

    /// Sets divisor 1, 8 data bits, FIFOs on, no interrupts. Bytes that are already in the transmitter's FIFO are still sent.
    private mutating func setUp() {
        isSetUp = true
        let base = SerialPort.base
        cm_out8(base + Register.interruptEnable, 0)
        cm_out8(base + Register.lineControl, Register.divisorAccess)
        cm_out8(base + Register.divisorLow, 1)
        cm_out8(base + Register.divisorHigh, 0)
        cm_out8(base + Register.lineControl, Register.eightDataBits)
        cm_out8(base + Register.fifoControl, Register.fifosOn)
        cm_out8(base + Register.modemControl, Register.readyAndRequest)
    }

    /// Takes one byte.
    @inline(never)
    public mutating func write(_ byte: UInt8) {
        if count == SerialPort.capacity { flush() }
        // `count` is below the buffer's size.
        cm_serial_put(count, byte)
        count &+= 1
    }

    /// Takes up to eight bytes of text, the first in the lowest byte of `text`.
    @inline(never)
    public mutating func write(_ text: UInt64, count: UInt64) {
        guard self.count <= SerialPort.capacity &- 8 else { return flush(before: text, count) }
        // There is room for eight bytes; those past `count` are overwritten by the next.
        cm_serial_put_word(self.count, text)
        self.count &+= count
    }

    private mutating func flush(before text: UInt64, _ count: UInt64) {
        flush()
        write(text, count: count)
    }

    /// Takes a text.
    @inline(never)
    public mutating func write(_ text: Text) {
        let size = UInt64(truncatingIfNeeded: text.count)
        guard size <= SerialPort.capacity &- count else { return writeInParts(text) }
        // The buffer has room for all of it.
        unsafe cm_serial_append(count, text.bytes.baseAddress.unsafelyUnwrapped, size)
        count &+= size
    }

    private mutating func writeInParts(_ text: Text) {
        flush()
        let half = text.count >> 1
        write(text[0, half])
        write(text[half, text.count])
    }

    /// Ends a line by CR and LF, as terminals expect from a serial port.
    @inline(never)
    public mutating func endLine() { write(0x0a0d, count: 2) }

    /// Sends the buffered bytes, waiting until the transmitter's FIFO is empty before each 16 bytes. After a bounded wait it gives up a
    /// port that never becomes ready, perhaps because there is none.
    @inline(never)
    public mutating func flush() {
        if !isSetUp { setUp() }
        // `count` is at most the buffer's size.
        if count > 0 { cm_serial_send(SerialPort.base, count, 1_000_000) }
        count = 0
    }
}
