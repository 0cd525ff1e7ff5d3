// Relocation types by their numbers (x86-64 psABI, section "Relocation", tables 4.9 and 4.10).

public import Diagnostics

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
