// The outcome of one relocation of a linked file.

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// The outcome of one relocation.
public enum RelocationOutcome: Equatable, Sendable {
    /// Nothing is stored.
    case nothing
    /// A value that fits the field is stored.
    case value(UInt64)
    /// A TLS descriptor is stored.
    case descriptor(resolver: UInt64, argument: UInt64)
    /// The function at this address must be called first, after everything else has been relocated; its result is stored, or is the S of
    /// the formula.
    case indirect(resolver: UInt64)
    /// `size` bytes are copied from this address in another file, after that has been relocated.
    case copy(source: UInt64, size: UInt64)
}

extension Relocator {
    /// The outcome of `entry`; `memory` holds the addends of entries without one. Arithmetic wraps at 64 bits, as in the psABI.
    ///
    /// Throws the faults of kind `relocation`.
    public func outcome(
        of entry: RelocationEntry, _ location: FaultLocation, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        var search = search
        do throws(Fault) { return try outcome(of: entry, in: memory, &search) } catch { throw error.at(location) }
    }

    /// The outcome of `entry`, one of many that share `search`; faults do not say where the entry is.
    @inline(never)
    func outcome(
        of entry: RelocationEntry, in memory: borrowing ByteRegion, _ search: inout SymbolSearch
    ) throws(Fault) -> RelocationOutcome {
        guard let meaning = RelocationType(entry.type) else {
            throw Fault(
                .relocationTypeUnknown, value: UInt64(entry.type), limit: UInt64(RelocationType.lastNumber))
        }
        guard meaning.occursInLinkedFiles else {
            throw Fault(.relocationOnlyInObjects, value: UInt64(entry.type))
        }
        var addend = entry.addend ?? 0
        if entry.addend == nil {
            guard let inPlace = Relocator.load(meaning.field, at: entry.offset, in: memory) else {
                throw outside(memory, entry)
            }
            addend = inPlace
        }
        let formula = meaning.formula
        switch formula {
        case .none: return .nothing
        case .bias: return .value(relative(addend))
        case .copy:
            let outcome = try copy(entry, &search)
            if case .copy(_, let size) = outcome, memory.offset(of: entry.offset, size: size) == nil {
                throw outside(memory, entry)
            }
            return outcome
        default: break
        }
        var operand = RelocationOperand()
        var isResolver = formula == .indirect
        if isResolver {
            operand.value = bias &+ addend
        } else {
            isResolver = try read(&operand, of: entry, formula, &search)
        }
        let term = operand.term(of: formula)
        if isResolver { return try indirect(term, meaning.field, entry, in: memory) }
        if formula == .tlsDescriptor {
            guard let descriptorThunks = own.descriptorThunks else {
                throw Fault(.relativeCountWrong, limit: own.relativeCount)
            }
            // The code for an undefined weak variable makes its address 0 plus the addend, which no offset from TP can.
            let resolver = operand.module != 0 ? descriptorThunks.offsetResolver : descriptorThunks.undefinedResolver
            return .descriptor(resolver: resolver &+ bias, argument: term &+ addend)
        }
        return .value(try meaning.value(term, addend, entry.offset &+ bias))
    }

    /// Reads the operand that the symbol of `entry` is in `formula`, and returns whether it is a function that returns the address
    /// (STT_GNU_IFUNC). Throws as `definition` does, and `noThreadLocalSegment`, `symbolThreadLocal` or `symbolNotThreadLocal`.
    private func read(
        _ operand: inout RelocationOperand, of entry: RelocationEntry, _ formula: Formula,
        _ search: inout SymbolSearch
    ) throws(Fault) -> Bool {
        let definition = try definition(of: entry, &search)
        var isResolver = false
        if let definition {
            let symbol = definition.symbol
            operand.kind = symbol.isThreadLocal ? .variable : .address
            operand.value = symbol.isThreadLocal ? symbol.value : definition.address
            operand.size = symbol.size
            isResolver = symbol.isIndirectFunction && formula.usesSymbolValue
            try operand.require(for: formula, symbol.type)
        }
        if formula.isThreadLocal, definition != nil || entry.symbol == 0 {
            (operand.module, operand.distance) = block(of: definition?.linkIndex ?? linkIndex)
            guard operand.module != 0 else { throw Fault(.noThreadLocalSegment) }
        }
        return isResolver
    }

    /// The value of the most frequent formula, B + A.
    @inlinable
    public func relative(_ addend: UInt64) -> UInt64 { bias &+ addend }

    /// The number of the file's block of thread-local storage, 0 if it has none, and its distance below TP.
    private func block(of linkIndex: Int) -> (module: UInt64, distance: UInt64) {
        if linkIndex == self.linkIndex { return (own.threadLocalModule, own.threadLocalDistance) }
        return (scope.link[linkIndex].threadLocalModule, scope.link[linkIndex].threadLocalDistance)
    }

    /// The searches of one relocation.
    var search: SymbolSearch { SymbolSearch(size: scope.link.isEmpty ? 0 : scope.link.plan.fileSize) }

    /// The definition of the entry's symbol; nil without a symbol and for an undefined weak one. Throws `symbolIndexOutsideTable`,
    /// `symbolUndefined`, `symbolVersionMissing` or `symbolSearchTooLong`.
    public func definition(of entry: RelocationEntry, _ location: FaultLocation) throws(Fault) -> Definition? {
        var search = search
        do throws(Fault) { return try definition(of: entry, &search) } catch { throw error.at(location) }
    }

    /// The definition of the entry's symbol; nil without a symbol and for an undefined weak one.
    @inline(never)
    func definition(of entry: RelocationEntry, _ search: inout SymbolSearch) throws(Fault) -> Definition? {
        guard entry.symbol != 0 else { return nil }
        guard let symbol = symbol(entry.symbol) else {
            try own.requireSymbols(scope.files)
            throw Fault(.symbolIndexOutsideTable, value: UInt64(entry.symbol), limit: own.symbolCount)
        }
        if !scope.link.isEmpty {
            let found = try scope.definition(of: entry.symbol, in: linkIndex, SearchPurpose(entry.type), &search)
            if found != nil { return found }
        } else if !symbol.isUndefined {
            return Definition(symbol: symbol, bias: bias, linkIndex: 0)
        }
        if symbol.isWeak { return nil }
        let isVersioned = !scope.link.isEmpty && scope.wantedVersion(entry.symbol, in: linkIndex).file != 0
        throw Fault(isVersioned ? .symbolVersionMissing : .symbolUndefined, value: entry.offset)
    }

    /// The outcome of a copy: as many bytes are copied as both the symbol and its original have.
    @inline(never)
    func copy(_ entry: RelocationEntry, _ search: inout SymbolSearch) throws(Fault) -> RelocationOutcome {
        guard !scope.link.isEmpty else { throw Fault(.copyWithoutSource) }
        guard let symbol = symbol(entry.symbol) else {
            try own.requireSymbols(scope.files)
            throw Fault(.copyWithoutSource)
        }
        let found = try scope.definition(of: entry.symbol, in: linkIndex, .original, &search)
        guard let found, found.linkIndex != linkIndex else {
            guard symbol.isWeak else { throw Fault(.copyWithoutSource) }
            return .nothing
        }
        guard !found.symbol.isThreadLocal else { throw Fault(.symbolThreadLocal) }
        let size = min(symbol.size, found.symbol.size)
        if symbol.size != found.symbol.size { search.resizedCopies &+= 1 }
        guard scope.link[found.linkIndex].holds(found.address &- found.bias, size) else {
            throw Fault(
                .copyOutsideImage, value: found.address, limit: scope.link[found.linkIndex].memoryEnd &+ found.bias)
        }
        return .copy(source: found.address, size: size)
    }

    private func indirect(
        _ resolver: UInt64, _ field: Field, _ entry: RelocationEntry, in memory: borrowing ByteRegion
    ) throws(Fault) -> RelocationOutcome {
        guard memory.offset(of: entry.offset, size: field.size) != nil else { throw outside(memory, entry) }
        let isInside =
            scope.link.isEmpty ? memory.offset(of: resolver &- bias, size: 1) != nil : scope.contains(resolver)
        guard isInside else {
            throw Fault(.resolverOutsideImage, value: resolver, limit: memory.address &+ memory.count &+ bias)
        }
        return .indirect(resolver: resolver)
    }

    func outside(_ memory: borrowing ByteRegion, _ entry: RelocationEntry) -> Fault {
        Fault(.relocationOutsideImage, value: entry.offset, limit: memory.address &+ memory.count)
    }
}
