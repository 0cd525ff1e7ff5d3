// The tags of dynamic entries that only views read (gABI, chapter "Dynamic Section", and GNU's).

public import ELF

extension DynamicTag {
    /// DT_RPATH: folders in which shared libraries are looked for first.
    public static var firstFolders: UInt64 { 15 }
    /// DT_RUNPATH: folders in which shared libraries are looked for.
    public static var folders: UInt64 { 29 }
    /// DT_PREINIT_ARRAYSZ: bytes of the array at DT_PREINIT_ARRAY.
    public static var preinitialisersSize: UInt64 { 33 }
    /// DT_RELCOUNT: how many entries at the start of DT_REL are relative.
    public static var relativeCountInPlace: UInt64 { 0x6fff_fffa }
    /// DT_FLAGS_1: bits of the operating system.
    public static var moreFlags: UInt64 { 0x6fff_fffb }
    /// DT_VERDEFNUM: the number of versions at DT_VERDEF.
    public static var definedVersionCount: UInt64 { 0x6fff_fffd }
    /// DT_VERNEEDNUM: the number of files at DT_VERNEED.
    public static var neededVersionCount: UInt64 { 0x6fff_ffff }

    /// Whether the value of `tag` is an offset in the string table.
    public static func isString(_ tag: UInt64) -> Bool { [needed, name, firstFolders, folders].contains(tag) }

    /// Whether the value of `tag` is a number of bytes or entries.
    public static func isCount(_ tag: UInt64) -> Bool {
        let counts = [
            pltRelocationSize, relaSize, relaEntrySize, stringTableSize, symbolEntrySize, relSize, relEntrySize,
            initialisersSize, finalisersSize, preinitialisersSize, relrSize, relrEntrySize, relativeCount,
            relativeCountInPlace, definedVersionCount, neededVersionCount,
        ]
        return counts.contains(tag)
    }
}
