// Whether an instruction uses vector registers, from its first bytes (Intel SDM volume 2: 2.1, 2.3, 2.7 and appendix A).

/// The vector registers that an instruction uses, by the CR4 bit that enables them.
enum VectorInstruction: Equatable {
    /// SSE's: CR4.OSFXSR.
    case sse
    /// AVX's: CR4.OSXSAVE.
    case avx

    /// Reads the instruction whose bytes `byte` returns by their offsets, in 64-bit mode; nil if it uses no vector registers, or its bytes
    /// cannot be read.
    init?(_ byte: (UInt64) -> UInt8?) {
        var offset: UInt64 = 0
        var isPrefixed = false
        prefixes: while true {
            // No instruction is longer than 15 bytes.
            guard offset < 15, let next = byte(offset) else { return nil }
            switch next {
            case 0x66, 0xf2, 0xf3: isPrefixed = true
            case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0: break
            default: break prefixes
            }
            offset &+= 1
        }
        // REX is the last prefix.
        if let rex = byte(offset), rex & 0xf0 == 0x40 { offset &+= 1 }
        switch byte(offset) {
        // VEX and EVEX.
        case 0xc4, 0xc5, 0x62: self = .avx
        case 0x0f:
            guard let opcode = byte(offset &+ 1) else { return nil }
            let next = byte(offset &+ 2) ?? 0
            guard VectorInstruction.isSSE(opcode, next, isPrefixed) else { return nil }
            self = .sse
        default: return nil
        }
    }

    /// Whether the instruction 0f `opcode` `next` has an SSE register operand. Without the prefix, many have an MMX register instead.
    private static func isSSE(_ opcode: UInt8, _ next: UInt8, _ isPrefixed: Bool) -> Bool {
        switch opcode {
        case 0x10...0x17, 0x28...0x2f, 0x50...0x5f, 0xc2, 0xc6: true
        case 0x60...0x76, 0x7c...0x7f, 0xc4, 0xc5, 0xd0...0xfe: isPrefixed
        // SHA, and all with a prefix except those for virtual machines and for general registers.
        case 0x38: 0xc8...0xcd ~= next || isPrefixed && next < 0xf0 && !(0x80...0x82 ~= next)
        case 0x3a: next == 0xcc || isPrefixed
        // LDMXCSR and STMXCSR.
        case 0xae: !isPrefixed && (2...3 ~= next >> 3 & 7)
        default: false
        }
    }
}
