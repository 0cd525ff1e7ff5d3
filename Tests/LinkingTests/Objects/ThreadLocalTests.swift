// Code of the dynamic thread-local models becomes local exec, both as in the psABI.

import Diagnostics
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ThreadLocalTests {
    /// One sequence: what compilers write (r for the four bytes of the first relocation, c for the call's), the types of
    /// both relocations, and what it becomes (v for the four bytes of the offset from TP).
    struct Sequence: Sendable, CustomTestStringConvertible {
        var name: String
        var code: String
        var types: (UInt32, UInt32)
        var relaxed: String
        var testDescription: String { name }
    }

    static let sequences = [
        Sequence(
            name: "general dynamic", code: "66 48 8d 3d r r r r 66 66 48 e8 c c c c", types: (19, 4),
            relaxed: "64 48 8b 04 25 00 00 00 00 48 8d 80 v v v v"),
        Sequence(
            name: "general dynamic, PC32", code: "66 48 8d 3d r r r r 66 66 48 e8 c c c c", types: (19, 2),
            relaxed: "64 48 8b 04 25 00 00 00 00 48 8d 80 v v v v"),
        Sequence(
            name: "general dynamic, -fno-plt", code: "66 48 8d 3d r r r r 66 48 ff 15 c c c c", types: (19, 41),
            relaxed: "64 48 8b 04 25 00 00 00 00 48 8d 80 v v v v"),
        Sequence(
            name: "general dynamic, large, r15",
            code: "48 8d 3d r r r r 48 b8 c c c c 00 00 00 00 4c 01 f8 ff d0", types: (19, 31),
            relaxed: "64 48 8b 04 25 00 00 00 00 48 8d 80 v v v v 66 0f 1f 44 00 00"),
        Sequence(
            name: "local dynamic", code: "48 8d 3d r r r r e8 c c c c", types: (20, 4),
            relaxed: "66 66 66 64 48 8b 04 25 00 00 00 00"),
        Sequence(
            name: "local dynamic, -fno-plt", code: "48 8d 3d r r r r ff 15 c c c c", types: (20, 41),
            relaxed: "66 66 66 66 64 48 8b 04 25 00 00 00 00"),
        Sequence(
            name: "local dynamic, large, rbx",
            code: "48 8d 3d r r r r 48 b8 c c c c 00 00 00 00 48 01 d8 ff d0", types: (20, 31),
            relaxed: "66 66 66 66 2e 0f 1f 84 00 00 00 00 00 64 48 8b 04 25 00 00 00 00"),
    ]

    /// A file whose .text, at link address 0, holds `sequence` at `start`. The variable is 8 bytes into a block of 0x30.
    private func file(_ sequence: Sequence, at start: Int = 0x10, _ change: (inout ObjectFile) -> Void = { _ in })
        -> [UInt8]
    {
        let tokens = sequence.code.split(separator: " ")
        var code = [UInt8](repeating: 0x90, count: 0x40)
        for (index, token) in tokens.enumerated() { code[start + index] = UInt8(token, radix: 16) ?? 0 }
        let first = UInt64(start + tokens.firstIndex(of: "r")!), call = UInt64(start + tokens.firstIndex(of: "c")!)
        var file = ObjectFile(
            sections: [
                ObjectSection(
                    name: ".text", flags: 6, bytes: code,
                    relocations: [
                        Relocation(sequence.types.0, at: first, symbol: 2, addend: 0 &- 4),
                        Relocation(sequence.types.1, at: call, symbol: 3, addend: sequence.types.1 == 31 ? 0 : 0 &- 4),
                        Relocation(21, at: 0x3c, symbol: 2, addend: 1),
                    ]),
                ObjectSection(name: ".tdata", flags: 0x403, align: 16, bytes: [UInt8](repeating: 7, count: 0x30)),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: "variable", value: 8, info: 0x16, section: 2),
                ObjectSymbol(name: "__tls_get_addr", info: 0x10, section: 0),
            ])
        change(&file)
        return file.bytes
    }

    @Test(arguments: sequences) func relaxed(sequence: Sequence) throws {
        let result = try load(file(sequence))
        // 8 - 0x30 = -0x28, and the word at 0x3c is one more: it is added to TP, too.
        let expected = sequence.relaxed.replacing("v v v v", with: "d8 ff ff ff")
        #expect(result.hex(0x10, sequence.code.split(separator: " ").count) == expected)
        #expect(result.hex(0x0f, 1) == "90", "what precedes the code")
        #expect(result.hex(0x10 + UInt64(sequence.code.split(separator: " ").count), 1) == "90", "what follows")
        #expect(result.hex(0x3c, 4) == "d9 ff ff ff")
        #expect(result.counts.total == 3)
    }

    /// Every byte of the code outside relocations is changed: then the code is no sequence. The one exception is the
    /// register that the large model adds: any register may hold the address of the GOT.
    @Test(arguments: sequences) func otherCode(sequence: Sequence) throws {
        let tokens = sequence.code.split(separator: " ")
        for (index, token) in tokens.enumerated() where token != "r" && token != "c" && token != "00" {
            let isRegister = sequence.types.1 == 31 && index + 3 == tokens.count
            let change: UInt8 = isRegister ? 0x01 : 0x10
            let bytes = file(sequence) { $0.sections[0].bytes[0x10 + index] ^= change }
            // Without its first prefix the general model's code has another length; the local model's has no prefix.
            #expect(refusal(of: bytes) == Fault(.tlsSequenceUnknown, .entry(section: 3, index: 0)), "byte \(index)")
        }
    }

    /// A sequence lies completely in its section; if it does not, the next section stays unchanged.
    @Test(arguments: sequences) func codeThatItsSectionCutsOff(sequence: Sequence) throws {
        let count = sequence.code.split(separator: " ").count
        for start in [0, 0x10] {
            for end in start + count - 9...start + count {
                let bytes = file(sequence, at: start) {
                    $0.sections[0].bytes.removeLast(0x40 - end)
                    $0.sections[0].relocations.removeAll { $0.offset + 4 > UInt64(end) && $0.type == 21 }
                    // The bytes after the section look like the rest of the code.
                    let code = [UInt8](repeating: 0x90, count: 0x40)
                    $0.sections.insert(ObjectSection(name: ".text.next", flags: 6, bytes: code), at: 2)
                }
                let found = refusal(of: bytes)
                #expect(end == start + count ? found == nil : found != nil, "\(start) \(end)")
            }
        }
    }

    @Test func otherCallee() throws {
        for sequence in Self.sequences {
            let unknown = Fault(.tlsSequenceUnknown, .entry(section: 3, index: 0))
            #expect(refusal(of: file(sequence) { $0.symbols[2].name = "_start2" }) == unknown)
            #expect(refusal(of: file(sequence) { $0.sections[0].relocations.remove(at: 1) }) == unknown)
            #expect(refusal(of: file(sequence) { $0.sections[0].relocations[1].offset += 1 }) == unknown)
        }
    }

    @Test func sentenceOfOtherCode() throws {
        let bytes = file(Self.sequences[0]) { $0.sections[0].bytes[0x10] = 0x90 }
        #expect(
            sentence(try #require(refusal(of: bytes)), bytes)
                == "section 3 entry 0: R_X86_64_TLSGD at 0x14 against 'variable': the code is not one of the psABI's "
                + "sequences, and no __tls_get_addr is defined")
    }

    /// One variable by three models: its tls_index, its descriptor and its offset from TP each have a slot.
    @Test func slotsOfOneVariable() throws {
        let bytes = file(Self.sequences[0], at: 0) {
            $0.symbols[2] = ObjectSymbol(name: "__tls_get_addr", info: 0x12, section: 1)
            $0.sections[0].relocations += [
                Relocation(34, at: 0x20, symbol: 2, addend: 0 &- 4),
                Relocation(22, at: 0x30, symbol: 2, addend: 0 &- 4),
            ]
        }
        let result = try load(bytes)
        let slots = [(4, 16), (0x20, 16), (0x30, 8)].map { place, size in
            let start = UInt64(result.memory.number(UInt32.self, at: place)) + UInt64(place) + 4
            return start..<start + UInt64(size)
        }
        for (index, slot) in slots.enumerated() {
            for other in slots[..<index] { #expect(!slot.overlaps(other), "\(slots)") }
        }
        #expect(result.word(slots[0].lowerBound) == 1 && result.word(slots[0].lowerBound + 8) == 8)
        #expect(result.word(slots[2].lowerBound) == 0 &- 0x28)
    }

    /// A file that defines __tls_get_addr keeps its code, and gets the tls_index for it.
    @Test func ownFunction() throws {
        for sequence in Self.sequences where sequence.types.1 == 4 {
            let bytes = file(sequence) { $0.symbols[2] = ObjectSymbol(name: "__tls_get_addr", info: 0x12, section: 1) }
            let result = try load(bytes)
            let tokens = sequence.code.split(separator: " ")
            let place = UInt64(0x10 + tokens.firstIndex(of: "r")!)
            // The GOT is at the page after the template, its first slot 0x18 into it: S + A - P.
            #expect(result.memory.number(UInt32.self, at: Int(place)) == UInt32(0x2018 - 4 - place))
            #expect(result.word(0x2018) == 1)
            #expect(result.word(0x2020) == (sequence.types.0 == 19 ? 8 : 0))
            #expect(result.hex(0x3c, 4) == "09 00 00 00")
        }
    }

    /// A sequence may fill a whole section; if it is cut off at either end, it stays unchanged.
    @Test(arguments: sequences) func atTheSectionsEnds(sequence: Sequence) throws {
        let count = sequence.code.split(separator: " ").count
        func alone(_ start: Int, _ end: Int) -> [UInt8] {
            file(sequence, at: 0) {
                $0.sections[0].relocations.removeLast()
                $0.sections[0].bytes = Array($0.sections[0].bytes[start..<end])
                for index in 0..<2 { $0.sections[0].relocations[index].offset -= UInt64(start) }
                // The entry point is in another section.
                $0.sections.append(ObjectSection(name: ".text.start", flags: 6, bytes: [0xf4]))
                $0.symbols[0].section = UInt32($0.sections.count)
            }
        }
        let result = try load(alone(0, count))
        #expect(result.hex(0, count) == sequence.relaxed.replacing("v v v v", with: "d8 ff ff ff"))
        for (start, end) in [(0, count - 1), (1, count), (3, count)] {
            #expect(refusal(of: alone(start, end)) != nil, "\(start) \(end)")
        }
    }
}
