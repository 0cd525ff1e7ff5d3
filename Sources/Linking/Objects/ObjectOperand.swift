// The symbol of an object file's relocation: the psABI's S and Z.

import Architecture
import Bytes
import Diagnostics
import ELF

extension ObjectImage {
    /// Reads the operand from the symbol of the current relocation, which must be of the kind that `formula` needs.
    ///
    /// Throws `symbolIndexOutsideTable`, `symbolUndefined`, `symbolNotLoaded`, `symbolSectionUnknown`,
    /// `symbolThreadLocal` or `symbolNotThreadLocal`.
    func readOperand(
        _ formula: Formula, _ state: inout ObjectRelocator, in memory: inout ByteRegion
    ) throws(Fault) {
        let index = state.relocations.entry.symbol
        state.operand = RelocationOperand()
        // The null symbol is address 0, or the beginning of the block.
        if formula.isThreadLocal { (state.operand.module, state.operand.distance) = (1, layout.blockDistance) }
        guard index != 0 else { return }
        guard state.symbol.read(index, of: symbols) else {
            throw Fault(.symbolIndexOutsideTable, value: UInt64(index), limit: UInt64(symbols.count))
        }
        let symbol = state.symbol.entry
        state.operand.size = symbol.size
        state.operand.kind = symbol.isThreadLocal ? .variable : .address
        state.operand.value = symbol.value
        switch state.symbol.definition {
        case .absolute: break
        case .common:
            state.operand.value = layout.scratch.address(ofSymbol: index, in: memory)
            if !symbol.isThreadLocal { state.operand.value &+= state.bias }
        case .reserved(let section): throw unknown(UInt32(section))
        case .section(let section):
            guard section < sections.count else { throw unknown(section) }
            switch layout.scratch.home(of: section, in: memory) {
            case .memory(let start):
                state.operand.value &+= start &+ state.bias
                if symbol.isIndirectFunction { try readStub(&state, in: &memory) }
            case .block(let start):
                state.operand.value &+= start
                state.operand.kind = .variable
            case nil:
                // The size is known even if the symbol is not in memory.
                guard formula == .size else { throw Fault(.symbolNotLoaded, value: UInt64(section)) }
            }
        case .undefined: try readUndefined(&state, in: &memory)
        }
        try state.operand.require(for: formula, symbol.type)
    }

    private func unknown(_ section: UInt32) -> Fault {
        Fault(.symbolSectionUnknown, value: UInt64(section), limit: UInt64(sections.count))
    }

    /// Reads an undefined symbol: one that linkers define, or an undefined weak one. The result is recorded, and found only once.
    private func readUndefined(_ state: inout ObjectRelocator, in memory: inout ByteRegion) throws(Fault) {
        let index = state.symbol.index
        // One more than its value, encoded like a section's word in the scratch; .max if no linker defines it.
        var known = layout.scratch.address(ofSymbol: index, in: memory)
        if known == 0 {
            if let linkerSymbol = LinkerSymbol(named: state.symbol.entry.name, in: self) {
                known = (address(of: linkerSymbol) &+ 1) | (linkerSymbol == .blockBase ? LinkScratch.threadLocalBit : 0)
            } else {
                known = try sectionBound(&state, in: memory).map { $0 &+ 1 } ?? .max
            }
            layout.scratch.remember(known, ofSymbol: index, in: &memory)
        }
        guard known != .max else {
            guard state.symbol.entry.isWeak else {
                throw Fault(.symbolUndefined, value: state.relocations.entry.offset)
            }
            state.operand = RelocationOperand()
            return
        }
        state.operand.value = known & ~LinkScratch.threadLocalBit &- 1
        if known & LinkScratch.threadLocalBit != 0 {
            state.operand.kind = .variable
        } else {
            state.operand.value &+= state.bias
        }
    }

    /// Reads an STT_GNU_IFUNC symbol, whose address is its stub's: all references agree on that, before and after the resolver is called.
    private func readStub(_ state: inout ObjectRelocator, in memory: inout ByteRegion) throws(Fault) {
        var address = layout.scratch.address(ofSymbol: state.symbol.index, in: memory)
        if address == 0 {
            address = try state.table.stub(in: &memory)
            layout.scratch.remember(address, ofSymbol: state.symbol.index, in: &memory)
            state.indirect &+= 1
        }
        state.operand.value = address &+ state.bias
    }
}
