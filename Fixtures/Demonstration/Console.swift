// Text on the first serial port.

import Demo

/// Sends one byte, once the transmitter is free.
func put(_ byte: UInt8) {
    while demo_in8(0x3fd) & 0x20 == 0 {}
    demo_out8(0x3f8, byte)
}

/// Prints a literal.
func show(_ text: StaticString) {
    for index in 0..<text.utf8CodeUnitCount { put(text.utf8Start[index]) }
}

/// Prints `value` in hexadecimal.
func show(hex value: UInt64) {
    show("0x")
    var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
    while shift >= 0 {
        let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xf
        put(digit < 10 ? 0x30 + digit : 0x57 + digit)
        shift -= 4
    }
}

/// Prints `value` in decimal.
func show(decimal value: UInt64) {
    if value >= 10 { show(decimal: value / 10) }
    put(0x30 + UInt8(truncatingIfNeeded: value % 10))
}

/// Prints the name of a field, filled up to a column.
func field(_ name: StaticString) {
    show("  ")
    show(name)
    for _ in name.utf8CodeUnitCount..<20 { put(0x20) }
}

/// Prints a named number.
func field(_ name: StaticString, _ value: UInt64) {
    field(name)
    show(hex: value)
    show("\r\n")
}

/// Prints a named range of addresses.
func field(_ name: StaticString, _ start: UInt64, _ end: UInt64) {
    field(name)
    show(hex: start)
    show(" to ")
    show(hex: end)
    show("\r\n")
}

/// Prints a named text of `count` bytes at `address`.
func field(_ name: StaticString, text address: UInt64, _ count: UInt64) {
    field(name)
    for index in 0..<count { put(demo_load8(address + index)) }
    show("\r\n")
}
