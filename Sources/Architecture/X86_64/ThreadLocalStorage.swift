// The code sequences of thread-local storage's models (x86-64 psABI, "Linker Optimization", "Code Sequence Transitions"), as bytes,
// least significant byte first.

/// Code that asks `__tls_get_addr` for an address, and the code of the local exec model in its place.
public enum ThreadLocalSequences {
    /// The types that the relocation of the call in such a sequence may have, a bit each; none for other code. `code` is what lies
    /// between the operand of the sequence's first instruction and that of its call, `count` bytes, of five at the most.
    ///
    ///     general dynamic     data16 lea x@tlsgd(%rip), %rdi; then one of
    ///                         data16 data16 rex.W call __tls_get_addr@PLT
    ///                         data16 rex.W call *__tls_get_addr@GOTPCREL(%rip)
    ///     local dynamic       lea x@tlsld(%rip), %rdi; then one of
    ///                         call __tls_get_addr@PLT
    ///                         call *__tls_get_addr@GOTPCREL(%rip)
    ///     large code model    lea x@tlsgd(%rip), %rdi, or x@tlsld
    ///                         movabs $__tls_get_addr@PLTOFF, %rax; add %reg, %rax; call *%rax
    public static func callTypes(_ code: UInt64, count: UInt64, isGeneral: Bool) -> UInt64 {
        switch (count, code & (1 &<< (count &* 8) &- 1)) {
        case (4, 0xe848_6666) where isGeneral, (1, 0xe8) where !isGeneral: directCalls
        case (4, 0x15ff_4866) where isGeneral: 1 << RelocationNumber.rexGOTPCRelX | indirectCalls
        case (2, 0x15ff) where !isGeneral: indirectCalls
        case (2, 0xb848): largeCalls
        default: 0
        }
    }

    private static var directCalls: UInt64 { 1 << RelocationNumber.pc32 | 1 << RelocationNumber.plt32 }
    private static var indirectCalls: UInt64 { 1 << RelocationNumber.gotPCRel | 1 << RelocationNumber.gotPCRelX }
    /// The only type that the call of the large code model has.
    public static var largeCalls: UInt64 { 1 << RelocationNumber.pltOff64 }

    /// The three bytes before the operand of `lea x(%rip), %rdi`.
    public static var loadAddress: UInt64 { 0x3d_8d48 }
    /// data16, the prefix before it in the general dynamic model.
    public static var dataPrefix: UInt8 { 0x66 }

    /// Whether the word 11 bytes after the operand of the large code model's first instruction begins with the last byte of its
    /// `movabs`, whatever that is, and goes on with `add %reg, %rax; call *%rax`: any of the sixteen registers may hold the GOT's
    /// address.
    public static func isLargeCall(_ word: UInt64) -> Bool { word >> 24 & 0xff_ffc7_fffb == 0xd0_ffc0_0148 }

    /// `mov %fs:0, %rax`, but for its last byte, which is 0.
    public static var loadThreadPointer: UInt64 { 0x0000_0025_048b_4864 }
    /// That byte, and `lea value(%rax), %rax`.
    public static func addOffset(_ value: UInt64) -> UInt64 { value << 32 | 0x808d_4800 }
    /// The last two bytes of such a value, and `nopw 0(%rax,%rax)`.
    public static func paddingAfter(_ value: UInt64) -> UInt64 { value >> 16 & 0xffff | 0x441f_0f66_0000 }
    /// data16 three times, `cs nopw 0(%rax,%rax)`: the beginning of it is all that shorter sequences have room for.
    public static var padding: UInt64 { 0x841f_0f2e_6666_6666 }
}
