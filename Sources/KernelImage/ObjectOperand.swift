// The symbol of an object file's relocation: the psABI's S and Z.

import Bytes
import Diagnostics
import ELF

extension ObjectRelocator {
    /// What a relocation's symbol stands for.
    struct Operand {
        /// S: the run-time address, or the offset in the block of thread-local storage.
        var value: UInt64 = 0
        /// Z.
        var size: UInt64 = 0
        /// Whether it is an offset in the block.
        var isThreadLocal = false
        /// Whether somebody defines it; else it is weak, and 0.
        var isDefined = true
        /// How far below TP the block begins; 0 for a variable that nobody defines, whose offset is 0 everywhere.
        var distance: UInt64 = 0
    }

    /// The operand of `entry`, of the sort that its formula needs.
    ///
    /// Throws `symbolIndexOutsideTable`, `symbolUndefined`, `symbolNotLoaded`, `symbolSectionUnknown`,
    /// `symbolThreadLocal` or `symbolNotThreadLocal`.
    func operand(
        of entry: RelocationEntry, _ meaning: RelocationMeaning, _ place: Place, _ table: inout GlobalOffsetTable,
        in memory: inout ByteRegion
    ) throws(Fault) -> Operand {
        let wantsThreadLocal = meaning.formula.isThreadLocal
        var operand = Operand()
        guard entry.symbol != 0 else {
            // The null symbol is address 0, and the beginning of the block.
            if wantsThreadLocal { operand.distance = layout.blockDistance }
            return operand
        }
        guard let symbol = symbols[entry.symbol] else {
            throw Fault(.symbolIndexOutsideTable, place, value: UInt64(entry.symbol), limit: UInt64(symbols.count))
        }
        operand.size = symbol.size
        operand.isThreadLocal = symbol.isThreadLocal
        switch symbols.definition(of: symbol, at: entry.symbol) {
        case .absolute: operand.value = symbol.value
        case .common:
            let address = layout.notebook.address(ofSymbol: entry.symbol, in: memory)
            operand.value = symbol.isThreadLocal ? address : address &+ bias
        case .reserved(let index):
            throw Fault(.symbolSectionUnknown, place, value: UInt64(index), limit: UInt64(sections.count))
        case .section(let section):
            guard section < sections.count else {
                throw Fault(.symbolSectionUnknown, place, value: UInt64(section), limit: UInt64(sections.count))
            }
            switch layout.notebook.home(of: section, in: memory) {
            case .memory(let start):
                operand.value = start &+ symbol.value &+ bias
                if symbol.isIndirectFunction {
                    operand.value = try stub(ofSymbol: entry.symbol, &table, in: &memory) &+ bias
                }
            case .block(let start):
                operand.value = start &+ symbol.value
                operand.isThreadLocal = true
            case nil:
                // The size is known wherever the symbol lies.
                guard meaning.formula == .size else {
                    throw Fault(.symbolNotLoaded, place, value: UInt64(section))
                }
            }
        case .undefined:
            let linkerSymbol = LinkerSymbol(symbol, symbols)
            if linkerSymbol == .blockBase {
                // So that the offset from TP that code of the local dynamic model adds is right: see `value`.
                operand.isThreadLocal = true
                operand.value = layout.hasTLSFunction ? 0 : layout.blockDistance
            } else if let linkerSymbol {
                operand.value = layout.address(of: linkerSymbol) &+ bias
            } else if let address = try sectionBound(symbol, entry, place, &table, in: &memory) {
                operand.value = address &+ bias
            } else {
                guard symbol.isWeak else { throw Fault(.symbolUndefined, place, value: entry.offset) }
                operand.isDefined = false
                operand.size = 0
            }
        }
        if meaning.formula == .size || !operand.isDefined || meaning.formula == .gotFromPlace { return operand }
        guard operand.isThreadLocal == wantsThreadLocal else {
            throw wantsThreadLocal
                ? Fault(.symbolNotThreadLocal, place, value: UInt64(symbol.type))
                : Fault(.symbolThreadLocal, place)
        }
        if wantsThreadLocal { operand.distance = layout.blockDistance }
        return operand
    }

    /// The link address of the stub that stands for the STT_GNU_IFUNC symbol at `index`: all references agree on it, and
    /// it works before and after the resolver has been called through.
    private func stub(
        ofSymbol index: UInt32, _ table: inout GlobalOffsetTable, in memory: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let known = layout.notebook.address(ofSymbol: index, in: memory)
        guard known == 0 else { return known }
        let address = try table.stub(in: &memory)
        layout.notebook.remember(address, ofSymbol: index, in: &memory)
        return address
    }
}

extension Formula {
    /// Whether S is an offset in the block of thread-local storage.
    var isThreadLocal: Bool {
        switch self {
        case .tlsModule, .tlsOffset, .threadPointerOffset, .tlsIndexFromPlace, .tlsModuleFromPlace,
            .threadPointerSlotFromPlace, .tlsDescriptorFromPlace, .tlsDescriptor:
            true
        default: false
        }
    }
}
