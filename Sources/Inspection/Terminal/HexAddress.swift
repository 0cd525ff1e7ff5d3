// Addresses and ranges of them, written in the same way everywhere.

import Memory

/// `value` in hexadecimal.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// An address: in JSON and in text it is a hexadecimal number.
struct HexAddress: Encodable, CustomStringConvertible {
    let value: UInt64

    init(_ value: UInt64) { self.value = value }

    var description: String { hex(value) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The range from `start` to below `end`, by its first and its last byte, as in the loader's report.
func rangeText(_ start: UInt64, _ end: UInt64) -> String { start < end ? "\(hex(start))-\(hex(end - 1))" : hex(start) }

/// `range` by its first and its last byte.
func rangeText(_ range: AddressRange) -> String { rangeText(range.start, range.end) }
