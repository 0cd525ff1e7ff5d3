// Relocation types by their numbers (x86-64 psABI, section "Relocation", tables 4.9 and 4.10).

public import Diagnostics

/// What a relocation computes, in the psABI's notation: S symbol value, A addend, P place, B load bias, Z symbol size,
/// G offset of the symbol's GOT slot, GOT address of the GOT, L address of the symbol's PLT entry, TP thread pointer.
public enum Formula: UInt8, Sendable {
    /// Nothing is stored.
    case none
    /// S + A
    case absolute
    /// S + A − P
    case pcRelative
    /// S
    case symbol
    /// B + A
    case bias
    /// Z + A
    case size
    /// A copy of another module's object.
    case copy
    /// G + A
    case gotOffset
    /// G + GOT + A − P
    case gotRelative
    /// L + A − P
    case pltRelative
    /// S + A − GOT
    case symbolFromGOT
    /// L + A − GOT
    case pltFromGOT
    /// GOT + A − P
    case gotFromPlace
    /// The number of the module that holds the symbol.
    case tlsModule
    /// The symbol's offset in its module's TLS block, plus A.
    case tlsOffset
    /// The symbol's offset from the thread pointer, plus A.
    case threadPointerOffset
    /// The GOT pair that describes the symbol's module and offset, + A − P.
    case tlsIndexFromPlace
    /// The GOT pair that describes this module, + A − P.
    case tlsModuleFromPlace
    /// The GOT slot that holds the offset from the thread pointer, + A − P.
    case threadPointerSlotFromPlace
    /// The GOT pair that holds the TLS descriptor, + A − P.
    case tlsDescriptorFromPlace
    /// A TLS descriptor: resolver and argument.
    case tlsDescriptor
    /// What the function at B + A returns.
    case indirect

    /// Whether it refers to the GOT or the PLT, which linkers make.
    public var needsLinker: Bool {
        switch self {
        case .gotOffset, .pltRelative, .symbolFromGOT, .pltFromGOT, .gotFromPlace: true
        default: slot != nil
        }
    }

    /// Whether it occurs only in linked files.
    public var needsLinkedFile: Bool { self == .copy || self == .symbol || self == .bias || self == .indirect }

    /// Whether A is one of its terms.
    public var hasAddend: Bool { self != .symbol && self != .indirect && self != .tlsModule }

    /// Whether P is subtracted.
    public var isFromPlace: Bool {
        switch self {
        case .pcRelative, .pltRelative, .gotFromPlace: true
        default: slot != nil && self != .gotOffset
        }
    }

    /// Whether S is an offset in the block of thread-local storage.
    public var isThreadLocal: Bool {
        switch self {
        case .tlsModule, .tlsOffset, .threadPointerOffset, .tlsDescriptor: true
        default: slot != nil && slot != .address
        }
    }

    /// The kind of slot that G stands for; nil if the formula has no slot.
    public var slot: SlotKind? {
        switch self {
        case .gotOffset, .gotRelative: .address
        case .threadPointerSlotFromPlace: .offset
        case .tlsIndexFromPlace, .tlsModuleFromPlace: .index
        case .tlsDescriptorFromPlace: .descriptor
        default: nil
        }
    }

    /// Whether S is the address that the symbol stands for.
    public var usesSymbolValue: Bool {
        switch self {
        case .absolute, .pcRelative, .symbol: true
        default: false
        }
    }

    /// The formula, as text.
    public var text: Text {
        switch self {
        case .none: "-"
        case .absolute: "S + A"
        case .pcRelative: "S + A - P"
        case .symbol: "S"
        case .bias: "B + A"
        case .size: "Z + A"
        case .copy: "copy"
        case .gotOffset: "G + A"
        case .gotRelative: "G + GOT + A - P"
        case .pltRelative: "L + A - P"
        case .symbolFromGOT: "S + A - GOT"
        case .pltFromGOT: "L + A - GOT"
        case .gotFromPlace: "GOT + A - P"
        case .tlsModule: "module(S)"
        case .tlsOffset: "S + A in TLS block"
        case .threadPointerOffset: "S + A - TP"
        case .tlsIndexFromPlace: "tls_index(S) + A - P"
        case .tlsModuleFromPlace: "tls_index + A - P"
        case .threadPointerSlotFromPlace: "slot(S - TP) + A - P"
        case .tlsDescriptorFromPlace: "descriptor(S) + A - P"
        case .tlsDescriptor: "descriptor(S + A)"
        case .indirect: "(B + A)()"
        }
    }
}

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

/// A relocation type: one row of the psABI's table.
public struct RelocationType: Sendable {
    private let number: UInt32
    /// What is stored where.
    public let field: Field
    /// What is computed.
    public let formula: Formula

    /// The largest number that the psABI has.
    public static var lastNumber: UInt32 { 51 }

    /// Whether a linker may leave it to the loader. The others need a GOT, a PLT or code, which only linkers make, or they mark code
    /// for linkers.
    public var occursInLinkedFiles: Bool {
        !formula.needsLinker && number != RelocationNumber.tlsDescCall && number != RelocationNumber.pc32BND
    }

    /// The prefix of every name.
    public static var namePrefix: Text { "R_X86_64_" }

    /// The name after `namePrefix`.
    public var name: Text {
        // Nearly all are of this type, and need no search.
        number == RelocationNumber.relative ? "RELATIVE" : RelocationType.names.word(Int(number))
    }

    private static var names: Text {
        """
        NONE 64 PC32 GOT32 PLT32 COPY GLOB_DAT JUMP_SLOT RELATIVE GOTPCREL 32 32S 16 PC16 8 PC8 DTPMOD64 DTPOFF64 \
        TPOFF64 TLSGD TLSLD DTPOFF32 GOTTPOFF TPOFF32 PC64 GOTOFF64 GOTPC32 GOT64 GOTPCREL64 GOTPC64 GOTPLT64 \
        PLTOFF64 SIZE32 SIZE64 GOTPC32_TLSDESC TLSDESC_CALL TLSDESC IRELATIVE RELATIVE64 PC32_BND PLT32_BND \
        GOTPCRELX REX_GOTPCRELX CODE_4_GOTPCRELX CODE_4_GOTTPOFF CODE_4_GOTPC32_TLSDESC CODE_5_GOTPCRELX \
        CODE_5_GOTTPOFF CODE_5_GOTPC32_TLSDESC CODE_6_GOTPCRELX CODE_6_GOTTPOFF CODE_6_GOTPC32_TLSDESC
        """
    }

    /// The row of TPOFF32.
    public static var threadPointerOffset: RelocationType {
        RelocationType(number: RelocationNumber.tpOff32, field: .signed32, formula: .threadPointerOffset)
    }

    private init(number: UInt32, field: Field, formula: Formula) {
        self.number = number
        self.field = field
        self.formula = formula
    }

    /// The row of `number`; nil for a number that is not in the psABI.
    public init?(_ number: UInt32) {
        self.number = number
        switch number {
        case 0: (field, formula) = (.none, .none)
        case 1: (field, formula) = (.word64, .absolute)
        case 2: (field, formula) = (.signed32, .pcRelative)
        case 3: (field, formula) = (.signed32, .gotOffset)
        case 4: (field, formula) = (.signed32, .pltRelative)
        case 5: (field, formula) = (.object, .copy)
        case 6: (field, formula) = (.word64, .symbol)
        case 7: (field, formula) = (.word64, .symbol)
        case 8: (field, formula) = (.word64, .bias)
        case 9: (field, formula) = (.signed32, .gotRelative)
        case 10: (field, formula) = (.unsigned32, .absolute)
        case 11: (field, formula) = (.signed32, .absolute)
        case 12: (field, formula) = (.either16, .absolute)
        case 13: (field, formula) = (.signed16, .pcRelative)
        case 14: (field, formula) = (.either8, .absolute)
        case 15: (field, formula) = (.signed8, .pcRelative)
        case 16: (field, formula) = (.word64, .tlsModule)
        case 17: (field, formula) = (.word64, .tlsOffset)
        case 18: (field, formula) = (.word64, .threadPointerOffset)
        case 19: (field, formula) = (.signed32, .tlsIndexFromPlace)
        case 20: (field, formula) = (.signed32, .tlsModuleFromPlace)
        case 21: (field, formula) = (.signed32, .tlsOffset)
        case 22: (field, formula) = (.signed32, .threadPointerSlotFromPlace)
        case 23: (field, formula) = (.signed32, .threadPointerOffset)
        case 24: (field, formula) = (.word64, .pcRelative)
        case 25: (field, formula) = (.word64, .symbolFromGOT)
        case 26: (field, formula) = (.signed32, .gotFromPlace)
        case 27: (field, formula) = (.word64, .gotOffset)
        case 28: (field, formula) = (.word64, .gotRelative)
        case 29: (field, formula) = (.word64, .gotFromPlace)
        case 30: (field, formula) = (.word64, .gotOffset)
        case 31: (field, formula) = (.word64, .pltFromGOT)
        case 32: (field, formula) = (.unsigned32, .size)
        case 33: (field, formula) = (.word64, .size)
        case 34: (field, formula) = (.signed32, .tlsDescriptorFromPlace)
        case 35: (field, formula) = (.none, .none)
        case 36: (field, formula) = (.pair64, .tlsDescriptor)
        case 37: (field, formula) = (.word64, .indirect)
        case 38: (field, formula) = (.word64, .bias)
        case 39: (field, formula) = (.signed32, .pcRelative)
        case 40: (field, formula) = (.signed32, .pltRelative)
        case 41: (field, formula) = (.signed32, .gotRelative)
        case 42: (field, formula) = (.signed32, .gotRelative)
        case 43: (field, formula) = (.signed32, .gotRelative)
        case 44: (field, formula) = (.signed32, .threadPointerSlotFromPlace)
        case 45: (field, formula) = (.signed32, .tlsDescriptorFromPlace)
        case 46: (field, formula) = (.signed32, .gotRelative)
        case 47: (field, formula) = (.signed32, .threadPointerSlotFromPlace)
        case 48: (field, formula) = (.signed32, .tlsDescriptorFromPlace)
        case 49: (field, formula) = (.signed32, .gotRelative)
        case 50: (field, formula) = (.signed32, .threadPointerSlotFromPlace)
        case 51: (field, formula) = (.signed32, .tlsDescriptorFromPlace)
        default: return nil
        }
    }
}
