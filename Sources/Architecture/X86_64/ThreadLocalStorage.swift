// The code sequences of the thread-local storage models (x86-64 psABI, "Linker Optimization", "Code Sequence Transitions"), as bytes,
// least significant byte first.

/// Code that calls `__tls_get_addr` for an address, and the code of the local-exec model that replaces it.
public enum ThreadLocalSequences {
    /// The ways to call `__tls_get_addr`.
    public enum Call: Equatable, Sendable {
        /// `call`.
        case direct
        /// `call *` through a slot of the GOT.
        case indirect
        /// The same with the prefix rex.W.
        case prefixedIndirect
        /// The call of the large code model.
        case large

        /// Whether a relocation of type `type` can belong to the call.
        public func isRelocated(by type: UInt32) -> Bool {
            switch type {
            case RelocationNumber.pc32, RelocationNumber.plt32: self == .direct
            case RelocationNumber.gotPCRel, RelocationNumber.gotPCRelX: self == .indirect || self == .prefixedIndirect
            case RelocationNumber.rexGOTPCRelX: self == .prefixedIndirect
            case RelocationNumber.pltOff64: self == .large
            default: false
            }
        }
    }

    /// The call in one of these sequences; nil for other code. `code` holds the `count` bytes, five at most, between the operand of
    /// the sequence's first instruction and the operand of its call.
    ///
    ///     general dynamic     data16 lea x@tlsgd(%rip), %rdi; then one of
    ///                         data16 data16 rex.W call __tls_get_addr@PLT
    ///                         data16 rex.W call *__tls_get_addr@GOTPCREL(%rip)
    ///     local dynamic       lea x@tlsld(%rip), %rdi; then one of
    ///                         call __tls_get_addr@PLT
    ///                         call *__tls_get_addr@GOTPCREL(%rip)
    ///     large code model    lea x@tlsgd(%rip), %rdi, or x@tlsld
    ///                         movabs $__tls_get_addr@PLTOFF, %rax; add %reg, %rax; call *%rax
    public static func call(_ code: UInt64, count: UInt64, isGeneral: Bool) -> Call? {
        switch (count, code & (1 &<< (count &* 8) &- 1)) {
        case (4, 0xe848_6666) where isGeneral, (1, 0xe8) where !isGeneral: .direct
        case (4, 0x15ff_4866) where isGeneral: .prefixedIndirect
        case (2, 0x15ff) where !isGeneral: .indirect
        case (2, 0xb848): .large
        default: nil
        }
    }

    /// The three bytes before the operand of `lea x(%rip), %rdi`.
    public static var loadAddress: UInt64 { 0x3d_8d48 }
    /// data16, the prefix before those bytes in the general dynamic model.
    public static var dataPrefix: UInt8 { 0x66 }

    /// Whether `word`, which lies 11 bytes after the operand of the large code model's first instruction, continues with `add %reg,
    /// %rax; call *%rax` after the last byte of `movabs`. Any of the sixteen registers may hold the GOT's address.
    public static func isLargeCall(_ word: UInt64) -> Bool { word >> 24 & 0xff_ffc7_fffb == 0xd0_ffc0_0148 }

    /// `mov %fs:0, %rax` without its last byte, which is 0.
    public static var loadThreadPointer: UInt64 { 0x0000_0025_048b_4864 }
    /// That byte, and `lea value(%rax), %rax`.
    public static func addOffset(_ value: UInt64) -> UInt64 { value << 32 | 0x808d_4800 }
    /// The last two bytes of such a value, and `nopw 0(%rax,%rax)`.
    public static func paddingAfter(_ value: UInt64) -> UInt64 { value >> 16 & 0xffff | 0x441f_0f66_0000 }
    /// data16 three times, then `cs nopw 0(%rax,%rax)`. Shorter sequences have room only for the beginning.
    public static var padding: UInt64 { 0x841f_0f2e_6666_6666 }
}
