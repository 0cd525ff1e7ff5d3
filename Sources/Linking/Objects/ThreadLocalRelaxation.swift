// Code that asks for the address of a thread-local variable, rewritten to add its offset to TP: the general and the local
// dynamic model become local exec (x86-64 psABI, "Linker Optimization", "Code Sequence Transitions").
//
// Such code calls __tls_get_addr, which dynamic linkers bring. A static image has none and needs none: its block has a fixed
// place below TP.

import Architecture
import Bytes
import Diagnostics
import ELF

extension ObjectImage {
    /// The psABI's sequences, by what lies between the operand of their first instruction and that of their call: the bytes, and
    /// above 32 bits their number. Returns the types that the call's relocation may have, a bit each; none for other code.
    ///
    ///     general dynamic     data16 lea x@tlsgd(%rip), %rdi; then one of
    ///                         data16 data16 rex.W call __tls_get_addr@PLT
    ///                         data16 rex.W call *__tls_get_addr@GOTPCREL(%rip)
    ///     local dynamic       lea x@tlsld(%rip), %rdi; then one of
    ///                         call __tls_get_addr@PLT
    ///                         call *__tls_get_addr@GOTPCREL(%rip)
    ///     large code model    lea x@tlsgd(%rip), %rdi, or x@tlsld
    ///                         movabs $__tls_get_addr@PLTOFF, %rax; add %reg, %rax; call *%rax
    private static func callTypes(_ code: UInt64, isGeneral: Bool) -> UInt64 {
        switch code {
        case 0x4_e848_6666 where isGeneral, 0x1_0000_00e8 where !isGeneral: 1 << 2 | 1 << 4
        case 0x4_15ff_4866 where isGeneral: 1 << 9 | 1 << 41 | 1 << 42
        case 0x2_0000_15ff where !isGeneral: 1 << 9 | 1 << 41
        case 0x2_0000_b848: 1 << 31
        default: 0
        }
    }

    /// Rewrites the code of the general or local dynamic model at the relocation at hand, whose call the next one is for.
    ///
    /// Throws `tlsSequenceUnknown` where it is none that the psABI has, and the faults of its value.
    @inline(never)
    func relax(
        isGeneral: Bool, _ addend: UInt64, _ state: inout ObjectRelocator, in memory: inout ByteRegion
    ) throws(Fault) {
        let offset = state.relocations.entry.offset
        let address = state.start &+ offset
        // Without a next one, the same is its own call, and its offset is wrong.
        _ = try state.relocations.next()
        let call = state.relocations.entry
        let gap = min(call.offset &- offset &- 4, 5)
        let code = memory.word(at: address &+ 4)
        let types = ObjectImage.callTypes(gap &<< 32 | code & (1 &<< (gap &* 8) &- 1), isGeneral: isGeneral)
        let isLarge = types == 1 << 31
        let lead: UInt64 = isGeneral && !isLarge ? 4 : 3
        let size = isLarge ? 22 : lead &+ gap &+ 8
        guard call.type < 64, types >> UInt64(call.type) & 1 != 0,
            state.symbol.read(call.symbol, of: symbols), isName(state.symbol.entry.name, "__tls_get_addr"),
            lead <= offset, size <= state.size &- (offset &- lead),
            // The three bytes of lea, and the prefix before.
            memory.word(at: address &- 3) & 0xff_ffff == 0x3d_8d48,
            lead == 3 || memory.load(UInt8.self, at: address &- 4) == 0x66,
            // add %reg, %rax: any of the sixteen registers may hold the GOT's address.
            !isLarge || memory.word(at: address &+ 11) >> 24 & 0xff_ffc7_fffb == 0xd0_ffc0_0148
        else { throw Fault(.tlsSequenceUnknown) }

        let start = address &- lead
        // mov %fs:0, %rax, but for its last byte, which is 0.
        let load: UInt64 = 0x0000_0025_048b_4864
        if isGeneral {
            // The addend is that of an operand that ends its instruction: it makes up for P not being the next one.
            let value = try RelocationType.threadPointerOffset.value(
                state.operand.value &- state.operand.distance, addend &+ 4, 0)
            // mov %fs:0, %rax; lea value(%rax), %rax
            memory.put(load, at: start)
            memory.put(value << 32 | 0x808d_4800, at: start &+ 8)
            // Behind the last two bytes of the value: nopw 0(%rax,%rax)
            if isLarge { memory.put(value >> 16 & 0xffff | 0x441f_0f66_0000, at: start &+ 14) }
        } else {
            // Prefixes or nops, so that the size stays: data16 data16 data16 cs nopw 0(%rax,%rax), the beginning of which is
            // all that shorter sequences have room for.
            memory.put(0x841f_0f2e_6666_6666, at: start)
            if isLarge { memory.put(0, at: start &+ 8) }
            memory.put(0, at: start &+ size &- 8)
            memory.put(load, at: start &+ size &- 9)
        }
    }
}
