// The numbers of the relocation types that the loader names (x86-64 psABI, table 4.10).

/// Numbers, under the psABI's names without `R_X86_64_`.
public enum RelocationNumber {
    /// Nothing.
    public static var none: UInt32 { 0 }
    /// S + A, 64 bits.
    public static var absolute64: UInt32 { 1 }
    /// S + A - P.
    static var pc32: UInt32 { 2 }
    /// L + A - P.
    static var plt32: UInt32 { 4 }
    /// A copy of another module's object.
    public static var copy: UInt32 { 5 }
    /// S, in a slot of the GOT.
    public static var globDat: UInt32 { 6 }
    /// S, in a slot of the PLT's part of the GOT.
    public static var jumpSlot: UInt32 { 7 }
    /// B + A.
    public static var relative: UInt32 { 8 }
    /// G + GOT + A - P.
    static var gotPCRel: UInt32 { 9 }
    /// The number of the module that holds the symbol.
    public static var dtpMod64: UInt32 { 16 }
    /// The symbol's offset in its module's block, 64 bits.
    public static var dtpOff64: UInt32 { 17 }
    /// The symbol's offset from TP, 64 bits.
    public static var tpOff64: UInt32 { 18 }
    /// The symbol's offset in its module's block, 32 bits.
    public static var dtpOff32: UInt32 { 21 }
    /// The symbol's offset from TP, 32 bits.
    public static var tpOff32: UInt32 { 23 }
    /// L + A - GOT.
    static var pltOff64: UInt32 { 31 }
    /// A mark at a call through a TLS descriptor.
    static var tlsDescCall: UInt32 { 35 }
    /// A TLS descriptor.
    public static var tlsDesc: UInt32 { 36 }
    /// The result of the function at B + A.
    public static var iRelative: UInt32 { 37 }
    /// S + A - P, in code for MPX, which is obsolete.
    static var pc32BND: UInt32 { 39 }
    /// G + GOT + A - P, in an instruction that may be relaxed.
    static var gotPCRelX: UInt32 { 41 }
    /// The same, in an instruction with a REX prefix.
    static var rexGOTPCRelX: UInt32 { 42 }
}
