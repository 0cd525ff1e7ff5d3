// The psABI's formulas: the operand from a relocation's symbol, and the value that is stored.

import Architecture
import Diagnostics

/// The operand from a relocation's symbol.
struct RelocationOperand {
    /// The kinds of operand.
    enum Kind: UInt8 {
        /// No symbol, or an undefined weak one: 0 wherever it is used.
        case nothing
        /// An address.
        case address
        /// A variable in a block of thread-local storage.
        case variable
    }

    /// The kind of operand.
    var kind = Kind.nothing
    /// S: the run-time address, or the offset in its module's block.
    var value: UInt64 = 0
    /// Z.
    var size: UInt64 = 0
    /// The number of the module that holds the block, and the block's distance below TP. Both are 0 for an undefined weak variable:
    /// its offset is 0 everywhere.
    var module: UInt64 = 0, distance: UInt64 = 0

    /// Throws `symbolThreadLocal` or `symbolNotThreadLocal`, with the symbol's type, if `formula` needs the other kind.
    @inline(never)
    func require(for formula: Formula, _ type: UInt8) throws(Fault) {
        if kind == .nothing || formula == .size || formula == .gotFromPlace { return }
        guard (kind == .variable) != formula.isThreadLocal else { return }
        throw kind == .variable
            ? Fault(.symbolThreadLocal) : Fault(.symbolNotThreadLocal, value: UInt64(type))
    }

    /// The term for S in `formula`, if that does not go through the GOT.
    func term(of formula: Formula) -> UInt64 {
        switch formula {
        case .size: size
        case .tlsModule: module
        case .threadPointerOffset, .tlsDescriptor: value &- distance
        default: value
        }
    }
}

extension RelocationType {
    // The formula keeps the letters of the psABI.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// The value of the formula. `S` is its term for the symbol, or the result of the function that the symbol names. Throws
    /// `relocationOverflow`.
    @inline(never)
    func value(_ S: UInt64, _ A: UInt64, _ P: UInt64) throws(Fault) -> UInt64 {
        var value = S
        if formula.hasAddend { value &+= A }
        if formula.isFromPlace { value &-= P }
        let (first, last) = field.range
        guard Int64(bitPattern: value) >= first, Int64(bitPattern: value) <= last else {
            let isBelow = first < 0 && Int64(bitPattern: value) < 0
            throw Fault(.relocationOverflow, value: value, limit: UInt64(bitPattern: isBelow ? first : last))
        }
        return value
    }
}
