// Applies the relocations of an object file to its sections in memory.

import Architecture
public import Bytes
public import Diagnostics
import ELF

/// The state of relocating an object file.
struct ObjectRelocator: ~Escapable {
    /// The bias, which is added to link addresses.
    let bias: UInt64
    /// The link address and the size of the section that changes.
    fileprivate(set) var start: UInt64 = 0, size: UInt64 = 0
    /// Whether the general and the local dynamic model become local exec there: in code, if there is no __tls_get_addr.
    fileprivate(set) var isRelaxed = false
    /// The symbol of the current relocation, and its operand.
    var operand = RelocationOperand()
    var symbol = ObjectSymbol()
    /// The GOT.
    var table: GlobalOffsetTable
    /// The number of section names looked for, and of STT_GNU_IFUNC symbols referred to.
    var searches: UInt64 = 0, indirect: UInt64 = 0
    /// The relocations, at the current one.
    var relocations: ObjectRelocationCursor

    /// The state before the first relocation of `image`, for link address + `bias`.
    @_lifetime(copy image)
    init(_ image: borrowing ObjectImage, bias: UInt64) {
        self.bias = bias
        relocations = ObjectRelocationCursor(image.sections)
        table = GlobalOffsetTable(image.layout)
    }
}

extension ObjectImage {
    /// Applies all relocation sections to `memory`, whose addresses are link addresses and into which the image has been loaded, for link
    /// address + `bias`. Returns the numbers of relocations by type; `indirect` counts the functions whose implementation `resolveIndirect`
    /// must choose. Throws at the first relocation that cannot be applied.
    public func relocate(in memory: inout ByteRegion, bias: UInt64) throws(Fault) -> RelocationCounts {
        var counts = RelocationCounts()
        var state = ObjectRelocator(self, bias: bias)
        while try nextTarget(&state, in: memory) {
            while try state.relocations.next() {
                let (type, location) = (state.relocations.entry.type, state.relocations.location)
                do throws(Fault) {
                    if try apply(&state, to: &memory) { counts.add(1, state.relocations.entry.type) }
                } catch { throw error.at(location) }
                counts.add(1, type)
            }
        }
        turnOldArrays(in: &memory)
        counts.indirect = state.indirect
        return counts
    }

    /// Goes to the next relocation section that changes a section in memory; false after the last. Throws as
    /// `ObjectRelocationCursor` does, and `badSectionLink` for one that refers to another symbol table.
    @_lifetime(state: copy self)
    func nextTarget(_ state: inout ObjectRelocator, in memory: borrowing ByteRegion) throws(Fault) -> Bool {
        guard try state.relocations.nextSection(of: sections) else { return false }
        guard state.relocations.symbolTable == symbols.section else {
            throw sections.badLink(state.relocations.section, state.relocations.symbolTable)
        }
        let target = sections[state.relocations.target]
        state.size = target.size
        state.isRelaxed = target.flags & SectionHeader.Flags.execute != 0 && !layout.hasTLSFunction
        switch layout.scratch.home(of: state.relocations.target, in: memory) {
        case .memory(let address): state.start = address
        case .block(let offset):
            state.start = layout.templateStart &+ offset
            // The zeros of thread-local storage are not in the image's memory.
            if target.type == SectionHeader.Kind.nobits { state.size = 0 }
        // Every section that is loaded has been recorded.
        case nil: state.size = 0
        }
        return true
    }

    /// Applies the current relocation, and the next one if both belong to the same code. Returns whether they do; the second is then
    /// the current one. Faults do not say which entry it is.
    func apply(_ state: inout ObjectRelocator, to memory: inout ByteRegion) throws(Fault) -> Bool {
        let entry = state.relocations.entry
        guard let meaning = RelocationType(entry.type) else {
            throw Fault(
                .relocationTypeUnknown, value: UInt64(entry.type), limit: UInt64(RelocationType.lastNumber))
        }
        let formula = meaning.formula
        guard !formula.needsLinkedFile else {
            throw Fault(.relocationOnlyInLinkedFiles, value: UInt64(entry.type))
        }
        guard formula != .none else { return false }
        guard entry.offset <= state.size, meaning.field.size <= state.size &- entry.offset else {
            throw Fault(.relocationOutsideSection, value: entry.offset, limit: state.size)
        }
        let address = state.start &+ entry.offset
        // In bounds by the guard above.
        let addend = entry.addend ?? Relocator.load(meaning.field, at: address, in: memory) ?? 0
        try readOperand(formula, &state, in: &memory)
        let operand = state.operand
        let table = layout.tableStart &+ state.bias
        var term = operand.term(of: formula)
        switch formula {
        case .tlsIndexFromPlace where state.isRelaxed, .tlsModuleFromPlace where state.isRelaxed:
            try relax(isGeneral: formula == .tlsIndexFromPlace, addend, &state, in: &memory)
            return true
        // Code of the local dynamic model adds this to the result of its call: TP, after that call has been replaced.
        case .tlsOffset where state.isRelaxed: term &-= operand.distance
        case .tlsDescriptor:
            memory.put(resolver(operand) &+ state.bias, at: address)
            memory.put(term &+ addend, at: address &+ 8)
            return false
        case .symbolFromGOT, .pltFromGOT: term &-= table
        case .gotFromPlace: term = table
        default:
            guard let kind = formula.slot else { break }
            term = try slot(kind, isModule: formula == .tlsModuleFromPlace, &state, in: &memory)
            if formula != .gotOffset { term &+= table }
        }
        let value = try meaning.value(term, addend, address &+ state.bias)
        _ = Relocator.store(value, meaning.field, at: address, in: &memory)
        return false
    }

    /// The offset in the GOT of the symbol's slot of `kind`, or of the module's own tls_index, which belongs to the null symbol. The
    /// slot is made if there is none yet.
    private func slot(
        _ kind: SlotKind, isModule: Bool, _ state: inout ObjectRelocator, in memory: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let symbol = isModule ? 0 : state.relocations.entry.symbol
        let known = layout.scratch.slot(kind, ofSymbol: symbol, in: memory)
        guard known == 0 else { return known }
        let offset = try state.table.slot(kind.size)
        let operand = state.operand
        var first = operand.value
        var second: UInt64?
        switch kind {
        case .address: break
        case .offset: first &-= operand.distance
        case .index: (first, second) = isModule ? (1, 0) : (operand.module, operand.value)
        case .descriptor:
            (first, second) = (resolver(operand) &+ state.bias, operand.value &- operand.distance)
        }
        memory.put(first, at: layout.tableStart &+ offset)
        if let second { memory.put(second, at: layout.tableStart &+ offset &+ 8) }
        layout.scratch.remember(offset, kind, ofSymbol: symbol, in: &memory)
        return offset
    }

    /// The link address of the function in the TLS descriptor of `operand`.
    private func resolver(_ operand: RelocationOperand) -> UInt64 {
        operand.module != 0 ? layout.descriptorThunks.offsetResolver : layout.descriptorThunks.undefinedResolver
    }

    /// The second pass, for an image that `relocate` has relocated: calls the resolver of each STT_GNU_IFUNC symbol by its
    /// run-time address, through `resolve`, and makes the symbol's stub jump to the result. If `resolve` returns nil the stub stays
    /// unchanged.
    public func resolveIndirect(
        in memory: inout ByteRegion, bias: UInt64,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) {
        var symbol = ObjectSymbol()
        while next(&symbol) {
            guard symbol.entry.isIndirectFunction, case .section(let section) = symbol.definition,
                case .memory(let start) = layout.scratch.home(of: section, in: memory)
            else { continue }
            let stub = layout.scratch.address(ofSymbol: symbol.index, in: memory)
            guard stub != 0 else { continue }
            let resolver = start &+ symbol.entry.value
            let relocation = ListedRelocation(
                entry: RelocationEntry(offset: stub &- 8, info: UInt64(RelocationNumber.iRelative), addend: resolver),
                location: .entry(section: UInt64(symbols.section), index: UInt64(symbol.index)))
            guard let address = resolve(resolver &+ bias, relocation) else { continue }
            memory.put(address, at: stub &- 8)
        }
    }
}
