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
        let holds = { (memory: borrowing ByteRegion, offset: UInt64, pattern: UInt64, count: UInt64) -> Bool in
            for index in 0..<count {
                let byte = UInt8(truncatingIfNeeded: pattern >> (8 &* (count &- 1 &- index)))
                guard memory.load(UInt8.self, at: address &+ offset &+ index) == byte else { return false }
            }
            return true
        }
        guard holds(memory, 0 &- 3, 0x48_8d3d, 3) else { return nil }
        let hasPrefix = holds(memory, 0 &- 4, 0x66, 1)
        switch callType {
        case 4 where isGeneral && hasPrefix && holds(memory, 4, 0x6666_48e8, 4),
            2 where isGeneral && hasPrefix && holds(memory, 4, 0x6666_48e8, 4),
            9 where isGeneral && hasPrefix && holds(memory, 4, 0x6648_ff15, 4),
            41 where isGeneral && hasPrefix && holds(memory, 4, 0x6648_ff15, 4),
            42 where isGeneral && hasPrefix && holds(memory, 4, 0x6648_ff15, 4):
            (lead, size, call) = (4, 16, 8)
        case 4 where !isGeneral && holds(memory, 4, 0xe8, 1), 2 where !isGeneral && holds(memory, 4, 0xe8, 1):
            (lead, size, call) = (3, 12, 5)
        case 9 where !isGeneral && holds(memory, 4, 0xff15, 2), 41 where !isGeneral && holds(memory, 4, 0xff15, 2):
            (lead, size, call) = (3, 13, 6)
        case 31:
            // add %reg, %rax: any of the sixteen registers may hold the GOT's address.
            let add = holds(memory, 14, 0x4801, 2) || holds(memory, 14, 0x4c01, 2)
            guard add, let operands = memory.load(UInt8.self, at: address &+ 16), operands & 0xc7 == 0xc0,
                holds(memory, 4, 0x48b8, 2), holds(memory, 17, 0xffd0, 2)
            else { return nil }
            (lead, size, call) = (3, 22, 6)
        default: return nil
        }
    }
}

extension ObjectRelocator {
    /// Rewrites the code of the general or local dynamic model at `entry`, whose call the next entry, `call`, is for.
    ///
    /// Throws `tlsSequenceUnknown` where it is none that the psABI has, and the faults of its symbol and its value.
    func relax(
        _ entry: RelocationEntry, _ meaning: RelocationMeaning, _ call: RelocationEntry?, _ place: Place,
        _ target: Target, in memory: inout ByteRegion
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
            var table = GlobalOffsetTable(layout)
            let operand = try operand(of: entry, meaning, place, &table, in: &memory)
            // The addend is that of an operand that ends its instruction: it makes up for P not being the next one.
            let value = operand.value &+ addend &+ 4 &- operand.distance
            guard meaning.field.represents(value) else {
                throw Fault(.relocationOverflow, place, value: value, limit: meaning.field.limit(for: value))
            }
            // mov %fs:0, %rax; lea value(%rax), %rax
            memory.store(0x0000_0025_048b_4864 as UInt64, at: start)
            memory.store(0x808d_4800 as UInt32, at: start &+ 8)
            memory.store(UInt32(truncatingIfNeeded: value), at: start &+ 12)
            if sequence.size == 22 {
                // nopw 0(%rax,%rax)
                memory.store(0x441f_0f66 as UInt32, at: start &+ 16)
                memory.store(0 as UInt16, at: start &+ 20)
            }
        } else {
            // Prefixes or nops, so that the size stays; then mov %fs:0, %rax.
            let filler = sequence.size &- 9
            for index in 0..<filler { memory.store(0x66 as UInt8, at: start &+ index) }
            if filler == 13 {
                // data16 data16 data16 cs nopw 0(%rax,%rax)
                memory.store(0x841f_0f2e as UInt32, at: start &+ 4)
                memory.store(0 as UInt32, at: start &+ 8)
                memory.store(0 as UInt8, at: start &+ 12)
            }
            memory.store(0x0000_0025_048b_4864 as UInt64, at: start &+ filler)
            memory.store(0 as UInt8, at: start &+ filler &+ 8)
        }
    }
}
