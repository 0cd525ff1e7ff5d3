// CPU exceptions: every vector, with every meaningful error code.

import Architecture
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ExceptionsTests {
    static func exception(
        _ vector: UInt64, _ errorCode: UInt64 = 0, features: UInt64 = 0, instruction: UInt64 = 0x1000
    ) -> CPUException {
        CPUException(
            vector: vector, errorCode: errorCode, instructionPointer: instruction, stackPointer: 0x2000,
            faultAddress: 0x3000, pageTable: 0, features: features, registers: InlineArray(repeating: 0))
    }

    /// Intel SDM volume 3, table 6-1; vectors from 20 on have a number only.
    static let names = [
        "divide error", "debug", "non-maskable interrupt", "breakpoint", "overflow", "bound range", "invalid opcode",
        "device not available", "double fault", "interrupt", "invalid TSS", "segment not present", "stack fault",
        "general protection", "page fault", "interrupt", "x87 floating point", "alignment check", "machine check",
        "SIMD floating point", "reserved",
    ]
    /// The vectors for which the CPU pushes an error code; the stub pushes the vector for all others.
    static let haveErrorCode: [UInt64] = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30]

    @Test(arguments: 0...40 as ClosedRange<UInt64>) func `a vector has its name, and its error code adds details`(
        _ vector: UInt64
    ) {
        let name = Self.names[Int(min(vector, 20))]
        for errorCode in [0, 1, vector, vector ^ 1, 0x18, .max] as [UInt64] {
            let found = Self.exception(vector, errorCode)
            let isInterrupt = errorCode == vector && Self.haveErrorCode.contains(vector)
            #expect(found.name.description == (isInterrupt ? "interrupt" : name))
            #expect(found.hasErrorCode == (vector != 14 && errorCode != 0 && errorCode != vector))
            #expect(found.isPageFault == (vector == 14 && errorCode != 14))
            #expect(found.isInvalidOpcode == (vector == 6))
            #expect(found.instruction == (vector == 3 ? 0xfff : 0x1000))
            // If nothing can be pushed, a page fault becomes a double fault.
            #expect(
                found.stackAccess
                    == (vector == 14 && errorCode != 14 ? 0x3000 : [8, 14].contains(vector) ? 0x2000 : nil))
        }
    }

    /// Figure 4-12: bit 0 P, 1 W/R, 2 U/S, 3 RSVD, 4 I/D.
    @Test(arguments: 0..<64 as Range<UInt64>) func `a page fault's error code gives the access and the refusal`(
        _ code: UInt64
    ) {
        let found = Self.exception(14, code)
        let access = code & 16 != 0 ? "executing" : code & 2 != 0 ? "writing to" : "reading from"
        let refusal = code & 8 != 0 ? "malformed page table" : code & 1 != 0 ? "protected" : "not mapped"
        #expect(found.access.description == access && found.refusal.description == refusal)
    }

    /// The feature that the instruction `code` lacks if nothing is enabled.
    private func missing(_ code: [UInt8], features: UInt64 = 0) -> String? {
        Self.exception(6, 6, features: features).missingFeature { offset in
            offset < UInt64(code.count) ? code[Int(offset)] : nil
        }?.description
    }

    /// The opcodes after 0f that have SSE registers as operands, without a prefix and with 66, f2 or f3 (Intel SDM volume 2, appendix A,
    /// tables ): those of MMX use SSE registers only with a prefix.
    @Test func `instructions with two-byte opcodes need SSE as the manual says`() {
        for opcode in 0...255 as ClosedRange<UInt8> where ![0x38, 0x3a, 0xae].contains(opcode) {
            let always =
                [0xc2, 0xc6].contains(opcode) || 0x10...0x17 ~= opcode || 0x28...0x2f ~= opcode || 0x50...0x5f ~= opcode
            let prefixed =
                always || [0xc4, 0xc5].contains(opcode) || 0x60...0x76 ~= opcode || 0x7c...0x7f ~= opcode
                || 0xd0...0xfe ~= opcode
            #expect((missing([0x0f, opcode, 0xc0]) == "CR4.OSFXSR") == always, "\(opcode)")
            for prefix in [0x66, 0xf2, 0xf3] as [UInt8] {
                for others in [[], [0x2e], [0x64, 0x67]] as [[UInt8]] {
                    for rex in [[], [0x40], [0x48], [0x4f]] as [[UInt8]] {
                        let code = others + [prefix] + rex + [0x0f, opcode, 0xc0]
                        #expect((missing(code) == "CR4.OSFXSR") == prefixed, "\(code)")
                    }
                }
            }
        }
    }

    @Test func `instructions with three-byte opcodes, and groups, need SSE as the manual says`() {
        for next in 0...255 as ClosedRange<UInt8> {
            // 0f38: SHA without a prefix; with a prefix all except INVEPT, INVVPID, INVPCID and opcodes from f0 on.
            let isHash = 0xc8...0xcd ~= next
            #expect((missing([0x0f, 0x38, next]) != nil) == isHash)
            #expect((missing([0x66, 0x0f, 0x38, next]) != nil) == (isHash || next < 0xf0 && !(0x80...0x82 ~= next)))
            // 0f3a: SHA1RNDS4 without a prefix; all with a prefix.
            #expect((missing([0x0f, 0x3a, next]) != nil) == (next == 0xcc))
            #expect(missing([0x66, 0x0f, 0x3a, next]) != nil)
            // 0fae: LDMXCSR and STMXCSR, /2 and /3.
            #expect((missing([0x0f, 0xae, next]) != nil) == [2, 3].contains(next >> 3 & 7))
            #expect(missing([0xf3, 0x0f, 0xae, next]) == nil)
        }
    }

    @Test func `prefixes come before the opcode, and REX comes last`() {
        for prefix in [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0, 0x66, 0xf2, 0xf3] as [UInt8] {
            #expect(missing([prefix, 0x0f, 0x58, 0xc0]) == "CR4.OSFXSR", "\(prefix)")
        }
        for rex in 0x40...0x4f as ClosedRange<UInt8> {
            #expect(missing([rex, 0x0f, 0x58, 0xc0]) == "CR4.OSFXSR")
            #expect(missing([rex, rex, 0x0f, 0x58, 0xc0]) == nil)
            #expect(missing([rex, 0x66, 0x0f, 0x58, 0xc0]) == nil)
        }
        for other in [0x3f, 0x50, 0x68, 0x90] as [UInt8] { #expect(missing([other, 0x0f, 0x58, 0xc0]) == nil) }
        // An instruction has at most 15 bytes, so its opcode begins before the last.
        let prefixes = [UInt8](repeating: 0x66, count: 14)
        #expect(missing(prefixes + [0x0f, 0x58]) == "CR4.OSFXSR")
        #expect(missing(prefixes + [0x66, 0x0f, 0x58]) == nil)
    }

    @Test func `a feature is missing only if it is disabled`() {
        for (code, bit, name) in [
            ([0x0f, 0x58, 0xc0], 9, "CR4.OSFXSR"), ([0xc5, 0xf8, 0x57], 18, "CR4.OSXSAVE"),
            ([0xc4, 0xe2, 0x7d], 18, "CR4.OSXSAVE"), ([0x62, 0xf1, 0x7c], 18, "CR4.OSXSAVE"),
        ] as [([UInt8], UInt64, String)] {
            #expect(missing(code, features: ~(1 << bit)) == name)
            #expect(missing(code, features: 1 << bit) == nil)
        }
        #expect(missing([0x0f]) == nil && missing([]) == nil)
    }
}
