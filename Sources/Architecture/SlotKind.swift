// The kinds of slot in the global offset table (x86-64 psABI, "Relocation": G).

/// The kinds of slot in the GOT, by their contents.
public enum SlotKind: UInt8, Sendable {
    /// The symbol's address.
    case address
    /// The symbol's offset from TP.
    case offset
    /// A tls_index: the symbol's module and its offset in that module's block.
    case index
    /// A TLS descriptor.
    case descriptor

    /// The number of bytes.
    public var size: UInt64 { self == .address || self == .offset ? 8 : 16 }
}
