// CPU exceptions (Intel SDM volume 3, 6.15): their names, and the meaning of their error codes and registers.

public import Diagnostics

/// A CPU exception, and the state of the CPU when it occurred.
public struct CPUException: Sendable {
    /// The exception's number, and its error code if it has one.
    public var vector: UInt64, errorCode: UInt64
    /// rip, rsp, cr2 and cr3.
    public var instructionPointer: UInt64, stackPointer: UInt64, faultAddress: UInt64, pageTable: UInt64
    /// CR4: the features that are turned on.
    public var features: UInt64
    /// r15 down to r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, as they were pushed.
    public var registers: InlineArray<15, UInt64>

    /// An exception.
    public init(
        vector: UInt64, errorCode: UInt64, instructionPointer: UInt64, stackPointer: UInt64, faultAddress: UInt64,
        pageTable: UInt64, features: UInt64, registers: InlineArray<15, UInt64>
    ) {
        self.vector = vector
        self.errorCode = errorCode
        self.instructionPointer = instructionPointer
        self.stackPointer = stackPointer
        self.faultAddress = faultAddress
        self.pageTable = pageTable
        self.features = features
        self.registers = registers
    }

    /// Vectors (table 6-1): #BP, #UD, #DF and #PF.
    private static var breakpoint: UInt64 { 3 }
    private static var invalidOpcode: UInt64 { 6 }
    private static var doubleFault: UInt64 { 8 }
    private static var pageFault: UInt64 { 14 }
    /// Exceptions whose error code the CPU pushes.
    private static var haveErrorCode: UInt64 { 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30 }
    /// CR4.OSFXSR and CR4.OSXSAVE.
    private static var vectorRegisters: UInt64 { 1 << 9 }
    private static var wideVectorRegisters: UInt64 { 1 << 18 }

    /// Whether it is an interrupt with the number of an exception, without an error code: INT, or one of the first eight devices, to which
    /// the BIOS gives the numbers from 8 on. An exception's error code equals its number only with an LDT.
    private var isInterrupt: Bool { errorCode == vector && CPUException.haveErrorCode &>> vector & 1 != 0 }
    /// Whether memory was accessed at `faultAddress` in a way that its page does not allow.
    public var isPageFault: Bool { vector == CPUException.pageFault && !isInterrupt }
    /// Whether the instruction is unknown to the CPU, or turned off.
    public var isInvalidOpcode: Bool { vector == CPUException.invalidOpcode }
    /// Whether there is an error code that adds to the name.
    public var hasErrorCode: Bool { vector != CPUException.pageFault && errorCode != 0 && errorCode != vector }

    /// The address of the instruction that caused it. A breakpoint is reported after its instruction, where another function may begin.
    public var instruction: UInt64 {
        vector == CPUException.breakpoint ? instructionPointer &- 1 : instructionPointer
    }

    /// The address to which the stack grew, if it may have grown too far: of a page fault, or of the double fault that follows when
    /// nothing can be pushed; nil for other exceptions.
    public var stackAccess: UInt64? {
        guard vector == CPUException.pageFault || vector == CPUException.doubleFault else { return nil }
        return isPageFault ? faultAddress : stackPointer
    }

    /// Its name.
    public var name: Text {
        if isInterrupt { return "interrupt" }
        switch vector {
        case 0: return "divide error"
        case 1: return "debug"
        case 2: return "non-maskable interrupt"
        case 3: return "breakpoint"
        case 4: return "overflow"
        case 5: return "bound range"
        case 6: return "invalid opcode"
        case 7: return "device not available"
        case 8: return "double fault"
        // No CPU of today has exceptions with these numbers: they are the BIOS's for the keyboard and for interrupts without a device.
        case 9, 15: return "interrupt"
        case 10: return "invalid TSS"
        case 11: return "segment not present"
        case 12: return "stack fault"
        case 13: return "general protection"
        case 14: return "page fault"
        case 16: return "x87 floating point"
        case 17: return "alignment check"
        case 18: return "machine check"
        case 19: return "SIMD floating point"
        default: return "reserved"
        }
    }

    /// The kind of access that caused a page fault (figure 4-12: I/D and W/R).
    public var access: Text { errorCode & 16 != 0 ? "executing" : errorCode & 2 != 0 ? "writing to" : "reading from" }
    /// The reason why it was not allowed (RSVD and P).
    public var refusal: Text {
        errorCode & 8 != 0 ? "malformed page table" : errorCode & 1 != 0 ? "protected" : "not mapped"
    }

    /// The disabled feature that the instruction's vector registers need; nil if there is none. `byte` returns the instruction's bytes by
    /// their offsets.
    public func missingFeature(_ byte: (UInt64) -> UInt8?) -> Text? {
        switch VectorInstruction(byte) {
        case .sse where features & CPUException.vectorRegisters == 0: "CR4.OSFXSR"
        case .avx where features & CPUException.wideVectorRegisters == 0: "CR4.OSXSAVE"
        default: nil
        }
    }

    /// The names of the registers, from the last of `registers` on.
    public static var registerNames: Text { "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15" }
    /// The name of the stack pointer.
    public static var stackPointerName: Text { "rsp" }
}
