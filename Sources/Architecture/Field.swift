// The places that relocations change.

/// The place that a relocation changes, and the values that it can represent.
public enum Field: UInt8, Sendable {
    /// Nothing.
    case none
    /// 64 bits; every value fits, arithmetic wraps.
    case word64
    /// 32 bits that zero-extend to the value.
    case unsigned32
    /// 32 bits that sign-extend to the value.
    case signed32
    /// 16 bits that zero- or sign-extend to the value.
    case either16
    /// 16 bits that sign-extend to the value.
    case signed16
    /// 8 bits that zero- or sign-extend to the value.
    case either8
    /// 8 bits that sign-extend to the value.
    case signed8
    /// Two 64-bit words.
    case pair64
    /// As many bytes as the symbol has.
    case object

    /// The number of bytes that are stored; 0 if it is not fixed.
    public var size: UInt64 {
        switch self {
        case .none, .object: 0
        case .signed8, .either8: 1
        case .signed16, .either16: 2
        case .unsigned32, .signed32: 4
        case .word64: 8
        case .pair64: 16
        }
    }

    /// Whether the value may be one that the field's bits zero-extend to, or one that they sign-extend to.
    private var zeroExtends: Bool { self == .unsigned32 || self == .either16 || self == .either8 }
    private var signExtends: Bool { self != .unsigned32 }

    /// The values that the field can represent, from the first to the last.
    public var range: (first: Int64, last: Int64) {
        guard size > 0, size < 8 else { return (.min, .max) }
        let bits = Int64(bitPattern: size &* 8)
        return (signExtends ? -1 &<< (bits &- 1) : 0, (1 &<< (zeroExtends ? bits : bits &- 1)) &- 1)
    }
}
