// What is told of a CPU exception that nobody handled: where it happened, in the application's own terms.

public import AddressSpace
public import BootProtocols
public import Diagnostics
import Bytes
import ELF
import KernelImage

/// What the loader remembers of a boot, for the case that the application dies before it can speak.
public struct BootRecord: Equatable, Sendable {
    /// The image, and what was added to its link addresses.
    public var image: AddressRange, bias: UInt64
    /// The boot stack.
    public var stack: AddressRange
    /// The loader's own bytes.
    public var loader: AddressRange
    /// The application's file.
    public var module: AddressRange

    /// The record of the boot that `placement` describes, of the file at `module`.
    public init(_ placement: Placement, loader: AddressRange, module: AddressRange) {
        image = placement.image
        bias = placement.bias
        stack = placement.handoff.stack
        self.loader = loader
        self.module = module
    }
}

/// A CPU exception (Intel SDM volume 3, 6.15): what the CPU and its registers said.
public struct ExceptionReport: Sendable {
    /// The exception's number, and its error code where it has one.
    public var vector: UInt64, errorCode: UInt64
    /// rip, rsp, cr2 and cr3.
    public var instructionPointer: UInt64, stackPointer: UInt64, faultAddress: UInt64, pageTable: UInt64
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15.
    public var registers: InlineArray<15, UInt64>

    /// A report.
    public init(
        vector: UInt64, errorCode: UInt64, instructionPointer: UInt64, stackPointer: UInt64, faultAddress: UInt64,
        pageTable: UInt64, registers: InlineArray<15, UInt64>
    ) {
        self.vector = vector
        self.errorCode = errorCode
        self.instructionPointer = instructionPointer
        self.stackPointer = stackPointer
        self.faultAddress = faultAddress
        self.pageTable = pageTable
        self.registers = registers
    }

    /// How many return addresses are shown at the most, and how many words of the stack are searched for them.
    static var returnAddressLimit: Int { 8 }
    static var stackSearchLimit: UInt64 { 512 }

    /// Writes the report: one line that begins with `error:`, then what helps to find the cause. `record` is nil before
    /// anything was placed.
    public func write(_ record: BootRecord?, _ memory: PhysicalMemory, to sink: inout some TextSink) {
        begin(&sink)
        sink.write("error: CPU exception ")
        sink.write(decimal: vector)
        sink.write(" (")
        sink.write(name)
        sink.write(") at ")
        sink.write(hex: instructionPointer)
        if vector == 14 { writeAccess(&sink) }
        if let record, isStackOverflow(record) { sink.write(": the stack has overflowed") }
        sink.endLine()
        guard let record else { return }

        // The file may have been overwritten since; what is read of it is checked like any other bytes.
        if let view = try? memory.view(record.module.start, size: record.module.size),
            let image = try? Application.Contents(view)
        {
            writePlace("instruction", instructionPointer, record, image, &sink)
            if vector == 14 { writePlace("access to", faultAddress, record, image, &sink) }
            writeRegisters(&sink)
            writeReturnAddresses(record, memory, image, &sink)
        } else {
            writeRegisters(&sink)
        }
    }

    /// A page fault (or the double fault that follows when nothing can be pushed) next to the page below the stack.
    private func isStackOverflow(_ record: BootRecord) -> Bool {
        let below = AddressRange(record.stack.start &- 0x1000, record.stack.start)
        let touched = vector == 14 ? faultAddress : stackPointer
        return (vector == 14 || vector == 8) && touched >= below.start && touched < below.end
    }

    private func writeAccess(_ sink: inout some TextSink) {
        sink.write(errorCode & 16 != 0 ? ", executing " : errorCode & 2 != 0 ? ", writing to " : ", reading from ")
        sink.write(hex: faultAddress)
        sink.write(
            errorCode & 8 != 0 ? " (malformed page table)" : errorCode & 1 != 0 ? " (protected)" : " (not mapped)")
    }

    private func writePlace(
        _ label: Text, _ address: UInt64, _ record: BootRecord, _ image: borrowing Application.Contents,
        _ sink: inout some TextSink
    ) {
        begin(&sink)
        sink.write(label)
        sink.write(" ")
        sink.write(hex: address)
        sink.write(": ")
        let byte = AddressRange(at: address, size: 1)
        if record.image.contains(byte) {
            writeImagePlace(address &- record.bias, image, &sink)
        } else if record.stack.contains(byte) {
            sink.write("on the boot stack, ")
            sink.write(decimal: record.stack.end &- address)
            sink.write(" bytes in use")
        } else if record.loader.contains(byte) {
            sink.write("in the loader")
        } else if address < 0x1000 {
            sink.write("a null pointer")
        } else {
            sink.write("outside the image")
        }
        sink.endLine()
    }

    private func writeImagePlace(
        _ address: UInt64, _ image: borrowing Application.Contents, _ sink: inout some TextSink
    ) {
        sink.write("in the image")
        // Behind its own segments are its libraries, whose addresses are no symbol's of the application.
        guard let part = image.part(at: address) else { return }
        sink.write(part.isSection ? ", section " : ", segment ")
        sink.write(decimal: part.index)
        if let location = image.locate(address) {
            sink.write(", ")
            write(location, image, &sink)
        }
    }

    private func write(
        _ location: KernelImage.Location, _ image: borrowing Application.Contents, _ sink: inout some TextSink
    ) {
        let length = image.file.stringLength(at: location.nameOffset, limit: 256) ?? 0
        guard let name = try? image.file.slice(at: location.nameOffset, size: length, else: .fileTooShort, .header)
        else { return }
        sink.write(untrusted: name.span, limit: 200)
        sink.write("+")
        sink.write(hex: location.offset)
    }

    private func writeRegisters(_ sink: inout some TextSink) {
        for index in 0..<15 {
            if index % 4 == 0 {
                if index > 0 { sink.endLine() }
                begin(&sink)
            } else {
                sink.write(" ")
            }
            sink.write(ExceptionReport.registerName(index))
            sink.write(" ")
            sink.write(hex: registers[index])
        }
        sink.write(" rsp ")
        sink.write(hex: stackPointer)
        sink.endLine()
    }

    /// The words on the stack that point into the image's code: not all are return addresses, but all return addresses
    /// are among them.
    private func writeReturnAddresses(
        _ record: BootRecord, _ memory: PhysicalMemory, _ image: borrowing Application.Contents,
        _ sink: inout some TextSink
    ) {
        guard let whole = try? memory.view(memory.origin, size: memory.range.size) else { return }
        let walk = PageWalk(whole, origin: memory.origin, root: pageTable)
        var shown = 0
        for index in 0..<ExceptionReport.stackSearchLimit where shown < ExceptionReport.returnAddressLimit {
            guard let address = walk.physicalAddress(of: (stackPointer & ~7) &+ index &* 8), address >= memory.origin,
                let word = whole.word64(at: address &- memory.origin)
            else { return }
            // A return address lies behind its call, and perhaps behind the end of the function that calls.
            let call = word &- record.bias &- 1
            guard record.image.contains(AddressRange(at: word &- 1, size: 1)), image.isCode(call) else { continue }
            begin(&sink)
            sink.write("on the stack: ")
            sink.write(hex: word)
            // Each search goes through all symbols, so those that find nothing count as well.
            if var location = image.locate(call) {
                location.offset &+= 1
                sink.write(" ")
                write(location, image, &sink)
            }
            sink.endLine()
            shown += 1
        }
    }

    private func begin(_ sink: inout some TextSink) { sink.write("[LOADER] ") }

    private static func registerName(_ index: Int) -> Text {
        switch index {
        case 0: "rax"
        case 1: "rbx"
        case 2: "rcx"
        case 3: "rdx"
        case 4: "rsi"
        case 5: "rdi"
        case 6: "rbp"
        case 7: "r8"
        case 8: "r9"
        case 9: "r10"
        case 10: "r11"
        case 11: "r12"
        case 12: "r13"
        case 13: "r14"
        default: "r15"
        }
    }

    private var name: Text {
        switch vector {
        case 0: "divide error"
        case 1: "debug"
        case 2: "non-maskable interrupt"
        case 3: "breakpoint"
        case 4: "overflow"
        case 5: "bound range"
        case 6: "invalid opcode"
        case 7: "device not available"
        case 8: "double fault"
        case 10: "invalid TSS"
        case 11: "segment not present"
        case 12: "stack fault"
        case 13: "general protection"
        case 14: "page fault"
        case 16: "x87 floating point"
        case 17: "alignment check"
        case 18: "machine check"
        case 19: "SIMD floating point"
        default: "reserved"
        }
    }
}
