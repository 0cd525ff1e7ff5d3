// How much memory a machine has, as its users write it.

import ArgumentParser

/// A number of bytes, in the form of QEMU's -m, or with other usual units: `512M`, `512MiB`, `1.5G`; plain numbers are MiB.
struct MemorySize: ExpressibleByArgument, Equatable {
    /// Bytes.
    let bytes: UInt64

    init(bytes: UInt64) { self.bytes = bytes }

    /// 1 MiB, QEMU's unit.
    static let mebibyte: UInt64 = 1 << 20
    /// The least and the most that is accepted.
    private static let accepted: ClosedRange<UInt64> = 2 * mebibyte...1 << 46
    /// QEMU's pages, 8 KiB.
    private static let page: UInt64 = 0x2000

    init?(argument: String) {
        // With a fraction QEMU requires a unit. Units of IEC 80000 are the same: it counts in powers of 2, whatever their names.
        guard let match = argument.wholeMatch(of: #/([0-9]+)(?:(\.[0-9]*)?\ ?([KMGTkmgt])(?:i?[Bb])?)?/#),
            let whole = UInt64(match.1)
        else { return nil }
        let units: [Substring: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let unit = match.3.flatMap { units[Substring($0.uppercased())] } ?? 20
        // QEMU rounds to whole bytes, then up to whole pages.
        let fraction = match.2.flatMap { Double("0\($0)0") } ?? 0
        let part = UInt64((fraction * Double(1 << unit as UInt64)).rounded())
        guard whole <= Self.accepted.upperBound >> unit, Self.accepted.contains(whole << unit + part) else {
            return nil
        }
        bytes = (whole << unit + part + (Self.page - 1)) & ~(Self.page - 1)
    }

    var defaultValueDescription: String { text }

    /// In the form of QEMU's -m.
    var text: String {
        let units: [(letter: String, shift: UInt64)] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)]
        // Whole pages, so whole KiB.
        let unit = units.first { bytes % (1 << $0.shift) == 0 } ?? ("K", 10)
        return "\(bytes >> unit.shift)\(unit.letter)"
    }
}
