// Code that asks for the address of a thread-local variable, rewritten to add its offset to TP: the general and the local
// dynamic model become local exec (x86-64 psABI, "Linker Optimization", "Code Sequence Transitions").
//
// Such code calls __tls_get_addr, which dynamic linkers bring. A static image has none and needs none: its block has a fixed
// place below TP.

import Bytes
import Diagnostics
import ELF

/// One of the psABI's sequences, from its first byte on.
///
///     general dynamic     data16 lea x@tlsgd(%rip), %rdi; then one of
///                         data16 data16 rex.W call __tls_get_addr@PLT
///                         data16 rex.W call *__tls_get_addr@GOTPCREL(%rip)
///     local dynamic       lea x@tlsld(%rip), %rdi; then one of
///                         call __tls_get_addr@PLT
///                         call *__tls_get_addr@GOTPCREL(%rip)
///     large code model    lea x@tlsgd(%rip), %rdi, or x@tlsld
///                         movabs $__tls_get_addr@PLTOFF, %rax; add %reg, %rax; call *%rax
struct ThreadLocalSequence: Equatable {
    /// How far before the first relocation's place it begins, its size, and how far behind that place the call's lies.
    var lead: UInt64, size: UInt64, call: UInt64

    /// The sequence whose first relocation, of the general dynamic model or else the local one, changes `address`, and
    /// whose next one has type `callType`; nil where the code is another.
    init?(general isGeneral: Bool, at address: UInt64, callType: UInt32, in memory: borrowing ByteRegion) {
        let prefix = memory.load(UInt8.self, at: address &- 4) ?? 0
        // The three bytes of lea and what follows its operand; a sequence has four bytes and more there.
        guard let load = memory.load(UInt32.self, at: address &- 3), load & 0xff_ffff == 0x3d_8d48,
            let code = memory.load(UInt32.self, at: address &+ 4)
        else { return nil }
        let isDirect = callType == 4 || callType == 2
        let isIndirect = callType == 9 || callType == 41
        if callType == 31 {
            // add %reg, %rax: any of the sixteen registers may hold the GOT's address.
            guard code & 0xffff == 0xb848, let add = memory.load(UInt32.self, at: address &+ 14),
                add & 0xffc7_fffb == 0xffc0_0148, memory.load(UInt8.self, at: address &+ 18) == 0xd0
            else { return nil }
            (lead, size, call) = (3, 22, 6)
        } else if isGeneral {
            guard prefix == 0x66,
                isDirect && code == 0xe848_6666 || (isIndirect || callType == 42) && code == 0x15ff_4866
            else { return nil }
            (lead, size, call) = (4, 16, 8)
        } else if isDirect, code & 0xff == 0xe8 {
            (lead, size, call) = (3, 12, 5)
        } else if isIndirect, code & 0xffff == 0x15ff {
            (lead, size, call) = (3, 13, 6)
        } else {
            return nil
        }
    }
}

extension ObjectRelocator {
    /// Rewrites the code of the general or local dynamic model at `entry`, whose call the next entry, `call`, is for.
    ///
    /// Throws `tlsSequenceUnknown` where it is none that the psABI has, and the faults of its symbol and its value.
    func relax(
        _ entry: RelocationEntry, _ meaning: RelocationMeaning, _ call: RelocationEntry?, _ place: Place,
        _ target: Target, _ table: inout GlobalOffsetTable, in memory: inout ByteRegion
    ) throws(Fault) {
        let isGeneral = meaning.formula == .tlsIndexFromPlace
        let address = target.start &+ entry.offset
        guard let call, let callee = symbols[call.symbol], symbols.isNamed(callee, "__tls_get_addr"),
            let sequence = ThreadLocalSequence(general: isGeneral, at: address, callType: call.type, in: memory),
            call.offset == entry.offset &+ sequence.call, sequence.lead <= entry.offset,
            sequence.size <= target.size &- (entry.offset &- sequence.lead)
        else { throw Fault(.tlsSequenceUnknown, place) }

        let start = address &- sequence.lead
        // In bounds by the guard above.
        let addend = entry.addend ?? Relocator.load(meaning.field, at: address, in: memory) ?? 0
        if isGeneral {
            let operand = try operand(of: entry, meaning, place, &table, in: &memory)
            // The addend is that of an operand that ends its instruction: it makes up for P not being the next one.
            let value = operand.value &+ addend &+ 4 &- operand.distance
            guard meaning.field.represents(value) else {
                throw Fault(.relocationOverflow, place, value: value, limit: meaning.field.limit(for: value))
            }
            // mov %fs:0, %rax; lea value(%rax), %rax
            memory.store(0x0000_0025_048b_4864 as UInt64, at: start)
            memory.store(value << 32 | 0x808d_4800, at: start &+ 8)
            if sequence.size == 22 {
                // nopw 0(%rax,%rax)
                memory.store(0x441f_0f66 as UInt32, at: start &+ 16)
                memory.store(0 as UInt16, at: start &+ 20)
            }
        } else {
            // Prefixes or nops, so that the size stays; then mov %fs:0, %rax.
            memory.store(0x6666_6666 as UInt32, at: start)
            if sequence.size == 22 {
                // data16 data16 data16 cs nopw 0(%rax,%rax)
                memory.store(0x841f_0f2e as UInt64, at: start &+ 4)
                memory.store(0 as UInt8, at: start &+ 12)
            }
            let load = start &+ sequence.size &- 9
            memory.store(0x0000_0025_048b_4864 as UInt64, at: load)
            memory.store(0 as UInt8, at: load &+ 8)
        }
    }
}
