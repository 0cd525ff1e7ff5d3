// The story of a boot, from the firmware's structures to the kernel's first instruction. The loader runs it on the machine, loader-inspect,
// fuzzing and tests on memory of their own.

public import Architecture
public import Bytes
public import Diagnostics
public import Firmware
public import Linking
public import Memory

/// Everything that a boot needs from outside: the firmware's facts, memory to write, random numbers, a way to call the application's
/// functions, a console, an end.
public protocol BootHost {
    /// The kind of sink for the loader's lines.
    associatedtype Console: TextSink
    /// The sink for the loader's lines.
    var console: Console { get set }
    /// The loader's own place, and the CPU's features.
    var handoff: Handoff { get }

    /// Reads the firmware's facts about the machine from `memory`. Throws the reader's faults.
    mutating func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform

    /// The bytes of `range`, for writing, under the addresses from `address` on. Only the boot's plan keeps written and read ranges apart.
    @unsafe @_lifetime(immortal)
    mutating func region(_ range: AddressRange, at address: UInt64) -> ByteRegion

    /// A uniformly distributed number, for `loader.kaslr`.
    mutating func randomNumber() -> RandomNumber

    /// Calls the function at run-time address `resolver`, which has no arguments, and returns its result; nil if it cannot be called.
    mutating func call(_ resolver: UInt64) -> UInt64?

    /// The memory has been planned and the handoff written; the image has not.
    mutating func didPlan(
        _ plan: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts)

    /// Enters the kernel with `state`: everything is in its planned place except a staged image, which the last step moves. Returns on
    /// hosts without a CPU.
    mutating func enter(
        _ state: EntryState, _ plan: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles)
}

/// The sequence of a boot.
public enum BootSequence {
    /// The end of the memory that a boot uses: 32 bits of addresses.
    public static var memoryEnd: UInt64 { 1 << 32 }

    /// Boots the first of the modules in `memory` on `host`. `linkPlan` has one element, which it fills.
    ///
    /// Returns the fault that prevented the boot, after reporting it on the console; nil after `enter`.
    public static func run(
        _ memory: PhysicalMemory, linkPlan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) -> Fault? {
        // The bytes that the offsets of a fault's names refer to: all memory, until the modules are found.
        var files = NamedFiles(memory.bytes)
        do throws(Fault) {
            var platform = try host.platform(memory)
            try boot(&platform, memory, &files, linkPlan: &linkPlan, on: &host)
            return nil
        } catch {
            Report.error(error, files, linkPlan: linkPlan.part(0..<1), to: &host.console)
            return error
        }
    }

    /// Boots the first of the modules. `files` are the modules; their offsets are updated when modules move.
    @_lifetime(files: copy memory)
    private static func boot(
        _ platform: inout Platform, _ memory: PhysicalMemory, _ files: inout NamedFiles,
        linkPlan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) throws(Fault) {
        files.add(platform.facts, memory)
        var options = LoaderOptions()
        // The names of options lie outside all files.
        do throws(Fault) { try options.read(&platform, memory) } catch { throw error.of(file: NamedFiles.capacity) }
        guard platform.moduleCount > 0 else { throw Fault(.noModule) }
        if ImageOpening.mayBeImage(files[0], memory),
            try ImageOpening.open(&platform, memory, &files, linkPlan: &linkPlan, on: &host)
        {
            Report.opened(platform.facts, options.verbosity, to: &host.console)
        }
        let facts = platform.facts

        let plan: MemoryPlan
        let state: EntryState
        do {
            let application = try Application(files, options, linkPlan: linkPlan.part(0..<1))
            Report.found(application, facts, options.verbosity, to: &host.console)
            let choice = BaseChoice(options) { host.randomNumber() }
            let handoff = host.handoff
            plan = try MemoryPlan(
                application, on: facts, loader: handoff.loader, limit: memoryEnd, choice,
                copiesRootPointer: RootPointer.isToBeCopied(application, on: facts, memory))
            Report.chosen(choice, plan, options, to: &host.console)

            // The handoff block first: afterwards nothing needs the firmware's structures any more but ACPI's root pointer.
            var block = region(plan.handoff.range, of: &host)
            state = try handoff.write(application, on: facts, plan, memory: memory, to: &block)
            if !plan.rootPointer.isEmpty {
                copyRootPointer(facts.rsdp, to: plan.rootPointer, memory, on: &host)
            }
            if !plan.movingTables.isEmpty {
                try handoff.writeMovingTables(region(plan.movingTables, of: &host), limit: memoryEnd)
            }
            host.didPlan(plan, application, options, on: facts)
            if !plan.movesModules {
                return try load(application, plan, state, options.verbosity, files, on: &host)
            }
        }
        for index in 0..<facts.moduleCount {
            let module = facts.module(index).range
            let moved = plan.module(index, on: facts)
            guard moved != module else { continue }
            var target = region(moved, of: &host)
            target.copy(try memory.view(module.start, size: module.size), to: moved.start)
            // The module is a file, or several are in it.
            let bytes = AddressRange(at: module.start &- memory.origin, size: module.size)
            for file in 0..<files.count { files[file].move(from: bytes, to: moved.start &- memory.origin) }
        }
        // Reads the application again, from its file's new place.
        try load(
            Application(files, options, linkPlan: linkPlan.part(0..<1)), plan, state, options.verbosity, files,
            on: &host)
    }

    /// Copies ACPI's root pointer from `address` to the beginning of `page`, and has the EBDA begin there if it is in low memory.
    private static func copyRootPointer(
        _ address: UInt64, to page: AddressRange, _ memory: PhysicalMemory, on host: inout some BootHost
    ) {
        guard let bytes = RootPointer.bytes(at: address, memory) else { return }
        var copy = region(page, of: &host)
        copy.copy(bytes, to: page.start)
        guard !RootPointer.firmwareMemory.contains(page) else { return }
        var segment = region(RootPointer.segment, of: &host)
        segment.store(UInt16(truncatingIfNeeded: page.start >> 4), at: RootPointer.segment.start)
    }

    /// Loads and relocates `application`, whose file has its final place, and enters the kernel.
    @inline(never)  // Two callers: 3 KB less.
    private static func load(
        _ application: borrowing Application, _ plan: MemoryPlan, _ state: EntryState, _ verbosity: Verbosity,
        _ files: borrowing NamedFiles, on host: inout some BootHost
    ) throws(Fault) {
        let built = AddressRange(at: plan.buildAddress, size: plan.image.size)
        // The plan has given it a place of its own.
        var image = unsafe host.region(built, at: application.linkStart)
        let counts = try application.load(bias: plan.bias, isStaged: plan.isStaged, into: &image) {
            resolver, _ in host.call(resolver)
        }
        Report.placed(application, plan, counts, state, verbosity, to: &host.console)
        host.enter(state, plan, application, counts, from: files)
    }

    /// The bytes of `range`, which the plan keeps free of everything else.
    @_lifetime(immortal)
    private static func region(_ range: AddressRange, of host: inout some BootHost) -> ByteRegion {
        unsafe host.region(range, at: range.start)
    }
}

extension NamedFile {
    /// Updates the file's offsets if its bytes are among those that moved from `source` to `target`.
    fileprivate mutating func move(from source: AddressRange, to target: UInt64) {
        if start == source.start || source.contains(AddressRange(at: start, size: 1)) {
            start = start &- source.start &+ target
        }
        guard stringSize > 0, source.contains(AddressRange(at: string, size: 1)) else { return }
        string = string &- source.start &+ target
    }
}
