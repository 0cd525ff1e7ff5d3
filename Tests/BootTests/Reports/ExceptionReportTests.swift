// The report of an application's exception, line by line.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ExceptionReportTests {
    /// The application: two functions of 16 bytes and a word.
    private static let file = ObjectFile(
        sections: [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0x90, count: 64)),
            ObjectSection(name: ".data", align: 8, bytes: [1, 2, 3, 4, 5, 6, 7, 8]),
        ],
        symbols: [
            ObjectSymbol(name: "_start", size: 16, info: 0x12, section: 1),
            ObjectSymbol(name: "callee", value: 16, size: 16, info: 0x12, section: 1),
            ObjectSymbol(name: "word", size: 8, info: 0x11, section: 2),
        ]
    ).bytes

    /// Memory from 0 on: page tables that map the first 2 MiB to themselves at 0x1000, the file at 0x8000, the image at
    /// 0x1_0000, the stack at 0x2_0000, the loader at 0x4_0000.
    private static func memory(_ stack: [UInt64]) -> [UInt8] {
        var memory = [UInt8](repeating: 0, count: 0x5_0000)
        memory.put(0x2003 as UInt64, at: 0x1000)
        memory.put(0x3003 as UInt64, at: 0x2000)
        memory.put(0x83 as UInt64, at: 0x3000)
        memory.replaceSubrange(0x8000..<0x8000 + file.count, with: file)
        for (index, word) in stack.enumerated() { memory.put(word, at: 0x2_7f00 + 8 * index) }
        return memory
    }

    private static let record: BootRecord = {
        var record = BootRecord()
        (record.image, record.bias) = (AddressRange(0x1_0000, 0x1_2000), 0x1_0000)
        record.stack = AddressRange(0x2_0000, 0x2_8000)
        record.loader = AddressRange(0x4_0000, 0x4_8000)
        record.module = AddressRange(at: 0x8000, size: UInt64(file.count))
        record.isKnown = true
        return record
    }()

    /// The lines of a report, without the registers.
    private func lines(
        vector: UInt64 = 14, errorCode: UInt64 = 0, at instruction: UInt64 = 0x1_0012, access: UInt64 = 0,
        stackPointer: UInt64 = 0x2_7f00, stack: [UInt64] = [], code: [UInt8] = [], features: UInt64 = 0x620,
        _ change: (inout BootRecord) -> Void = { _ in }
    ) throws -> [String] {
        var record = Self.record
        change(&record)
        var memory = Self.memory(stack)
        memory.replaceSubrange(Int(instruction)..<Int(instruction) + code.count, with: code)
        var sink = BufferedSink()
        CPUException(
            vector: vector, errorCode: errorCode, instructionPointer: instruction, stackPointer: stackPointer,
            faultAddress: access, pageTable: 0x1000, features: features,
            registers: InlineArray<15, UInt64>(repeating: 7)
        ).write(&record, PhysicalMemory(ByteView(memory.span.bytes), origin: 0), to: &sink)
        // The next step may end everything: each line is sent before it, and so are the registers.
        #expect(sink.isFlushed && sink.text.hasSuffix("\n"))
        for part in sink.parts {
            #expect(part.filter { $0 == "\n" }.count == (part.hasPrefix("[LOADER] rax") ? 4 : 1), "\(part)")
        }
        let all = sink.text.split(separator: "\n").map { String($0) }
        #expect(all.filter { $0.hasPrefix("[LOADER] r") }.count == 4)
        #expect(all.contains("[LOADER] r13 0x7 r14 0x7 r15 0x7 rsp 0x\(String(stackPointer, radix: 16))"))
        return all.filter { !$0.hasPrefix("[LOADER] r") }
    }

    /// The report has every fact of the boot.
    @Test func `a boot is remembered`() throws {
        let scenario = Scenario(
            regions: [MemoryRegion(range: AddressRange(0, 0x400_0000), kind: .available)], isPVH: true, firmware: [],
            modules: [AddressRange(0x80_0000, 0x80_1000)], loader: AddressRange(0x10_0000, 0x12_8000), isFixed: false,
            base: 0, zeroFill: 0, alignment: 0x1000, generation: .three)
        let plan = try MemoryPlanTests.plan(scenario).get()
        var record = BootRecord()
        #expect(!record.isKnown && record.hint == .none && record.module.isEmpty)
        record.remember(plan, loader: scenario.loader, module: scenario.modules[0], .align)
        #expect(record.isKnown && record.hint == .align)
        #expect(record.image == plan.image && record.bias == plan.bias && record.bias > 0)
        #expect(record.stack == plan.handoff.stack && !record.stack.isEmpty)
        #expect(record.loader == scenario.loader && record.module == scenario.modules[0])
        record.remember(plan, loader: scenario.loader, module: scenario.modules[0])
        #expect(record.hint == .none)
    }

    @Test(arguments: [
        (0x1_1004 as UInt64, 3 as UInt64, "writing to 0x11004 (protected)", "in the image, section 2, word+0x4"),
        (0x1_0800, 0, "reading from 0x10800 (not mapped)", "in the image"),
        (0x2_7000, 2, "writing to 0x27000 (not mapped)", "on the boot stack, 4096 bytes in use"),
        (0x4_1000, 16, "executing 0x41000 (not mapped)", "in the loader"),
        (0x10, 0, "reading from 0x10 (not mapped)", "a null pointer"),
        (0xdead_0000, 8, "reading from 0xdead0000 (malformed page table)", "outside the image"),
    ])
    func `a page fault reports the access`(
        _ address: UInt64, _ code: UInt64, _ access: String, _ place: String
    ) throws {
        #expect(
            try lines(errorCode: code, access: address) == [
                "[LOADER] error: CPU exception 14 (page fault) at 0x10012, \(access)",
                "[LOADER] instruction 0x10012: in the image, section 1, callee+0x2",
                "[LOADER] access to 0x\(String(address, radix: 16)): \(place)",
            ])
    }

    /// Each range from its first byte to its last.
    @Test(arguments: [
        (0 as UInt64, "a null pointer"), (0xfff, "a null pointer"), (0x1000, "outside the image"),
        (0xffff, "outside the image"), (0x1_0000, "in the image, section 1, _start+0x0"),
        (0x1_003f, "in the image, section 1, callee+0x2f"), (0x1_0040, "in the image"), (0x1_1fff, "in the image"),
        (0x1_2000, "outside the image"), (0x1_ffff, "outside the image"),
        (0x2_0000, "on the boot stack, 32768 bytes in use"), (0x2_7fff, "on the boot stack, 1 bytes in use"),
        (0x2_8000, "outside the image"), (0x3_ffff, "outside the image"), (0x4_0000, "in the loader"),
        (0x4_7fff, "in the loader"), (0x4_8000, "outside the image"), (.max, "outside the image"),
    ])
    func `a place is reported by the range that it is in`(_ address: UInt64, _ place: String) throws {
        let found = try lines(access: address).last
        #expect(found == "[LOADER] access to 0x\(String(address, radix: 16)): \(place)")
    }

    @Test(arguments: [(14 as UInt64, 0x1_fff8 as UInt64, 0x2_0000 as UInt64), (8, 0, 0x1_f008)])
    func `a stack overflow is reported`(_ vector: UInt64, _ access: UInt64, _ stackPointer: UInt64) throws {
        let first = try lines(vector: vector, access: access, stackPointer: stackPointer).first
        #expect(first?.hasSuffix(": the stack has overflowed") == true)
        let none = try lines(vector: vector, access: access &- 0x1000, stackPointer: stackPointer &- 0x1000).first
        #expect(none?.hasSuffix(": the stack has overflowed") == false)
    }

    /// A stack pointer of 0 is not excluded: the first word of memory is one of the stack's.
    @Test func `return addresses are found from the first byte of memory on`() throws {
        let found = try lines(at: 0, stackPointer: 0, code: littleEndian(0x1_0012 as UInt64))
        let words = found.filter { $0.hasPrefix("[LOADER] on the stack: ") }
        #expect(words == ["[LOADER] on the stack: 0x10012 callee+0x2"])
    }

    /// The page below the stack, from its first byte to its last, for any exception that a push can cause.
    @Test(arguments: [
        (0x1_efff as UInt64, false), (0x1_f000, true), (0x1_ffff, true), (0x2_0000, false), (0x2_7fff, false),
    ])
    func `only the page below the stack is an overflow`(_ address: UInt64, _ isOverflow: Bool) throws {
        let fault = try lines(vector: 14, access: address).first
        #expect(fault?.hasSuffix(": the stack has overflowed") == isOverflow)
        let double = try lines(vector: 8, stackPointer: address & ~7).first
        #expect(double?.hasSuffix(": the stack has overflowed") == isOverflow || address & 7 != 0)
        let other = try lines(vector: 13, access: address, stackPointer: address & ~7).first
        #expect(other?.hasSuffix(": the stack has overflowed") == false)
    }

    /// The exceptions with an error code (Intel SDM volume 3, table 6-1; AMD64 volume 2, table 8-1, for 29 and 30).
    @Test(arguments: 0...31 as ClosedRange<UInt64>) func `only a vector with an error code can be an interrupt's`(
        _ vector: UInt64
    ) throws {
        let hasErrorCode = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30].contains(vector)
        let first = try lines(vector: vector, errorCode: vector).first
        // The reserved vectors between FPU and coprocessor have that name in any case.
        let isNamedSo = vector == 9 || vector == 15
        #expect(first?.contains("(interrupt)") == (hasErrorCode || isNamedSo), "\(first ?? "")")
    }

    /// A device's interrupt, or INT: there was no access, and no double fault.
    @Test(arguments: [8, 13, 14] as [UInt64]) func `an interrupt is not an exception`(_ vector: UInt64) throws {
        #expect(
            try lines(vector: vector, errorCode: vector) == [
                "[LOADER] error: CPU exception \(vector) (interrupt) at 0x10012",
                "[LOADER] instruction 0x10012: in the image, section 1, callee+0x2",
            ])
    }

    @Test func `an error code is reported if there is one`() throws {
        #expect(
            try lines(vector: 13, errorCode: 0x18).first
                == "[LOADER] error: CPU exception 13 (general protection, error code 0x18) at 0x10012")
        #expect(try lines(vector: 13).first == "[LOADER] error: CPU exception 13 (general protection) at 0x10012")
        // Without an error code the vector is in its place.
        #expect(
            try lines(vector: 6, errorCode: 6).first == "[LOADER] error: CPU exception 6 (invalid opcode) at 0x10012")
    }

    /// The CPU reports the next instruction, which may belong to another function.
    @Test func `a breakpoint is reported at its own address`() throws {
        #expect(
            try lines(vector: 3, errorCode: 3, at: 0x1_0010) == [
                "[LOADER] error: CPU exception 3 (breakpoint) at 0x1000f",
                "[LOADER] instruction 0x1000f: in the image, section 1, _start+0xf",
            ])
    }

    /// A common first mistake of kernels: the compiler may use vector registers, but CR4.OSFXSR (or OSXSAVE) is clear. Bytes as
    /// GNU as assembles them.
    @Test(
        arguments: [
            ([0x0f, 0x28, 0xc1], "OSFXSR"),  // movaps %xmm1, %xmm0
            ([0x0f, 0x57, 0xc0], "OSFXSR"),  // xorps %xmm0, %xmm0
            ([0x0f, 0x11, 0x07], "OSFXSR"),  // movups %xmm0, (%rdi)
            ([0x44, 0x0f, 0x29, 0x07], "OSFXSR"),  // movaps %xmm8, (%rdi)
            ([0x66, 0x0f, 0xef, 0xc0], "OSFXSR"),  // pxor %xmm0, %xmm0
            ([0x66, 0x48, 0x0f, 0x6e, 0xc0], "OSFXSR"),  // movq %rax, %xmm0
            ([0xf3, 0x0f, 0x6f, 0x06], "OSFXSR"),  // movdqu (%rsi), %xmm0
            ([0xf2, 0x48, 0x0f, 0x2a, 0xc0], "OSFXSR"),  // cvtsi2sd %rax, %xmm0
            ([0x64, 0x66, 0x0f, 0xd6, 0x07], "OSFXSR"),  // movq %xmm0, %fs:(%rdi)
            ([0x66, 0x0f, 0x38, 0x00, 0xc1], "OSFXSR"),  // pshufb %xmm1, %xmm0
            ([0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x08], "OSFXSR"),  // palignr $8, %xmm1, %xmm0
            ([0x0f, 0x38, 0xc8, 0xc1], "OSFXSR"),  // sha1nexte %xmm1, %xmm0
            ([0x0f, 0x3a, 0xcc, 0xc1, 0x00], "OSFXSR"),  // sha1rnds4 $0, %xmm1, %xmm0
            ([0x0f, 0xae, 0x17], "OSFXSR"),  // ldmxcsr (%rdi)
            ([0xc5, 0xf8, 0x57, 0xc0], "OSXSAVE"),  // vxorps %xmm0, %xmm0, %xmm0
            ([0xc4, 0xe2, 0x7d, 0x18, 0x07], "OSXSAVE"),  // vbroadcastss (%rdi), %ymm0
            ([0x62, 0xf1, 0x7c, 0x48, 0x57, 0xc0], "OSXSAVE"),  // vxorps %zmm0, %zmm0, %zmm0
        ] as [([UInt8], String)])
    func `a vector instruction before the kernel enabled vector registers is reported`(
        _ code: [UInt8], _ bit: String
    ) throws {
        let words = ": it uses vector registers, which the kernel has not turned on (CR4.\(bit))"
        let start = "[LOADER] error: CPU exception 6 (invalid opcode) at 0x10012"
        #expect(try lines(vector: 6, errorCode: 6, code: code, features: 0x20).first == start + words)
        // With the feature enabled, the cause is another.
        #expect(try lines(vector: 6, errorCode: 6, code: code, features: 0x4_0620).first == start)
        // Other exceptions do not mention it, nor does one before an image is placed.
        #expect(try lines(vector: 13, code: code, features: 0x20).first?.hasSuffix("at 0x10012") == true)
        // The bytes end with the memory.
        for length in 0..<code.count {
            let cut = code.prefix(length)
            let found = try lines(
                vector: 6, errorCode: 6, at: 0x5_0000 - UInt64(length), code: Array(cut), features: 0x20)
            #expect(found.first?.hasPrefix("[LOADER] error: CPU exception 6 (invalid opcode) at ") == true)
        }
    }

    @Test(
        arguments: [
            [0x0f, 0x0b],  // ud2
            [0x0f, 0xef, 0xc0],  // pxor %mm0, %mm0: MMX
            [0x0f, 0x6f, 0x06],  // movq (%rsi), %mm0
            [0x0f, 0xc3, 0x07],  // movnti %eax, (%rdi)
            [0xf3, 0x0f, 0xb8, 0xc0],  // popcnt %eax, %eax
            [0xf2, 0x0f, 0x38, 0xf1, 0xc0],  // crc32l %eax, %eax
            [0x66, 0x0f, 0x38, 0x82, 0x07],  // invpcid (%rdi), %rax
            [0x0f, 0x38, 0xf0, 0x07],  // movbe (%rdi), %eax
            [0x0f, 0xae, 0x07],  // fxsave (%rdi)
            [0xf3, 0x0f, 0xae, 0xd0],  // wrfsbase %eax
            [0x66, 0x0f, 0x1f, 0x00],  // nopw (%rax)
            [0x0f, 0x30],  // wrmsr
            [0x48, 0x89, 0xc0],  // mov %rax, %rax
            [UInt8](repeating: 0x66, count: 20),
        ] as [[UInt8]])
    func `other instructions are not reported as vector instructions`(_ code: [UInt8]) throws {
        #expect(
            try lines(vector: 6, errorCode: 6, code: code, features: 0x20).first
                == "[LOADER] error: CPU exception 6 (invalid opcode) at 0x10012")
    }

    /// The address after a call counts, even at the end of a function; data does not.
    @Test func `return addresses are addresses in code`() throws {
        let found = try lines(vector: 6, stack: [0x1_0013, 0x1234, 0x1_1004, 0x1_0010, 0x1_0020, 0x1_0900, 0x1_0000])
        #expect(
            Array(found.dropFirst(2)) == [
                "[LOADER] on the stack: 0x10013 callee+0x3", "[LOADER] on the stack: 0x10010 _start+0x10",
                "[LOADER] on the stack: 0x10020 callee+0x10",
            ])
        // Pushes are at multiples of eight, even if the pointer is not, as in code that the application jumped into by mistake.
        for offset in 0..<8 as Range<UInt64> {
            let found = try lines(vector: 6, stackPointer: 0x2_7f00 + offset, stack: [0x1_0013, 0x1_0020])
            #expect(found.dropFirst(2).map { $0.suffix(10) } == ["callee+0x3", "allee+0x10"], "\(offset)")
        }
        // At most eight.
        let many = try lines(vector: 6, stack: [UInt64](repeating: 0x1_0013, count: 20))
        #expect(many.count == 10)
    }

    /// The byte before a return address, at its call, is in the image's code: from the first byte to the last.
    @Test(
        arguments: [
            (0x1_0000, 0x1_2000, [0x1_0001, 0x1_0040]), (0x1_0000, 0x1_0040, [0x1_0001, 0x1_0040]),
            (0x1_0000, 0x1_003f, [0x1_0001, 0x1_003f]), (0x1_0010, 0x1_2000, [0x1_0011, 0x1_0040]),
        ] as [(UInt64, UInt64, [UInt64])])
    func `a call's last byte is in the image`(_ start: UInt64, _ end: UInt64, _ ends: [UInt64]) throws {
        for word in 0xfff0...0x1_0060 as ClosedRange<UInt64> {
            let found = try lines(vector: 6, stack: [word]) { $0.image = AddressRange(start, end) }
            let isShown = found.contains { $0.hasPrefix("[LOADER] on the stack: 0x\(String(word, radix: 16)) ") }
            #expect(isShown == (word >= ends[0] && word <= ends[1]), "\(word)")
            #expect(isShown || !found.contains { $0.hasPrefix("[LOADER] on the stack") })
        }
    }

    /// A kernel that reads BootInfo's platform at the wrong place takes a null pointer for the structure: its first word is at 0, and
    /// the Multiboot information's third pointer, or a device tree's size, at 0x18.
    @Test(
        arguments: [(AlignmentHint.none, ""), (.align, "1.77 or later"), (.doNotAlign, "before 1.77")],
        [(0, true), (0x18, true), (1, false), (0x17, false), (0x19, false), (0x8, false), (.max, false)]
            as [(UInt64, Bool)])
    func `an access through a null pointer is explained`(
        _ hint: (kind: AlignmentHint, words: String), _ access: (address: UInt64, isExplained: Bool)
    ) throws {
        let found = try lines(access: access.address) { $0.hint = hint.kind }
        let isExplained = hint.kind != .none && access.isExplained
        #expect(found.contains { $0.contains("rustc \(hint.words) built die so") } == isExplained)
        #expect(found.contains { $0.contains("rustc") } == isExplained)
        let other = try lines(vector: 13, access: access.address) { $0.hint = hint.kind }
        #expect(!other.contains { $0.contains("rustc") })
    }

    /// A report is printed even if the file has been overwritten.
    @Test func `without the file registers are reported`() throws {
        #expect(try lines(vector: 13) { $0.module = AddressRange(0, 64) }.count == 1)
        #expect(try lines(vector: 13) { $0.module = AddressRange(at: .max - 8, size: 8) }.count == 1)
    }

    @Test func `before an image is placed the report is one line`() {
        var sink = TextCollector()
        let memory: [UInt8] = [0]
        var nothing = BootRecord()
        CPUException(
            vector: 21, errorCode: 0, instructionPointer: 1, stackPointer: 2, faultAddress: 3, pageTable: 4,
            features: 0, registers: InlineArray<15, UInt64>(repeating: 0)
        ).write(&nothing, PhysicalMemory(ByteView(memory.span.bytes), origin: 0), to: &sink)
        #expect(sink.text.split(separator: "\n").count == 1)
        #expect(sink.text.hasPrefix("[LOADER] error: CPU exception 21 ("))
    }
}
