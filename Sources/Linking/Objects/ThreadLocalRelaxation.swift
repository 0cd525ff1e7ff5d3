// Code that gets the address of a thread-local variable from a function, rewritten to add its offset to TP: the general and the local
// dynamic model become local exec (x86-64 psABI, "Linker Optimization", "Code Sequence Transitions").
//
// Such code calls __tls_get_addr, which dynamic linkers provide. A static image has none and needs none: its block has a fixed
// place below TP.

import Architecture
import Bytes
import Diagnostics
import ELF

extension ObjectImage {
    /// Rewrites the code of the general or the local dynamic model at the current relocation. The next relocation is for its call.
    ///
    /// Throws `tlsSequenceUnknown` for code that is not one of the psABI's sequences, and the faults of its value.
    func relax(
        isGeneral: Bool, _ addend: UInt64, _ state: inout ObjectRelocator, in memory: inout ByteRegion
    ) throws(Fault) {
        typealias Sequences = ThreadLocalSequences
        let offset = state.relocations.entry.offset
        let address = state.start &+ offset
        // If there is no next relocation, the current one stays, and its offset is not that of a call.
        _ = try state.relocations.next()
        let call = state.relocations.entry
        let gap = min(call.offset &- offset &- Sequences.operandSize, Sequences.longestGap &+ 1)
        let between = memory.word(at: address &+ Sequences.operandSize)
        let found = Sequences.call(between, count: gap, isGeneral: isGeneral)
        let isLarge = found == .large
        let hasPrefix = isGeneral && !isLarge
        let lead = hasPrefix ? Sequences.loadAddressSize &+ 1 : Sequences.loadAddressSize
        let size = isLarge ? Sequences.largeSize : lead &+ gap &+ 2 &* Sequences.operandSize
        guard let found, found.isRelocated(by: call.type), state.symbol.read(call.symbol, of: symbols),
            isName(state.symbol.entry.name, "__tls_get_addr"),
            lead <= offset, size <= state.size &- (offset &- lead),
            memory.word(at: address &- Sequences.loadAddressSize) & Sequences.loadAddressMask == Sequences.loadAddress,
            !hasPrefix || memory.load(UInt8.self, at: address &- lead) == Sequences.dataPrefix,
            !isLarge || Sequences.isLargeCall(memory.word(at: address &+ Sequences.largeCallOffset))
        else { throw Fault(.tlsSequenceUnknown) }

        let start = address &- lead
        if isGeneral {
            // The addend, -4, makes up for P: the operand ends its instruction, and counts from the next one.
            let value = try RelocationType.tpOff32.value(
                state.operand.value &- state.operand.distance, addend &+ Sequences.operandSize, 0)
            memory.put(Sequences.loadThreadPointer, at: start)
            memory.put(Sequences.addOffset(value), at: start &+ Sequences.addOffsetPlace)
            if isLarge { memory.put(Sequences.paddingAfter(value), at: start &+ Sequences.paddingAfterPlace) }
        } else {
            // Prefixes and nops keep the size. The last byte of zeros is the instruction's own.
            memory.put(Sequences.padding, at: start)
            if isLarge { memory.put(0, at: start &+ 8) }
            memory.put(0, at: start &+ size &- 8)
            memory.put(Sequences.loadThreadPointer, at: start &+ size &- Sequences.loadThreadPointerSize)
        }
    }
}
