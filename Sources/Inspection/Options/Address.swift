// Addresses on the command line.

import ArgumentParser

/// An address: hexadecimal with 0x, or decimal.
struct Address: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        let isHexadecimal = argument.hasPrefix("0x") || argument.hasPrefix("0X")
        let digits = isHexadecimal ? argument.dropFirst(2) : argument[...]
        // The initialiser would take a sign.
        guard digits.first?.isHexDigit == true, let parsed = UInt64(digits, radix: isHexadecimal ? 16 : 10) else {
            return nil
        }
        value = parsed
    }
}
