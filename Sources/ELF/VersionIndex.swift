// The number of each symbol's version in DT_VERSYM (LSB, chapter "Symbol Versioning").

/// The parts of a version's index.
public enum VersionIndex {
    /// The bits that number the version; VER_NDX_LOCAL, 0, and VER_NDX_GLOBAL, 1, mean none.
    public static var number: UInt16 { 0x7fff }
    /// The bit of a symbol that is found only by its version.
    public static var hidden: UInt16 { 0x8000 }
}
