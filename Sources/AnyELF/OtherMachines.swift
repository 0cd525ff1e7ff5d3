// The numbers of other machines, whose files differ from the loader's in form (gABI, chapter "ELF Header").

public import Architecture

extension MachineType {
    /// EM_MIPS: 64-bit files have r_info in fields of their own.
    public static var mips: UInt16 { 8 }
    /// EM_S390: by its psABI 64-bit files have hash tables of 64-bit words.
    public static var s390: UInt16 { 22 }
    /// EM_ARM.
    public static var arm: UInt16 { 40 }
    /// EM_SPARCV9: relocation types have further data above them.
    public static var sparcV9: UInt16 { 43 }
    /// EM_AARCH64.
    public static var aarch64: UInt16 { 183 }
    /// EM_RISCV.
    public static var riscv: UInt16 { 243 }
    /// EM_ALPHA: 64-bit files have hash tables of 64-bit words. The number is the one in use; it was never registered.
    public static var alpha: UInt16 { 0x9026 }

    /// The number of R_*_RELATIVE, the type of the relocations that DT_RELR encodes, in `form` for `machine` (the machines' psABIs); nil for a
    /// machine that has no such type, or is not in the table.
    public static func relativeRelocation(_ machine: UInt16, _ form: FileForm) -> UInt32? {
        switch machine {
        case sparc, sparcV8Plus, sparcV9: 22
        case i386, amd64: 8
        case m68k: 22
        case powerPC, powerPC64: 22
        case s390: 12
        case arm: 23
        case superH: 165
        case aarch64: form.isWide ? 1027 : 183
        case riscv: 3
        case cSKY: 9
        case loongArch: 3
        case alpha: 27
        default: nil
        }
    }

    // Machines that only this table knows, as the gABI lists them.

    private static var sparc: UInt16 { 2 }
    private static var i386: UInt16 { 3 }
    private static var m68k: UInt16 { 4 }
    private static var sparcV8Plus: UInt16 { 18 }
    private static var powerPC: UInt16 { 20 }
    private static var powerPC64: UInt16 { 21 }
    private static var superH: UInt16 { 42 }
    private static var cSKY: UInt16 { 252 }
    private static var loongArch: UInt16 { 258 }
}
