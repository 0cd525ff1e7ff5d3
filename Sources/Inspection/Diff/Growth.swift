// A limit to growth, which fails a build.

import ArgumentParser

/// The growth that is allowed: a number of bytes, `4096`, `4K`, `1.5M`, or a percentage of the old size, `2%`, `0.5%`.
struct Growth: ExpressibleByArgument {
    /// The text as it was given.
    let text: String
    private let number: Double
    private let isPercentage: Bool

    init?(argument: String) {
        guard let match = argument.wholeMatch(of: #/([0-9]+(?:\.[0-9]+)?)(?:(%)|([KMGkmg])(?:i?[Bb])?)?/#),
            let number = Double(match.1)
        else { return nil }
        let units: [Substring: Double] = ["K": 0x400, "M": 0x10_0000, "G": 0x4000_0000]
        text = argument
        isPercentage = match.2 != nil
        self.number = number * (match.3.flatMap { units[Substring($0.uppercased())] } ?? 1)
    }

    /// Whether it is less than the growth from `old` to `new`.
    func isLess(than old: UInt64, _ new: UInt64) -> Bool {
        guard new > old else { return false }
        let growth = Double(new - old)
        return growth > (isPercentage ? Double(old) * number / 100 : number)
    }
}

extension BuildDifference {
    /// A sentence about the file or image if it has grown by more than `limit`; otherwise nil.
    func exceeds(_ limit: Growth) -> String? {
        if limit.isLess(than: old.size, new.size) { return "the file has grown from \(old.size) to \(new.size) bytes" }
        guard let before = old.imageSize, let after = new.imageSize, limit.isLess(than: before, after) else {
            return nil
        }
        return "the image has grown from \(before) to \(after) bytes of memory"
    }
}
