// What DT_VERSYM holds for each symbol (LSB, chapter "Symbol Versioning").

/// The parts of a version's index.
public enum VersionIndex {
    /// The bits that number the version; VER_NDX_LOCAL, 0, and VER_NDX_GLOBAL, 1, stand for none.
    public static var number: UInt16 { 0x7fff }
    /// The bit of a symbol that only those see who ask for its version.
    public static var hidden: UInt16 { 0x8000 }
}
