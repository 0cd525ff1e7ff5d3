// The symbol of an object file's relocation: the psABI's S and Z.

import Bytes
import Diagnostics
import ELF

extension ObjectImage {
    /// What the symbol of the relocation at hand stands for, of the sort that `formula` needs.
    ///
    /// Throws `symbolIndexOutsideTable`, `symbolUndefined`, `symbolNotLoaded`, `symbolSectionUnknown`,
    /// `symbolThreadLocal` or `symbolNotThreadLocal`.
    func operand(
        _ formula: Formula, _ state: inout ObjectRelocation, in memory: inout ByteRegion
    ) throws(Fault) -> RelocationOperand {
        let index = state.relocations.entry.symbol
        let place = state.relocations.place
        var operand = RelocationOperand()
        // The null symbol is address 0, and the beginning of the block.
        if formula.isThreadLocal { (operand.module, operand.distance) = (1, layout.blockDistance) }
        guard index != 0 else { return operand }
        guard let symbol = symbols[index] else {
            throw Fault(.symbolIndexOutsideTable, place, value: UInt64(index), limit: UInt64(symbols.count))
        }
        operand.size = symbol.size
        operand.kind = symbol.isThreadLocal ? .variable : .address
        operand.value = symbol.value
        switch symbols.definition(of: symbol, at: index) {
        case .absolute: break
        case .common:
            operand.value = layout.notebook.address(ofSymbol: index, in: memory)
            if !symbol.isThreadLocal { operand.value &+= state.bias }
        case .reserved(let section): throw unknown(UInt32(section), place)
        case .section(let section):
            guard section < sections.count else { throw unknown(section, place) }
            switch layout.notebook.home(of: section, in: memory) {
            case .memory(let start):
                operand.value &+= start &+ state.bias
                if symbol.isIndirectFunction {
                    operand.value = try stub(ofSymbol: index, &state, in: &memory) &+ state.bias
                }
            case .block(let start):
                operand.value &+= start
                operand.kind = .variable
            case nil:
                // The size is known wherever the symbol lies.
                guard formula == .size else { throw Fault(.symbolNotLoaded, place, value: UInt64(section)) }
            }
        case .undefined:
            if let linkerSymbol = LinkerSymbol(symbol, symbols) {
                operand.value = layout.address(of: linkerSymbol)
                if linkerSymbol == .blockBase { operand.kind = .variable } else { operand.value &+= state.bias }
            } else if let address = try sectionBound(symbol, &state, in: &memory) {
                operand.value = address &+ state.bias
            } else {
                guard symbol.isWeak else {
                    throw Fault(.symbolUndefined, place, value: state.relocations.entry.offset)
                }
                return RelocationOperand()
            }
        }
        try operand.require(for: formula, symbol.type, place)
        return operand
    }

    private func unknown(_ section: UInt32, _ place: Place) -> Fault {
        Fault(.symbolSectionUnknown, place, value: UInt64(section), limit: UInt64(sections.count))
    }

    /// The link address of the stub that stands for the STT_GNU_IFUNC symbol at `index`: all references agree on it, and
    /// it works before and after the resolver has been called through.
    private func stub(
        ofSymbol index: UInt32, _ state: inout ObjectRelocation, in memory: inout ByteRegion
    ) throws(Fault) -> UInt64 {
        let known = layout.notebook.address(ofSymbol: index, in: memory)
        guard known == 0 else { return known }
        let address = try state.table.stub(in: &memory)
        layout.notebook.remember(address, ofSymbol: index, in: &memory)
        state.indirect &+= 1
        return address
    }
}
