// The report of an unhandled CPU exception: where it happened, in the application's own terms.

public import Architecture
public import Memory
public import Firmware
public import Diagnostics
import Bytes
import ELF
import HermitEntry
import Linking

/// The loader's record of a boot, in case the application dies before it can print.
public struct BootRecord: Equatable, Sendable {
    /// The image, and the bias that was added to its link addresses.
    public var image = AddressRange(0, 0), bias: UInt64 = 0
    /// The boot stack.
    public var stack = AddressRange(0, 0)
    /// The loader's own bytes.
    public var loader = AddressRange(0, 0)
    /// The application's file.
    public var module = AddressRange(0, 0)
    /// The option that might give BootInfo the layout that the kernel expects.
    public var hint = AlignmentHint.none
    /// Whether there is anything to remember.
    public var isKnown = false

    /// Nothing has been placed yet.
    public init() {}

    /// Remembers the boot that `plan` describes, of the file at `module`; `hint` is about its BootInfo.
    public mutating func remember(
        _ plan: MemoryPlan, loader: AddressRange, module: AddressRange, _ hint: AlignmentHint = .none
    ) {
        self.hint = hint
        image = plan.image
        bias = plan.bias
        stack = plan.handoff.stack
        self.loader = loader
        self.module = module
        isKnown = true
    }
}

/// What may be wrong with the layout of BootInfo, for generations whose notes do not name the compiler.
public enum AlignmentHint: UInt8, Sendable {
    /// Nothing.
    case none
    /// The kernel may need 128-bit integers aligned: `loader.align16`.
    case align
    /// It may need them not aligned: `loader.no-align16`.
    case doNotAlign

    /// The hint for `application`.
    public init(_ application: borrowing Application) {
        self =
            application.generation != .two && application.generation != .three
            ? .none : application.alignsWideIntegers ? .doNotAlign : .align
    }

    /// Whether a kernel that takes BootInfo's platform from the wrong place reads there: it takes a null pointer for Multiboot's or
    /// the device tree's structures.
    func explains(_ address: UInt64) -> Bool { self != .none && (address == 0 || address == 0x18) }
}

extension CPUException {
    /// The most return addresses that are shown, and the number of words of the stack that are searched for them.
    static var returnAddressLimit: Int { 8 }
    static var stackSearchLimit: UInt64 { 512 }

    /// Writes the report: one line that begins with `error:`, then lines that help to find the cause. The record is used once: an exception
    /// during the report is reported without it.
    public func write(_ record: inout BootRecord, _ memory: PhysicalMemory, to sink: inout some TextSink) {
        let isKnown = record.isKnown
        record.isKnown = false
        sink.write("[LOADER] error: CPU exception %d (", vector)
        sink.write(name)
        if hasErrorCode { sink.write(", error code ", hex: errorCode) }
        sink.write(") at ", hex: instruction)
        if isPageFault { writeAccess(&sink) }
        if isKnown, isStackOverflow(record) { sink.write(": the stack has overflowed") }
        if isKnown, isInvalidOpcode { writeMissingFeature(memory, &sink) }
        sink.endLine()
        sink.flush()
        guard isKnown else { return }
        if isPageFault, record.hint.explains(faultAddress) {
            sink.write("[LOADER] ")
            sink.write(
                record.hint == .align
                    ? "kernels of this entry version that rustc 1.77 or later built die so: say loader.align16"
                    : "kernels of this entry version that rustc before 1.77 built die so: say loader.no-align16")
            sink.endLine()
            sink.flush()
        }

        // The file may have been overwritten since; its bytes are checked like any others.
        do throws(Fault) {
            let image = try ApplicationFile(memory.view(record.module.start, size: record.module.size))
            writePlace("[LOADER] instruction ", instruction, record, image, &sink)
            if isPageFault { writePlace("[LOADER] access to ", faultAddress, record, image, &sink) }
            writeRegisters(&sink)
            writeReturnAddresses(record, memory, image, &sink)
        } catch {
            writeRegisters(&sink)
        }
    }

    /// Whether the page below the stack was touched.
    private func isStackOverflow(_ record: borrowing BootRecord) -> Bool {
        let bottom = record.stack.start
        guard let touched = stackAccess else { return false }
        return touched >= bottom &- Page.size && touched < bottom
    }

    /// The opcode may be a valid one, for vector registers that the kernel has not enabled.
    private func writeMissingFeature(_ memory: PhysicalMemory, _ sink: inout some TextSink) {
        guard let whole = try? memory.view(memory.origin, size: memory.range.size) else { return }
        let walk = PageWalk(whole, origin: memory.origin, root: pageTable)
        let missing = missingFeature { offset in
            guard let address = walk.physicalAddress(of: instructionPointer &+ offset), address >= memory.origin else {
                return nil
            }
            return whole.byte(at: address &- memory.origin)
        }
        guard let missing else { return }
        sink.write(": it uses vector registers, which the kernel has not turned on (")
        sink.write(missing)
        sink.write(")")
    }

    private func writeAccess(_ sink: inout some TextSink) {
        sink.write(", ")
        sink.write(access)
        sink.write(" ", hex: faultAddress)
        sink.write(" (")
        sink.write(refusal)
        sink.write(")")
    }

    @inline(never)
    private func writePlace(
        _ label: Text, _ address: UInt64, _ record: borrowing BootRecord, _ image: borrowing ApplicationFile,
        _ sink: inout some TextSink
    ) {
        sink.write(label, hex: address)
        let byte = AddressRange(at: address, size: 1)
        if record.image.contains(byte) {
            writeImagePlace(address &- record.bias, image, &sink)
        } else if record.stack.contains(byte) {
            sink.write(": on the boot stack, %d bytes in use", record.stack.end &- address)
        } else {
            sink.write(
                record.loader.contains(byte)
                    ? ": in the loader" : address < Page.size ? ": a null pointer" : ": outside the image")
        }
        sink.endLine()
        sink.flush()
    }

    private func writeImagePlace(
        _ address: UInt64, _ image: borrowing ApplicationFile, _ sink: inout some TextSink
    ) {
        sink.write(": in the image")
        // After its own segments come its libraries, which have no symbols in the application.
        guard let part = image.part(at: address) else { return }
        sink.write(image.isObject ? ", section " : ", segment ", decimal: part)
        if let location = image.locate(address) {
            sink.write(", ")
            write(location, image, &sink)
        }
    }

    private func write(
        _ location: LinkedImage.Location, _ image: borrowing ApplicationFile, _ sink: inout some TextSink
    ) {
        let length = image.file.stringLength(at: location.nameOffset, limit: 256) ?? 0
        guard let name = try? image.file.slice(at: location.nameOffset, size: length, else: .fileTooShort, .header)
        else { return }
        sink.write(untrusted: name.span, limit: 200)
        sink.write("+", hex: location.offset)
    }

    private func writeRegisters(_ sink: inout some TextSink) {
        for index in 0..<15 {
            if index & 3 == 0 {
                if index > 0 { sink.endLine() }
                sink.write("[LOADER]")
            }
            sink.write(" ")
            sink.write(CPUException.registerNames.word(index))
            sink.write(" ", hex: registers.span[14 &- index])
        }
        sink.write(" ")
        sink.write(CPUException.stackPointerName)
        sink.write(" ", hex: stackPointer)
        sink.endLine()
        sink.flush()
    }

    /// The words on the stack that point into the image's code: not all are return addresses, but all return addresses
    /// are among them.
    private func writeReturnAddresses(
        _ record: borrowing BootRecord, _ memory: PhysicalMemory, _ image: borrowing ApplicationFile,
        _ sink: inout some TextSink
    ) {
        guard let whole = try? memory.view(memory.origin, size: memory.range.size) else { return }
        let walk = PageWalk(whole, origin: memory.origin, root: pageTable)
        var shown = 0
        for index in 0..<CPUException.stackSearchLimit where shown < CPUException.returnAddressLimit {
            guard let address = walk.physicalAddress(of: (stackPointer & ~7) &+ index &* 8), address >= memory.origin,
                let word = whole.word64(at: address &- memory.origin)
            else { return }
            // A return address lies after its call, and perhaps past the end of the calling function.
            let call = word &- record.bias &- 1
            guard record.image.contains(AddressRange(at: word &- 1, size: 1)), image.isCode(call) else { continue }
            sink.write("[LOADER] on the stack: ", hex: word)
            // Each search goes through all symbols, so searches that find nothing count as well.
            if var location = image.locate(call) {
                location.offset &+= 1
                sink.write(" ")
                write(location, image, &sink)
            }
            sink.endLine()
            sink.flush()
            shown &+= 1
        }
    }
}
