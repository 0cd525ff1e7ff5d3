// What the dynamic section says of a file that is one of several (gABI, chapter "Dynamic Section").

public import Bytes

/// The entries that files need of each other. A value of 0 means that the entry is absent: none of them can have it.
public struct SharedObjectSection: Equatable, Sendable {
    /// DT_SONAME, as an offset in the string table.
    public private(set) var name: UInt64 = 0
    /// DT_VERSYM, DT_VERDEF and DT_VERNEED.
    public private(set) var versions: UInt64 = 0, definedVersions: UInt64 = 0, neededVersions: UInt64 = 0
    /// DT_INIT and DT_FINI.
    public private(set) var initialiser: UInt64 = 0, finaliser: UInt64 = 0
    /// DT_INIT_ARRAY and DT_INIT_ARRAYSZ, DT_FINI_ARRAY and DT_FINI_ARRAYSZ.
    public private(set) var initialisers: UInt64 = 0, initialisersSize: UInt64 = 0
    public private(set) var finalisers: UInt64 = 0, finalisersSize: UInt64 = 0
    /// DT_SYMBOLIC, or DF_SYMBOLIC in DT_FLAGS: symbols are looked for in the file itself first.
    public private(set) var isSymbolic = false

    /// Reads the section's bytes up to DT_NULL or their end.
    public init(_ bytes: borrowing ByteView) {
        for index in 0..<Int(truncatingIfNeeded: bytes.count / 16) {
            let entry = bytes.entry(index, size: 16)
            let value = entry.u64(8)
            switch entry.u64(0) {
            case 0: return
            case 12: initialiser = value
            case 13: finaliser = value
            case 14: name = value
            case 16: isSymbolic = true
            case 25: initialisers = value
            case 26: finalisers = value
            case 27: initialisersSize = value
            case 28: finalisersSize = value
            case 30: isSymbolic = isSymbolic || value & 2 != 0
            case 0x6fff_fff0: versions = value
            case 0x6fff_fffc: definedVersions = value
            case 0x6fff_fffe: neededVersions = value
            default: break
            }
        }
    }

    /// The value of the DT_NEEDED entry that follows the entries before `index`, which is moved behind it; nil behind the last.
    public static func nextNeeded(_ bytes: borrowing ByteView, _ index: inout Int) -> UInt64? {
        while index < Int(truncatingIfNeeded: bytes.count / 16) {
            let entry = bytes.entry(index, size: 16)
            index &+= 1
            switch entry.u64(0) {
            case 0: return nil
            case DynamicTag.needed: return entry.u64(8)
            default: break
            }
        }
        return nil
    }
}
