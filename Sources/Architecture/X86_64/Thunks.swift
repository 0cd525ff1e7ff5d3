// Code that the loader adds to an image, as bytes (Intel SDM volume 2), least significant byte first.

/// Pieces of code that the loader writes, and the assumptions of each.
public enum Thunks {
    /// The stub of a function that chooses an implementation: `jmp *-14(%rip)`, through the word before it; then `int3` twice.
    public static var indirectJump: UInt64 { 0xcccc_ffff_fff2_25ff }

    /// The size of each function of TLS descriptors, and the alignment of all that the loader adds.
    public static var descriptorFunctionSize: UInt64 { 16 }
    /// See `descriptorFunctionSize`.
    public static var alignment: UInt64 { 16 }

    /// The two functions of TLS descriptors, `descriptorFunctionSize` bytes each. They take the descriptor's address in rax, and change no
    /// other register.
    ///
    ///     mov 8(%rax), %rax; ret
    ///     mov 8(%rax), %rax; sub %fs:0, %rax; ret
    public static var descriptorFunctions: InlineArray<4, UInt64> {
        [0xcccc_ccc3_0840_8b48, 0xcccc_cccc_cccc_cccc, 0x042b_4864_0840_8b48, 0xcccc_c300_0000_0025]
    }

    /// The size of `__tls_get_addr`, and the place in it that the distance of its table counts from.
    public static var threadLocalAddressSize: UInt64 { 5 &* 8 }
    /// See `threadLocalAddressSize`.
    public static var threadLocalAddressOrigin: UInt64 { 0x0a }

    /// `__tls_get_addr`. Its table, the distance of each block below TP, is at the function's start + `threadLocalAddressOrigin` +
    /// `distance`. It takes the address of a tls_index in rdi; module 0 is for undefined weak variables.
    ///
    ///     mov (%rdi), %rax; lea distance(%rip), %rdx
    ///     mov (%rdx,%rax,8), %rdx; add 8(%rdi), %rdx
    ///     test %rax, %rax; je 1f; add %fs:0, %rdx
    ///     1: mov %rdx, %rax; ret
    public static func threadLocalAddress(tableDistance distance: UInt64) -> InlineArray<5, UInt64> {
        [
            0x158d_4807_8b48 | distance << 48, 0x0348_c214_8b48_0000 | distance >> 16 & 0xffff, 0x6409_74c0_8548_0857,
            0x2514_0348, 0xcccc_cccc_c3d0_8948,
        ]
    }
}
