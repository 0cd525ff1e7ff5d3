// The number of each symbol's version in DT_VERSYM (LSB, chapter "Symbol Versioning").

/// The parts of a version's index.
public enum VersionIndex {
    /// The bits that number the version.
    public static var number: UInt16 { 0x7fff }
    /// VER_NDX_GLOBAL: the number of the file's own version, which means none. VER_NDX_LOCAL, below it, does so, too.
    public static var global: UInt16 { 1 }
    /// The number of the first version that a file defines beside its own.
    public static var first: UInt16 { 2 }
    /// The bit of a symbol that is found only by its version.
    public static var hidden: UInt16 { 0x8000 }
}
