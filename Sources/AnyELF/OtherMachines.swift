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
}
