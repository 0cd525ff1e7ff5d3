// Applies the relocations of an object file to its sections in memory.

public import Bytes
public import Diagnostics
import ELF

/// Relocates an object file that was loaded with a given bias: every symbol is in the file, or one of the linker's.
public struct ObjectRelocator: ~Escapable {
    let sections: SectionTable
    let symbols: ObjectSymbols
    let layout: ObjectLayout
    let bias: UInt64

    /// Prepares to relocate `image` for link address + `bias`.
    @_lifetime(copy image)
    public init(_ image: ObjectImage, bias: UInt64) {
        sections = image.sections
        symbols = image.symbols
        layout = image.layout
        self.bias = bias
    }

    /// A relocation section at work: what its entries change.
    struct Target {
        /// The index of the relocation section, and that of the section it changes.
        var table: UInt32, section: UInt32
        /// The changed section's link address and size.
        var start: UInt64, size: UInt64
        /// Whether it holds code.
        var isCode: Bool
    }

    /// Applies all relocation sections to `memory`, whose addresses are link addresses and into which the image has been
    /// loaded. Returns how many relocations there were of each type; `indirect` counts the functions whose implementation
    /// `resolveIndirect` has to choose. Throws at the first relocation that cannot be applied.
    public func apply(to memory: inout ByteRegion) throws(Fault) -> RelocationCounts {
        var counts = RelocationCounts()
        var table = GlobalOffsetTable(layout)
        var relocations = ObjectRelocations(sections)
        while let target = try nextTarget(&relocations, in: memory) {
            var next = try relocations.next()
            var number: UInt64 = 0
            while let entry = next {
                next = try relocations.next()
                let used = try apply(entry, number, before: next, target, &table, to: &memory)
                counts.add(1, entry.type)
                number &+= used
                guard used > 1, let call = next else { continue }
                counts.add(1, call.type)
                next = try relocations.next()
            }
        }
        if layout.hasOldArrays { turnOldArrays(in: &memory) }
        counts.indirect = countIndirect(in: memory)
        return counts
    }

    /// Goes on to the next relocation section that changes what is in memory; nil behind the last. Throws what
    /// `ObjectRelocations` does, and `badSectionLink` for one that refers to another symbol table.
    func nextTarget(
        _ relocations: inout ObjectRelocations, in memory: borrowing ByteRegion
    ) throws(Fault) -> Target? {
        while try relocations.nextSection() {
            guard relocations.symbolTable == symbols.section else {
                throw Fault(
                    .badSectionLink, .sectionHeader(UInt64(relocations.section)),
                    value: UInt64(relocations.symbolTable), limit: UInt64(sections.count))
            }
            let header = sections[relocations.target]
            var target = Target(
                table: relocations.section, section: relocations.target, start: 0, size: header.size,
                isCode: header.flags & SectionHeader.Flags.execute != 0)
            switch layout.notebook.home(of: relocations.target, in: memory) {
            case .memory(let address): target.start = address
            case .block(let offset):
                target.start = layout.templateStart &+ offset
                // Zeros of thread-local storage are no memory yet.
                if header.type == SectionHeader.Kind.nobits { target.size = 0 }
            case nil: continue
            }
            return target
        }
        return nil
    }

    /// Applies `entry`, the one at `index`, and `next`, which follows it, where both belong to the same code; returns how
    /// many that were.
    func apply(
        _ entry: RelocationEntry, _ index: UInt64, before next: RelocationEntry?, _ target: Target,
        _ table: inout GlobalOffsetTable, to memory: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let place = Place.entry(section: UInt64(target.table), index: index)
        guard let meaning = RelocationMeaning(entry.type) else {
            throw Fault(.relocationTypeUnknown, place, value: UInt64(entry.type))
        }
        switch meaning.formula {
        case .copy, .symbol, .bias, .indirect:
            throw Fault(.relocationOnlyInLinkedFiles, place, value: UInt64(entry.type))
        case .none: return 1
        default: break
        }
        guard entry.offset <= target.size, meaning.field.size <= target.size &- entry.offset else {
            throw Fault(.relocationOutsideSection, place, value: entry.offset, limit: target.size)
        }
        let address = target.start &+ entry.offset
        let isDynamicModel = meaning.formula == .tlsIndexFromPlace || meaning.formula == .tlsModuleFromPlace
        if isDynamicModel, !layout.hasTLSFunction, target.isCode {
            try relax(entry, meaning, next, place, target, &table, in: &memory)
            return 2
        }
        // In bounds by the guard above.
        let addend = entry.addend ?? Relocator.load(meaning.field, at: address, in: memory) ?? 0
        let operand = try operand(of: entry, meaning, place, &table, in: &memory)
        if meaning.formula == .tlsDescriptor {
            let words = descriptor(of: operand, addend)
            memory.store(words.resolver, at: address)
            memory.store(words.argument, at: address &+ 8)
            return 1
        }
        var slot: UInt64 = 0
        if let kind = meaning.formula.slot {
            slot = try self.slot(kind, of: entry, meaning, operand, &table, in: &memory)
        }
        let value = value(meaning, operand, addend, slot: slot, at: address, isCode: target.isCode)
        guard meaning.field.represents(value) else {
            throw Fault(.relocationOverflow, place, value: value, limit: meaning.field.limit(for: value))
        }
        _ = Relocator.store(value, meaning.field, at: address, in: &memory)
        return 1
    }

    // The formulas keep the letters of the psABI; L is S, because every function is within reach.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private func value(
        _ meaning: RelocationMeaning, _ operand: Operand, _ A: UInt64, slot G: UInt64, at address: UInt64, isCode: Bool
    ) -> UInt64 {
        let S = operand.value
        let P = address &+ bias
        let GOT = layout.tableStart &+ bias
        return switch meaning.formula {
        case .absolute: S &+ A
        case .pcRelative, .pltRelative: S &+ A &- P
        case .size: operand.size &+ A
        case .gotOffset: G &+ A
        case .gotRelative, .threadPointerSlotFromPlace, .tlsIndexFromPlace, .tlsModuleFromPlace,
            .tlsDescriptorFromPlace:
            G &+ GOT &+ A &- P
        case .symbolFromGOT, .pltFromGOT: S &+ A &- GOT
        case .gotFromPlace: GOT &+ A &- P
        case .tlsModule: operand.isDefined ? 1 : 0
        // Code of the local dynamic model adds this to what its call returned: TP, once that call has been replaced.
        case .tlsOffset: isCode && !layout.hasTLSFunction ? S &+ A &- operand.distance : S &+ A
        case .threadPointerOffset: S &+ A &- operand.distance
        case .none, .symbol, .bias, .copy, .tlsDescriptor, .indirect: A
        }
    }

    /// The offset in the GOT of the symbol's slot of `kind`, which is made where it has none yet.
    private func slot(
        _ kind: SlotKind, of entry: RelocationEntry, _ meaning: RelocationMeaning, _ operand: Operand,
        _ table: inout GlobalOffsetTable, in memory: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        // The module's own tls_index is the one of no symbol.
        let symbol = meaning.formula == .tlsModuleFromPlace ? 0 : entry.symbol
        let known = layout.notebook.slot(kind, ofSymbol: symbol, in: memory)
        guard known == 0 else { return known }
        let offset = try table.slot(kind.size)
        let address = table.start &+ offset
        switch kind {
        case .address: memory.store(operand.value, at: address)
        case .offset: memory.store(operand.value &- operand.distance, at: address)
        case .index:
            memory.store(operand.isDefined || symbol == 0 ? 1 : 0 as UInt64, at: address)
            memory.store(symbol == 0 ? 0 : operand.value, at: address &+ 8)
        case .descriptor:
            let words = descriptor(of: operand, 0)
            memory.store(words.resolver, at: address)
            memory.store(words.argument, at: address &+ 8)
        }
        layout.notebook.remember(offset, kind, ofSymbol: symbol, in: &memory)
        return offset
    }

    private func descriptor(of operand: Operand, _ addend: UInt64) -> (resolver: UInt64, argument: UInt64) {
        let code = layout.supplement
        let resolver = operand.isDefined ? code?.offsetResolver : code?.undefinedResolver
        return ((resolver ?? 0) &+ bias, operand.value &+ addend &- operand.distance)
    }

    /// How many functions that choose an implementation were referred to.
    private func countIndirect(in memory: borrowing ByteRegion) -> UInt64 {
        var count: UInt64 = 0
        var numbers = symbols.numbers
        while let index = numbers.next() {
            guard let symbol = symbols[index], symbol.isIndirectFunction, !symbol.isUndefined else { continue }
            if layout.notebook.address(ofSymbol: index, in: memory) != 0 { count &+= 1 }
        }
        return count
    }

    /// Second pass, for an image that `apply` has relocated: calls the resolver of each function that chooses an
    /// implementation, by its run-time address, through `resolve`, and has the function's stub jump to what it returns.
    /// Where `resolve` returns nil the stub stays as it is.
    public func resolveIndirect(
        in memory: inout ByteRegion, _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) {
        var numbers = symbols.numbers
        while let index = numbers.next() {
            guard let symbol = symbols[index], symbol.isIndirectFunction,
                case .section(let section) = symbols.definition(of: symbol, at: index),
                case .memory(let start) = layout.notebook.home(of: section, in: memory)
            else { continue }
            let stub = layout.notebook.address(ofSymbol: index, in: memory)
            guard stub != 0 else { continue }
            let resolver = start &+ symbol.value
            let relocation = ListedRelocation(
                entry: RelocationEntry(offset: stub &- 8, info: 37, addend: resolver),
                place: .entry(section: UInt64(symbols.section), index: UInt64(index)))
            guard let address = resolve(resolver &+ bias, relocation) else { continue }
            memory.store(address, at: stub &- 8)
        }
    }
}
