// Relocation types by their numbers (x86-64 psABI, section "Relocation", tables 4.9 and 4.10).

public import Diagnostics

/// A relocation type: one row of the psABI's table.
public struct RelocationType: Sendable {
    private let number: UInt32
    /// The name after `namePrefix`.
    public let name: Text
    /// The field that is stored.
    public let field: Field
    /// The formula.
    public let formula: Formula

    /// The largest number that the psABI has.
    public static var lastNumber: UInt32 { 51 }
    /// A value for each number, 0 to `lastNumber`.
    public typealias ForEach<Element> = InlineArray<52, Element>

    /// The prefix of every name.
    public static var namePrefix: Text { "R_X86_64_" }

    /// Whether a linker may leave it to the loader. The others need a GOT, a PLT or code, which only linkers make, or they mark code
    /// for linkers.
    public var occursInLinkedFiles: Bool {
        !formula.needsLinker && number != RelocationNumber.tlsDescCall && number != RelocationNumber.pc32BND
    }

    private init(_ number: UInt32, _ name: Text, _ field: Field, _ formula: Formula) {
        self.number = number
        self.name = name
        self.field = field
        self.formula = formula
    }

    /// The row of `number`; nil for a number that is not in the psABI.
    public init?(_ number: UInt32) {
        guard let row = RelocationType.row(number) else { return nil }
        self = row
    }

    /// The row of TPOFF32.
    public static var tpOff32: RelocationType {
        RelocationType(RelocationNumber.tpOff32, "TPOFF32", .signed32, .threadPointerOffset)
    }

    private static func row(_ number: UInt32) -> RelocationType? {
        switch number {
        case RelocationNumber.none: RelocationType(number, "NONE", .none, .none)
        case RelocationNumber.absolute64: RelocationType(number, "64", .word64, .absolute)
        case RelocationNumber.pc32: RelocationType(number, "PC32", .signed32, .pcRelative)
        case 3: RelocationType(number, "GOT32", .signed32, .gotOffset)
        case RelocationNumber.plt32: RelocationType(number, "PLT32", .signed32, .pltRelative)
        case RelocationNumber.copy: RelocationType(number, "COPY", .object, .copy)
        case RelocationNumber.globDat: RelocationType(number, "GLOB_DAT", .word64, .symbol)
        case RelocationNumber.jumpSlot: RelocationType(number, "JUMP_SLOT", .word64, .symbol)
        case RelocationNumber.relative: RelocationType(number, "RELATIVE", .word64, .bias)
        case RelocationNumber.gotPCRel: RelocationType(number, "GOTPCREL", .signed32, .gotRelative)
        case 10: RelocationType(number, "32", .unsigned32, .absolute)
        case 11: RelocationType(number, "32S", .signed32, .absolute)
        case 12: RelocationType(number, "16", .either16, .absolute)
        case 13: RelocationType(number, "PC16", .signed16, .pcRelative)
        case 14: RelocationType(number, "8", .either8, .absolute)
        case 15: RelocationType(number, "PC8", .signed8, .pcRelative)
        case RelocationNumber.dtpMod64: RelocationType(number, "DTPMOD64", .word64, .tlsModule)
        case RelocationNumber.dtpOff64: RelocationType(number, "DTPOFF64", .word64, .tlsOffset)
        case RelocationNumber.tpOff64: RelocationType(number, "TPOFF64", .word64, .threadPointerOffset)
        case 19: RelocationType(number, "TLSGD", .signed32, .tlsIndexFromPlace)
        case 20: RelocationType(number, "TLSLD", .signed32, .tlsModuleFromPlace)
        case RelocationNumber.dtpOff32: RelocationType(number, "DTPOFF32", .signed32, .tlsOffset)
        case 22: RelocationType(number, "GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case RelocationNumber.tpOff32: tpOff32
        case 24: RelocationType(number, "PC64", .word64, .pcRelative)
        case 25: RelocationType(number, "GOTOFF64", .word64, .symbolFromGOT)
        case 26: RelocationType(number, "GOTPC32", .signed32, .gotFromPlace)
        case 27: RelocationType(number, "GOT64", .word64, .gotOffset)
        case 28: RelocationType(number, "GOTPCREL64", .word64, .gotRelative)
        case 29: RelocationType(number, "GOTPC64", .word64, .gotFromPlace)
        case 30: RelocationType(number, "GOTPLT64", .word64, .gotOffset)
        case RelocationNumber.pltOff64: RelocationType(number, "PLTOFF64", .word64, .pltFromGOT)
        case 32: RelocationType(number, "SIZE32", .unsigned32, .size)
        case 33: RelocationType(number, "SIZE64", .word64, .size)
        case 34: RelocationType(number, "GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case RelocationNumber.tlsDescCall: RelocationType(number, "TLSDESC_CALL", .none, .none)
        case RelocationNumber.tlsDesc: RelocationType(number, "TLSDESC", .pair64, .tlsDescriptor)
        case RelocationNumber.iRelative: RelocationType(number, "IRELATIVE", .word64, .indirect)
        case 38: RelocationType(number, "RELATIVE64", .word64, .bias)
        case RelocationNumber.pc32BND: RelocationType(number, "PC32_BND", .signed32, .pcRelative)
        case 40: RelocationType(number, "PLT32_BND", .signed32, .pltRelative)
        case RelocationNumber.gotPCRelX: RelocationType(number, "GOTPCRELX", .signed32, .gotRelative)
        case RelocationNumber.rexGOTPCRelX: RelocationType(number, "REX_GOTPCRELX", .signed32, .gotRelative)
        case 43: RelocationType(number, "CODE_4_GOTPCRELX", .signed32, .gotRelative)
        case 44: RelocationType(number, "CODE_4_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 45: RelocationType(number, "CODE_4_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case 46: RelocationType(number, "CODE_5_GOTPCRELX", .signed32, .gotRelative)
        case 47: RelocationType(number, "CODE_5_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 48: RelocationType(number, "CODE_5_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case 49: RelocationType(number, "CODE_6_GOTPCRELX", .signed32, .gotRelative)
        case 50: RelocationType(number, "CODE_6_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 51: RelocationType(number, "CODE_6_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        default: nil
        }
    }
}
