// The value of one relocation: the psABI's formulas, for an image that is alone.

public import Bytes
public import Diagnostics
public import ELF

/// What applying one relocation comes to.
public enum RelocationOutcome: Equatable, Sendable {
    /// Nothing is stored.
    case nothing
    /// A value that fits the field is stored.
    case value(UInt64)
    /// A TLS descriptor is stored.
    case descriptor(resolver: UInt64, argument: UInt64)
    /// The function at this address has to be called first, when everything else has been relocated; what it returns is
    /// stored, or stands for S.
    case indirect(resolver: UInt64)
}

extension Relocator {
    /// What `entry` comes to; `memory` holds the addends of entries without one. Arithmetic wraps at 64 bits, as the
    /// psABI's does.
    ///
    /// Throws the faults of kind `relocation`.
    public func outcome(
        of entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        guard let meaning = RelocationMeaning(entry.type) else {
            throw Fault(.relocationTypeUnknown, place, value: UInt64(entry.type))
        }
        guard meaning.occursInLinkedFiles else {
            throw Fault(.relocationOnlyInObjects, place, value: UInt64(entry.type))
        }
        var addend = entry.addend ?? 0
        if entry.addend == nil {
            guard let inPlace = Relocator.load(meaning.field, at: entry.offset, in: memory) else {
                throw outside(memory, entry, place)
            }
            addend = inPlace
        }
        switch meaning.formula {
        case .none: return .nothing
        case .bias: return .value(bias &+ addend)
        case .indirect: return try indirect(bias &+ addend, meaning.field, entry, place, in: memory)
        case .absolute, .symbol, .pcRelative:
            guard let symbol = try symbol(of: entry, place) else {
                return .value(try value(meaning, 0, addend, entry, place))
            }
            guard !symbol.isThreadLocal else { throw Fault(.symbolThreadLocal, place) }
            let address = symbol.isAbsolute ? symbol.value : symbol.value &+ bias
            if symbol.isIndirectFunction { return try indirect(address, meaning.field, entry, place, in: memory) }
            return .value(try value(meaning, address, addend, entry, place))
        case .size:
            let size = try symbol(of: entry, place)?.size ?? 0
            return .value(try checked(size &+ addend, meaning.field, entry, place))
        case .tlsModule, .tlsOffset, .threadPointerOffset, .tlsDescriptor:
            return try threadLocal(meaning, addend, entry, place)
        case .copy: throw Fault(.copyWithoutSource, place)
        case .gotOffset, .gotRelative, .pltRelative, .symbolFromGOT, .pltFromGOT, .gotFromPlace, .tlsIndexFromPlace,
            .tlsModuleFromPlace, .threadPointerSlotFromPlace, .tlsDescriptorFromPlace:
            throw Fault(.relocationOnlyInObjects, place, value: UInt64(entry.type))
        }
    }

    // The formula keeps the letters of the psABI.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// The value of a formula that knows nothing but S, A and P.
    func value(
        _ meaning: RelocationMeaning, _ S: UInt64, _ A: UInt64, _ entry: RelocationEntry, _ place: Place
    ) throws(Fault) -> UInt64 {
        let P = entry.offset &+ bias
        let value =
            switch meaning.formula {
            case .absolute: S &+ A
            case .pcRelative: S &+ A &- P
            default: S
            }
        return try checked(value, meaning.field, entry, place)
    }

    /// The image is module 1. A weak variable that nobody defines has module 0 and offset 0 everywhere; the descriptor's
    /// code makes its address 0 plus the addend, which no offset from TP can.
    private func threadLocal(
        _ meaning: RelocationMeaning, _ addend: UInt64, _ entry: RelocationEntry, _ place: Place
    ) throws(Fault) -> RelocationOutcome {
        var offset: UInt64 = 0
        var isDefined = true
        if entry.symbol != 0 {
            let symbol = try symbol(of: entry, place)
            if let symbol, !symbol.isThreadLocal {
                throw Fault(.symbolNotThreadLocal, place, value: UInt64(symbol.type))
            }
            offset = symbol?.value ?? 0
            isDefined = symbol != nil
        }
        if isDefined, threadLocalBlock == nil { throw Fault(.noThreadLocalSegment, place) }
        let distance = isDefined ? threadLocalBlock?.distance ?? 0 : 0
        switch meaning.formula {
        case .tlsModule: return .value(isDefined ? 1 : 0)
        case .tlsOffset: return .value(try checked(offset &+ addend, meaning.field, entry, place))
        case .threadPointerOffset:
            return .value(try checked(offset &+ addend &- distance, meaning.field, entry, place))
        default:
            guard let supplement else {
                throw Fault(.relativeCountWrong, place, limit: tables.section.relativeCount ?? 0)
            }
            let resolver = isDefined ? supplement.offsetResolver : supplement.undefinedResolver
            return .descriptor(resolver: resolver &+ bias, argument: offset &+ addend &- distance)
        }
    }

    /// The entry's symbol: nil for no symbol and for a weak one that nobody defines.
    private func symbol(of entry: RelocationEntry, _ place: Place) throws(Fault) -> Symbol? {
        guard entry.symbol != 0 else { return nil }
        guard let symbol = symbols[entry.symbol] else {
            throw Fault(.symbolIndexOutsideTable, place, value: UInt64(entry.symbol), limit: symbols.count)
        }
        guard symbol.isUndefined else { return symbol }
        guard symbol.isWeak else {
            throw Fault(.symbolUndefined, place, value: entry.offset)
        }
        return nil
    }

    private func indirect(
        _ resolver: UInt64, _ field: Field, _ entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        guard memory.offset(of: entry.offset, size: field.size) != nil else { throw outside(memory, entry, place) }
        guard memory.offset(of: resolver &- bias, size: 1) != nil else {
            throw Fault(.resolverOutsideImage, place, value: resolver, limit: memory.address &+ memory.count &+ bias)
        }
        return .indirect(resolver: resolver)
    }

    private func checked(
        _ value: UInt64, _ field: Field, _ entry: RelocationEntry, _ place: Place
    ) throws(Fault) -> UInt64 {
        guard field.represents(value) else {
            throw Fault(.relocationOverflow, place, value: value, limit: field.limit(for: value))
        }
        return value
    }

    func outside(_ memory: borrowing ByteRegion, _ entry: RelocationEntry, _ place: Place) -> Fault {
        Fault(.relocationOutsideImage, place, value: entry.offset, limit: memory.address &+ memory.count)
    }
}
