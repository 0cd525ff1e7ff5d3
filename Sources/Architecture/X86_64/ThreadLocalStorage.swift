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

    /// The size of the operands of `lea` and of `call`, which relocations belong to.
    public static var operandSize: UInt64 { 4 }
    /// The most bytes between both operands, apart from the large code model's 64-bit operand.
    public static var longestGap: UInt64 { 4 }

    /// The call in one of these sequences; nil for other code. `code` holds the `count` bytes, at most one more than `longestGap`, between
    /// the operand of the sequence's first instruction and the operand of its call.
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
    /// The number of those bytes, and a mask for them.
    public static var loadAddressSize: UInt64 { 3 }
    /// See `loadAddressSize`.
    public static var loadAddressMask: UInt64 { 0xff_ffff }
    /// data16, the prefix before those bytes in the general dynamic model.
    public static var dataPrefix: UInt8 { 0x66 }

    /// The size of the large code model's sequence: `lea`, 7 bytes, `movabs`, 10, `add`, 3, and `call`, 2.
    public static var largeSize: UInt64 { 22 }
    /// The distance from the operand of its first instruction to its last eight bytes.
    public static var largeCallOffset: UInt64 { largeSize &- 8 &- loadAddressSize }
    /// Whether `word`, the last eight bytes of the large code model's sequence, continues with `add %reg, %rax; call *%rax` after the last
    /// bytes of `movabs`. Any of the sixteen registers may hold the GOT's address.
    public static func isLargeCall(_ word: UInt64) -> Bool { word >> 24 & 0xff_ffc7_fffb == 0xd0_ffc0_0148 }

    /// `mov %fs:0, %rax` without its last byte, which is 0.
    public static var loadThreadPointer: UInt64 { 0x0000_0025_048b_4864 }
    /// The size of that instruction.
    public static var loadThreadPointerSize: UInt64 { 9 }
    /// Its last byte, and `lea value(%rax), %rax`.
    public static func addOffset(_ value: UInt64) -> UInt64 { value << 32 | 0x808d_4800 }
    /// The place of those bytes after the start of `loadThreadPointer`.
    public static var addOffsetPlace: UInt64 { loadThreadPointerSize &- 1 }
    /// The place of `paddingAfter`'s bytes: they begin with the last two of `addOffset`'s.
    public static var paddingAfterPlace: UInt64 { addOffsetPlace &+ 6 }
    /// The last two bytes of such a value, and `nopw 0(%rax,%rax)`.
    public static func paddingAfter(_ value: UInt64) -> UInt64 { value >> 16 & 0xffff | 0x441f_0f66_0000 }
    /// data16 three times, then `cs nopw 0(%rax,%rax)`. Shorter sequences have room only for the beginning.
    public static var padding: UInt64 { 0x841f_0f2e_6666_6666 }
}
