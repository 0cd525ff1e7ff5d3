// The psABI's sequences of thread-local storage, byte by byte.

import Architecture
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ThreadLocalStorageTests {
    /// The bytes between the operand of the first instruction and that of the call (psABI, "Code Sequence Transitions").
    static let calls: [(code: [UInt8], isGeneral: Bool?, call: ThreadLocalSequences.Call)] = [
        ([0x66, 0x66, 0x48, 0xe8], true, .direct), ([0xe8], false, .direct),
        ([0x66, 0x48, 0xff, 0x15], true, .prefixedIndirect), ([0xff, 0x15], false, .indirect),
        ([0x48, 0xb8], nil, .large),
    ]

    private func call(_ code: [UInt8], _ isGeneral: Bool) -> ThreadLocalSequences.Call? {
        let word = code.enumerated().reduce(0xcccc_cccc_cccc_cccc << (8 * code.count)) {
            $0 | UInt64($1.element) << (8 * $1.offset)
        }
        return ThreadLocalSequences.call(word, count: UInt64(code.count), isGeneral: isGeneral)
    }

    @Test func `each model's call is recognised, and no other`() {
        for (code, wanted, expected) in Self.calls {
            for isGeneral in [false, true] {
                let isRight = wanted == nil || wanted == isGeneral
                #expect(call(code, isGeneral) == (isRight ? expected : nil), "\(code)")
                // With any bit changed, or a byte more or less, it is not a call.
                for bit in 0..<8 * code.count {
                    var changed = code
                    changed[bit / 8] ^= 1 << (bit % 8)
                    #expect(call(changed, isGeneral) == nil, "\(changed)")
                }
                #expect(call(code + [0], isGeneral) == nil && call(Array(code.dropLast()), isGeneral) == nil)
            }
        }
    }

    /// PC32 2, PLT32 4, GOTPCREL 9, PLTOFF64 31, GOTPCRELX 41, REX_GOTPCRELX 42.
    @Test func `a call may be relocated by the types that assemblers use`() {
        let types: [(ThreadLocalSequences.Call, Set<UInt32>)] = [
            (.direct, [2, 4]), (.indirect, [9, 41]), (.prefixedIndirect, [9, 41, 42]), (.large, [31]),
        ]
        for (call, allowed) in types {
            for type in 0...51 as ClosedRange<UInt32> { #expect(call.isRelocated(by: type) == allowed.contains(type)) }
        }
    }

    /// `add %reg, %rax; call *%rax` for each of the sixteen registers, as GNU as assembles it: 48 01 d8 for rbx, 4c 01 f8 for r15.
    @Test func `the large model's call may add any register`() {
        for register in 0..<16 as Range<UInt64> {
            let rex: UInt64 = register < 8 ? 0x48 : 0x4c
            let bytes: [UInt64] = [0xaa, 0xbb, 0xcc, rex, 0x01, 0xc0 | (register & 7) << 3, 0xff, 0xd0]
            let word = bytes.enumerated().reduce(0 as UInt64) { $0 | $1.element << UInt64(8 * $1.offset) }
            #expect(ThreadLocalSequences.isLargeCall(word))
            for bit in 24..<64 as Range<UInt64> {
                let isRegister = bit == 26 || (43...45).contains(bit)
                #expect(ThreadLocalSequences.isLargeCall(word ^ 1 << bit) == isRegister, "\(register) \(bit)")
            }
        }
    }

    /// `mov %fs:0, %rax; lea value(%rax), %rax; nopw 0(%rax,%rax)` (psABI, "Code Sequence Transitions"), written as overlapping words.
    @Test(arguments: [0, 1, 0x1234_5678, 0xffff_ffff_fedc_ba98] as [UInt64])
    func `every byte of a value is in the new code`(_ value: UInt64) {
        var code = [UInt8](repeating: 0xcc, count: 22)
        func put(_ word: UInt64, at place: UInt64) {
            code.replaceSubrange(Int(place)..<Int(place) + 8, with: littleEndian(word))
        }
        put(ThreadLocalSequences.loadThreadPointer, at: 0)
        put(ThreadLocalSequences.addOffset(value), at: ThreadLocalSequences.addOffsetPlace)
        put(ThreadLocalSequences.paddingAfter(value), at: ThreadLocalSequences.paddingAfterPlace)
        let expected: [UInt8] =
            [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0x48, 0x8d, 0x80] + littleEndian(value).prefix(4)
            + [0x66, 0x0f, 0x1f, 0x44, 0, 0]
        #expect(code == expected)
    }
}
