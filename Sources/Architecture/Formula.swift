// The formulas of relocations, in the notation that the psABIs share.

public import Diagnostics

/// The formula of a relocation, in the psABI's notation: S symbol value, A addend, P place, B load bias, Z symbol size,
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
    /// The result of the function at B + A.
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

    /// The kind of slot whose offset G is; nil if the formula has no slot.
    public var slot: SlotKind? {
        switch self {
        case .gotOffset, .gotRelative: .address
        case .threadPointerSlotFromPlace: .offset
        case .tlsIndexFromPlace, .tlsModuleFromPlace: .index
        case .tlsDescriptorFromPlace: .descriptor
        default: nil
        }
    }

    /// Whether S is the symbol's address.
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
