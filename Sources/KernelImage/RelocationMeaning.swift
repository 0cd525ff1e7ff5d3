// Relocation numbers and what they mean (x86-64 psABI, section "Relocation", tables 4.9 and 4.10).

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

    /// Whether it refers to what a linker makes: GOT or PLT.
    public var needsLinker: Bool {
        switch self {
        case .gotOffset, .gotRelative, .pltRelative, .symbolFromGOT, .pltFromGOT, .gotFromPlace, .tlsIndexFromPlace,
            .tlsModuleFromPlace, .threadPointerSlotFromPlace, .tlsDescriptorFromPlace:
            true
        case .none, .absolute, .pcRelative, .symbol, .bias, .size, .copy, .tlsModule, .tlsOffset,
            .threadPointerOffset, .tlsDescriptor, .indirect:
            false
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
    public var text: StaticString {
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

/// What is stored, and which values it can represent.
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

    /// The number of bytes stored, 0 where that is not fixed.
    public var size: UInt64 {
        switch self {
        case .none, .object: 0
        case .signed8, .either8: 1
        case .signed16, .either16: 2
        case .signed32, .unsigned32: 4
        case .word64: 8
        case .pair64: 16
        }
    }

    /// Whether the field can represent `value`.
    public func represents(_ value: UInt64) -> Bool {
        let signed = Int64(bitPattern: value)
        return switch self {
        case .none, .word64, .pair64, .object: true
        case .unsigned32: value <= 0xffff_ffff
        case .signed32: signed >= -0x8000_0000 && signed <= 0x7fff_ffff
        case .either16: signed >= -0x8000 && signed <= 0xffff
        case .signed16: signed >= -0x8000 && signed <= 0x7fff
        case .either8: signed >= -0x80 && signed <= 0xff
        case .signed8: signed >= -0x80 && signed <= 0x7f
        }
    }

    /// The end of the range that `value`, which the field cannot represent, lies beyond.
    public func limit(for value: UInt64) -> UInt64 {
        let isNegative = Int64(bitPattern: value) < 0
        return switch self {
        case .none, .word64, .pair64, .object: .max
        case .unsigned32: 0xffff_ffff
        case .signed32: isNegative ? 0xffff_ffff_8000_0000 : 0x7fff_ffff
        case .either16: isNegative ? 0xffff_ffff_ffff_8000 : 0xffff
        case .signed16: isNegative ? 0xffff_ffff_ffff_8000 : 0x7fff
        case .either8: isNegative ? 0xffff_ffff_ffff_ff80 : 0xff
        case .signed8: isNegative ? 0xffff_ffff_ffff_ff80 : 0x7f
        }
    }
}

/// One row of the psABI's table.
public struct RelocationMeaning: Sendable {
    /// The name without `R_X86_64_`.
    public let name: StaticString
    /// What is stored where.
    public let field: Field
    /// What is computed.
    public let formula: Formula
    /// Whether a linker may leave it to the loader; the others need the GOT, the PLT or the code that only linkers make.
    public let occursInLinkedFiles: Bool

    /// The largest number the psABI knows.
    public static var lastNumber: UInt32 { 51 }

    private init(_ name: StaticString, _ field: Field, _ formula: Formula, onlyInObjects: Bool = false) {
        self.name = name
        self.field = field
        self.formula = formula
        occursInLinkedFiles = !onlyInObjects && !formula.needsLinker
    }

    /// The row of `number`, nil for a number that is not in the psABI.
    public init?(_ number: UInt32) {
        switch number {
        case 0: self.init("NONE", .none, .none)
        case 1: self.init("64", .word64, .absolute)
        case 2: self.init("PC32", .signed32, .pcRelative)
        case 3: self.init("GOT32", .signed32, .gotOffset)
        case 4: self.init("PLT32", .signed32, .pltRelative)
        case 5: self.init("COPY", .object, .copy)
        case 6: self.init("GLOB_DAT", .word64, .symbol)
        case 7: self.init("JUMP_SLOT", .word64, .symbol)
        case 8: self.init("RELATIVE", .word64, .bias)
        case 9: self.init("GOTPCREL", .signed32, .gotRelative)
        case 10: self.init("32", .unsigned32, .absolute)
        case 11: self.init("32S", .signed32, .absolute)
        case 12: self.init("16", .either16, .absolute)
        case 13: self.init("PC16", .signed16, .pcRelative)
        case 14: self.init("8", .either8, .absolute)
        case 15: self.init("PC8", .signed8, .pcRelative)
        case 16: self.init("DTPMOD64", .word64, .tlsModule)
        case 17: self.init("DTPOFF64", .word64, .tlsOffset)
        case 18: self.init("TPOFF64", .word64, .threadPointerOffset)
        case 19: self.init("TLSGD", .signed32, .tlsIndexFromPlace)
        case 20: self.init("TLSLD", .signed32, .tlsModuleFromPlace)
        case 21: self.init("DTPOFF32", .signed32, .tlsOffset)
        case 22: self.init("GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 23: self.init("TPOFF32", .signed32, .threadPointerOffset)
        case 24: self.init("PC64", .word64, .pcRelative)
        case 25: self.init("GOTOFF64", .word64, .symbolFromGOT)
        case 26: self.init("GOTPC32", .signed32, .gotFromPlace)
        case 27: self.init("GOT64", .word64, .gotOffset)
        case 28: self.init("GOTPCREL64", .word64, .gotRelative)
        case 29: self.init("GOTPC64", .word64, .gotFromPlace)
        case 30: self.init("GOTPLT64", .word64, .gotOffset)
        case 31: self.init("PLTOFF64", .word64, .pltFromGOT)
        case 32: self.init("SIZE32", .unsigned32, .size)
        case 33: self.init("SIZE64", .word64, .size)
        case 34: self.init("GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case 35: self.init("TLSDESC_CALL", .none, .none, onlyInObjects: true)
        case 36: self.init("TLSDESC", .pair64, .tlsDescriptor)
        case 37: self.init("IRELATIVE", .word64, .indirect)
        case 38: self.init("RELATIVE64", .word64, .bias)
        case 39: self.init("PC32_BND", .signed32, .pcRelative, onlyInObjects: true)
        case 40: self.init("PLT32_BND", .signed32, .pltRelative)
        case 41: self.init("GOTPCRELX", .signed32, .gotRelative)
        case 42: self.init("REX_GOTPCRELX", .signed32, .gotRelative)
        case 43: self.init("CODE_4_GOTPCRELX", .signed32, .gotRelative)
        case 44: self.init("CODE_4_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 45: self.init("CODE_4_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case 46: self.init("CODE_5_GOTPCRELX", .signed32, .gotRelative)
        case 47: self.init("CODE_5_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 48: self.init("CODE_5_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        case 49: self.init("CODE_6_GOTPCRELX", .signed32, .gotRelative)
        case 50: self.init("CODE_6_GOTTPOFF", .signed32, .threadPointerSlotFromPlace)
        case 51: self.init("CODE_6_GOTPC32_TLSDESC", .signed32, .tlsDescriptorFromPlace)
        default: return nil
        }
    }
}
