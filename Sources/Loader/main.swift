// The machine as a host for the sequence of a boot.

import Architecture
import Boot
import Bytes
import CMachine
import Diagnostics
import Firmware
import Linking
import Machine
import Memory

/// The entry from assembly: `magic` identifies the starter's protocol, `information` is the address of its structure, which may be any
/// number.
@_cdecl("boot_main")
func loaderMain(_ magic: UInt32, _ information: UInt64) -> Never {
    var host = MachineHost(magic: magic, information: information)
    // There is one processor and no interrupt, so nothing else uses it.
    var plans = unsafe linkPlan.mutableSpan
    let memory = PhysicalMemory(ByteView(MappedMemory.readable), origin: MappedMemory.start)
    let fault = BootSequence.run(memory, linkPlan: &plans, on: &host)
    // Entering the kernel does not return.
    CPU.end((fault?.rule ?? .cpuException).kind.debugExitValue)
}

/// The memory for the plan of the application's libraries.
nonisolated(unsafe) var linkPlan = InlineArray<1, LinkPlan>(repeating: LinkPlan())

/// The record of the boot, for the exception handler.
nonisolated(unsafe) var bootRecord = BootRecord()

/// The machine that the loader runs on.
struct MachineHost: BootHost {
    /// The magic number of the starter's protocol, and the address of its structure.
    let magic: UInt32, information: UInt64
    var console = SerialPort()

    var handoff: Handoff {
        Handoff(
            loader: AddressRange(MappedMemory.loader.start, MappedMemory.loader.end),
            codeEnd: MappedMemory.loaderCodeEnd, hasGigabytePages: CPU.hasGigabytePages,
            hasNoExecute: CPU.hasNoExecute)
    }

    func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform {
        try Platform.read(magic, information: information, in: memory)
    }

    @unsafe @_lifetime(immortal)
    func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        // What the boot's plan sets aside is used by nothing else.
        unsafe ByteRegion(MappedMemory.mutableSpan(range.start, size: range.size), at: address)
    }

    func randomNumber() -> RandomNumber {
        CPU.randomNumber().map { RandomNumber($0, from: .rdrand) }
            ?? RandomNumber(CPU.mixedTime(), from: CPU.hasTimeStamps ? .timeStampCounter : .intervalTimer)
    }

    func call(_ resolver: UInt64) -> UInt64? { CPU.call(resolver) }

    func didPlan(
        _ plan: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts
    ) {
        // Before the kernel runs there is one processor and no interrupt.
        unsafe bootRecord.remember(
            plan, loader: handoff.loader, module: plan.file(on: platform), AlignmentHint(application))
    }

    func enter(
        _ state: EntryState, _ plan: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles
    ) {
        if state.protectsWriting { CPU.protectWriting() }
        if state.protectsExecution { CPU.protectExecution() }
        var state = state
        CPU.enter(&state)
    }
}

/// Reports an unhandled exception: one of the loader, or one of the kernel before it has its own IDT. The stub has switched back to the
/// loader's page tables.
@_cdecl("loader_exception")
func loaderException(_ frame: UnsafePointer<cm_exception_frame>) {
    var serial = SerialPort()
    // The stub has put the frame on the boot stack. The record, if there is one, was written before the kernel was entered.
    let report = unsafe CPUException(
        vector: frame.pointee.vector, errorCode: frame.pointee.error_code, instructionPointer: frame.pointee.rip,
        stackPointer: frame.pointee.rsp, faultAddress: CPU.pageFaultAddress, pageTable: frame.pointee.cr3,
        features: frame.pointee.cr4,
        // The registers follow cr4 and cr3, from r15 on.
        registers: UnsafeRawPointer(frame).load(fromByteOffset: 16, as: InlineArray<15, UInt64>.self))
    unsafe report.write(
        &bootRecord, PhysicalMemory(ByteView(MappedMemory.readable), origin: MappedMemory.start), to: &serial)
    CPU.end(Rule.cpuException.kind.debugExitValue)
}
