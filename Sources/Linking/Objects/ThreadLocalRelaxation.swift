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
        let offset = state.relocations.entry.offset
        let address = state.start &+ offset
        // If there is no next relocation, the current one stays, and its offset is not that of a call.
        _ = try state.relocations.next()
        let call = state.relocations.entry
        let gap = min(call.offset &- offset &- 4, 5)
        let found = ThreadLocalSequences.call(memory.word(at: address &+ 4), count: gap, isGeneral: isGeneral)
        let isLarge = found == .large
        let lead: UInt64 = isGeneral && !isLarge ? 4 : 3
        let size = isLarge ? 22 : lead &+ gap &+ 8
        guard let found, found.isRelocated(by: call.type), state.symbol.read(call.symbol, of: symbols),
            isName(state.symbol.entry.name, "__tls_get_addr"),
            lead <= offset, size <= state.size &- (offset &- lead),
            memory.word(at: address &- 3) & 0xff_ffff == ThreadLocalSequences.loadAddress,
            lead == 3 || memory.load(UInt8.self, at: address &- 4) == ThreadLocalSequences.dataPrefix,
            !isLarge || ThreadLocalSequences.isLargeCall(memory.word(at: address &+ 11))
        else { throw Fault(.tlsSequenceUnknown) }

        let start = address &- lead
        if isGeneral {
            // The addend, -4, makes up for P: the operand ends its instruction, and counts from the next one.
            let value = try RelocationType.tpOff32.value(
                state.operand.value &- state.operand.distance, addend &+ 4, 0)
            memory.put(ThreadLocalSequences.loadThreadPointer, at: start)
            memory.put(ThreadLocalSequences.addOffset(value), at: start &+ 8)
            if isLarge { memory.put(ThreadLocalSequences.paddingAfter(value), at: start &+ 14) }
        } else {
            // Prefixes and nops keep the size.
            memory.put(ThreadLocalSequences.padding, at: start)
            if isLarge { memory.put(0, at: start &+ 8) }
            memory.put(0, at: start &+ size &- 8)
            memory.put(ThreadLocalSequences.loadThreadPointer, at: start &+ size &- 9)
        }
    }
}
