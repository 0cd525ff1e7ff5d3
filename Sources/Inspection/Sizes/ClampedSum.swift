// Sums of sizes from untrusted files.

import AnyELF

extension UInt64 {
    /// The sum, or the largest number if it does not fit.
    func addingClamped(_ other: UInt64) -> UInt64 { adding(other) ?? .max }
}
