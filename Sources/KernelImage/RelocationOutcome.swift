// The value of one relocation: the psABI's formulas.

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
    /// So many bytes are copied from this address in another object, once that has been relocated.
    case copy(source: UInt64, size: UInt64)
}

extension Relocator {
    /// What `entry` comes to; `memory` holds the addends of entries without one. Arithmetic wraps at 64 bits, as the
    /// psABI's does.
    ///
    /// Throws the faults of kind `relocation`.
    public func outcome(
        of entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        var search = search
        return try outcome(of: entry, place, in: memory, &search)
    }

    /// The same, as one of many searches.
    @inline(never)
    func outcome(
        of entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion, _ search: inout SymbolSearch
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
        case .bias: return .value(relative(addend))
        case .indirect: return try indirect(bias &+ addend, meaning.field, entry, place, in: memory)
        case .absolute, .symbol, .pcRelative:
            guard let definition = try definition(of: entry, place, &search) else {
                return .value(try value(meaning, 0, addend, entry, place))
            }
            let (symbol, address) = (definition.symbol, definition.address)
            guard !symbol.isThreadLocal else { throw Fault(.symbolThreadLocal, place) }
            if symbol.isIndirectFunction { return try indirect(address, meaning.field, entry, place, in: memory) }
            return .value(try value(meaning, address, addend, entry, place))
        case .size:
            let size = try definition(of: entry, place, &search)?.symbol.size ?? 0
            return .value(try checked(size &+ addend, meaning.field, entry, place))
        case .tlsModule, .tlsOffset, .threadPointerOffset, .tlsDescriptor:
            return try threadLocal(meaning, addend, entry, place, &search)
        case .copy: return try copy(entry, place, in: memory, &search)
        case .gotOffset, .gotRelative, .pltRelative, .symbolFromGOT, .pltFromGOT, .gotFromPlace, .tlsIndexFromPlace,
            .tlsModuleFromPlace, .threadPointerSlotFromPlace, .tlsDescriptorFromPlace:
            throw Fault(.relocationOnlyInObjects, place, value: UInt64(entry.type))
        }
    }

    /// The value of the most frequent formula, B + A.
    @inlinable
    public func relative(_ addend: UInt64) -> UInt64 { bias &+ addend }

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

    /// An image that is alone is module 1. A weak variable that nobody defines has module 0 and offset 0 everywhere; the
    /// descriptor's code makes its address 0 plus the addend, which no offset from TP can.
    private func threadLocal(
        _ meaning: RelocationMeaning, _ addend: UInt64, _ entry: RelocationEntry, _ place: Place,
        _ search: inout SymbolSearch
    ) throws(Fault) -> RelocationOutcome {
        var offset: UInt64 = 0
        var isDefined = true
        var home = object
        if entry.symbol != 0 {
            let definition = try definition(of: entry, place, &search)
            if let symbol = definition?.symbol, !symbol.isThreadLocal {
                throw Fault(.symbolNotThreadLocal, place, value: UInt64(symbol.type))
            }
            offset = definition?.symbol.value ?? 0
            isDefined = definition != nil
            home = definition?.object ?? home
        }
        var module: UInt64 = 0
        var distance: UInt64 = 0
        if isDefined {
            if let scope {
                module = scope.objects[home].threadLocalModule
                distance = scope.objects[home].threadLocalDistance
            } else if let threadLocalBlock {
                module = 1
                distance = threadLocalBlock.distance
            }
            guard module != 0 else { throw Fault(.noThreadLocalSegment, place) }
        }
        switch meaning.formula {
        case .tlsModule: return .value(module)
        case .tlsOffset: return .value(try checked(offset &+ addend, meaning.field, entry, place))
        case .threadPointerOffset:
            return .value(try checked(offset &+ addend &- distance, meaning.field, entry, place))
        default:
            guard let supplement else {
                throw Fault(.relativeCountWrong, place, limit: tables.relativeCount)
            }
            let resolver = isDefined ? supplement.offsetResolver : supplement.undefinedResolver
            return .descriptor(resolver: resolver &+ bias, argument: offset &+ addend &- distance)
        }
    }

    /// The searches of one relocation.
    var search: SymbolSearch { SymbolSearch(size: scope?.fileSize ?? 0) }

    /// What the entry's symbol stands for: nil for no symbol and for a weak one that nobody defines. Throws
    /// `symbolIndexOutsideTable`, `symbolUndefined`, `symbolVersionMissing` or `symbolSearchTooLong`.
    public func definition(of entry: RelocationEntry, _ place: Place) throws(Fault) -> Definition? {
        var search = search
        return try definition(of: entry, place, &search)
    }

    /// What the entry's symbol stands for: nil for no symbol and for a weak one that nobody defines.
    @inline(never)
    func definition(
        of entry: RelocationEntry, _ place: Place, _ search: inout SymbolSearch
    ) throws(Fault) -> Definition? {
        guard entry.symbol != 0 else { return nil }
        guard let symbol = symbols[entry.symbol] else {
            throw Fault(.symbolIndexOutsideTable, place, value: UInt64(entry.symbol), limit: symbols.count)
        }
        if let scope {
            let found = try scope.definition(
                of: symbol, at: entry.symbol, in: object, SearchPurpose(entry.type), &search)
            if let found { return found }
        } else if !symbol.isUndefined {
            return Definition(symbol: symbol, bias: bias, object: 0)
        }
        guard symbol.isWeak else { throw undefined(entry, place) }
        return nil
    }

    /// The fault of a symbol that nobody defines.
    private func undefined(_ entry: RelocationEntry, _ place: Place) -> Fault {
        let isVersioned = scope?.wantedVersion(entry.symbol, in: object)?.file ?? 0 != 0
        return Fault(isVersioned ? .symbolVersionMissing : .symbolUndefined, place, value: entry.offset)
    }

    /// What is copied: as many bytes as both the symbol and its original have.
    private func copy(
        _ entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion, _ search: inout SymbolSearch
    ) throws(Fault) -> RelocationOutcome {
        guard let scope, let symbol = symbols[entry.symbol] else { throw Fault(.copyWithoutSource, place) }
        let found = try scope.definition(of: symbol, at: entry.symbol, in: object, .original, &search)
        guard let found, found.object != object else {
            guard symbol.isWeak else { throw Fault(.copyWithoutSource, place) }
            return .nothing
        }
        guard !found.symbol.isThreadLocal else { throw Fault(.symbolThreadLocal, place) }
        let size = min(symbol.size, found.symbol.size)
        guard memory.offset(of: entry.offset, size: size) != nil else { throw outside(memory, entry, place) }
        let home = scope.objects[found.object]
        let offset = found.address &- found.bias &- home.linkStart
        guard offset <= home.memorySize, size <= home.memorySize &- offset else {
            throw Fault(
                .copyOutsideImage, place, value: found.address,
                limit: home.linkStart &+ home.memorySize &+ found.bias)
        }
        return .copy(source: found.address, size: size)
    }

    private func indirect(
        _ resolver: UInt64, _ field: Field, _ entry: RelocationEntry, _ place: Place, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        guard memory.offset(of: entry.offset, size: field.size) != nil else { throw outside(memory, entry, place) }
        let isInside = scope?.contains(resolver) ?? (memory.offset(of: resolver &- bias, size: 1) != nil)
        guard isInside else {
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
