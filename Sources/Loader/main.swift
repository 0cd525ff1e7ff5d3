// The story of a boot.

import Memory
import Boot
import Firmware
import Bytes
import CMachine
import Diagnostics
import Linking
import Machine

/// Where assembly hands over: `protocolMagic` tells who started the loader, `information` is what they left.
@_cdecl("boot_main")
func loaderMain(_ protocolMagic: UInt32, _ information: UInt32) -> Never {
    var serial = SerialPort()
    // What a fault's names are offsets in: all memory, until the modules are found.
    var files = NamedFiles(ByteView(MappedMemory.readable))
    do throws(Fault) {
        let memory = PhysicalMemory(ByteView(MappedMemory.readable), origin: MappedMemory.start)
        var platform = Platform(try bootProtocol(protocolMagic), information: UInt64(information))
        try platform.read(memory)
        files.add(platform.facts, memory)
        var options = LoaderOptions()
        // The names of options lie outside all files.
        do throws(Fault) { try options.read(&platform, memory) } catch { throw error.of(file: NamedFiles.capacity) }
        let facts = platform.facts
        guard facts.moduleCount > 0 else { throw Fault(.noModule) }

        let loader = AddressRange(MappedMemory.loader.start, MappedMemory.loader.end)
        try boot(&files, options, on: facts, memory, loader, &serial)
    } catch {
        fail(error, files, &serial)
    }
}

/// The protocol that the loader was started with.
func bootProtocol(_ magic: UInt32) throws(Fault) -> BootProtocol {
    switch magic {
    case Multiboot.magic: .multiboot
    case PVH.magic: .pvh
    default: throw Fault(.unknownBootProtocol, value: UInt64(magic))
    }
}

/// Places, loads, relocates, hands over and enters. `files` are the modules, and follow them where they have
/// to be moved.
@_lifetime(files: copy files)
func boot(
    _ files: inout NamedFiles, _ options: LoaderOptions, on platform: borrowing PlatformFacts,
    _ memory: PhysicalMemory, _ loader: AddressRange, _ serial: inout SerialPort
) throws(Fault) -> Never {
    let application = try Application(files, options, plan: linkPlan(0))
    Report.found(application, platform, options.verbosity, to: &serial)
    let choice = BaseChoice(options) {
        CPU.randomNumber().map { RandomNumber($0, from: .rdrand) }
            ?? RandomNumber(CPU.mixedTime(), from: .timeStampCounter)
    }
    let placement = try MemoryPlan(application, on: platform, loader: loader, limit: MappedMemory.end, choice)
    Report.chosen(choice, placement, options, to: &serial)

    // The handoff block first: afterwards nothing needs the firmware's structures any more.
    let handoff = Handoff(
        loader: loader, codeEnd: MappedMemory.loaderCodeEnd, hasGigabytePages: CPU.hasGigabytePages,
        hasNoExecute: CPU.hasNoExecute)
    var block = region(placement.handoff.range)
    var state = try handoff.write(application, on: platform, placement, memory: memory, to: &block)
    if !placement.movingTables.isEmpty {
        try handoff.writeMovingTables(region(placement.movingTables), limit: MappedMemory.end)
    }
    // Before the kernel runs there is one processor and no interrupt.
    unsafe bootRecord.remember(
        placement, loader: loader, module: placement.module(0, on: platform))
    guard placement.movesModules else { try enter(application, placement, &state, options.verbosity, &serial) }

    for index in 0..<platform.moduleCount {
        let module = platform.module(index).range
        let moved = placement.module(index, on: platform)
        guard moved != module else { continue }
        var target = region(moved)
        target.copy(ByteView(MappedMemory.span(module.start, size: module.size)), to: moved.start)
        files[index].start = moved.start &- memory.origin
    }
    let moved = try Application(files, options, plan: linkPlan(1))
    try enter(moved, placement, &state, options.verbosity, &serial)
}

/// Loads and relocates `application`, whose file lies where it stays, and enters the kernel.
@inline(never)
func enter(
    _ application: borrowing Application, _ placement: MemoryPlan, _ state: inout EntryState, _ verbosity: Verbosity,
    _ serial: inout SerialPort
) throws(Fault) -> Never {
    var image = ByteRegion(
        MappedMemory.mutableSpan(placement.buildAddress, size: placement.image.size), at: application.linkStart)
    let counts = try application.load(placement, into: &image) { resolver, _ in CPU.call(resolver) }
    Report.placed(application, placement, counts, state, verbosity, to: &serial)
    if state.protectsWriting { CPU.protectWriting() }
    if state.protectsExecution { CPU.protectExecution() }
    CPU.enter(&state)
}

/// Room for what is known of the application's libraries, for what is once modules have been moved, and for what an error tells.
nonisolated(unsafe) var plans = InlineArray<3, LinkPlan>(repeating: LinkPlan())

@_lifetime(immortal)
func linkPlan(_ index: Int) -> MutableSpan<LinkPlan> {
    // Each is asked for once.
    var plans = unsafe plans.mutableSpan
    return unsafe _overrideLifetime(plans._mutatingExtracting(index..<index + 1), borrowing: ())
}

@_lifetime(immortal)
func region(_ range: AddressRange) -> ByteRegion {
    ByteRegion(MappedMemory.mutableSpan(range.start, size: range.size), at: range.start)
}

/// One sentence, then the end of the machine.
func fail(_ fault: Fault, _ files: borrowing NamedFiles, _ serial: inout SerialPort) -> Never {
    Report.error(fault, files, plan: linkPlan(2), to: &serial)
    CPU.end(fault.rule.kind.debugExitValue)
}

/// What is known of the boot, for the exception handler.
nonisolated(unsafe) var bootRecord = BootRecord()

/// Where an exception ends up that nobody else handles: the loader's own, or the kernel's before it has its own table. The
/// stub has switched back to the loader's page tables.
@_cdecl("loader_exception")
func loaderException(_ frame: UnsafePointer<cm_exception_frame>) {
    var serial = SerialPort()
    // The stub has put the frame on the boot stack; the record was written before the kernel was entered, if at all.
    let report = unsafe ExceptionReport(
        vector: frame.pointee.vector, errorCode: frame.pointee.error_code, instructionPointer: frame.pointee.rip,
        stackPointer: frame.pointee.rsp, faultAddress: CPU.pageFaultAddress, pageTable: frame.pointee.cr3,
        // Behind cr3, from r15 on.
        registers: UnsafeRawPointer(frame).load(fromByteOffset: 8, as: InlineArray<15, UInt64>.self))
    unsafe report.write(
        &bootRecord, PhysicalMemory(ByteView(MappedMemory.readable), origin: MappedMemory.start), to: &serial)
    CPU.end(Rule.cpuException.kind.debugExitValue)
}
