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
        _ placement: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts)

    /// Enters the kernel with `state`: everything is in its planned place except a staged image, which the last step moves. Returns on
    /// hosts without a CPU.
    mutating func enter(
        _ state: EntryState, _ placement: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles)
}

/// The sequence of a boot.
public enum BootSequence {
    /// The end of the memory that a boot uses: 32 bits of addresses.
    public static var memoryEnd: UInt64 { 1 << 32 }

    /// Boots the first of the modules in `memory` on `host`. `plan` has one element, which receives the link plan.
    ///
    /// Returns the fault that prevented the boot, after reporting it on the console; nil after `enter`.
    public static func run(
        _ memory: PhysicalMemory, plan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) -> Fault? {
        // The bytes that the offsets of a fault's names refer to: all memory, until the modules are found.
        var files = NamedFiles(memory.bytes)
        do throws(Fault) {
            var platform = try host.platform(memory)
            try boot(&platform, memory, &files, plan: &plan, on: &host)
            return nil
        } catch {
            Report.error(error, files, plan: plan.part(0..<1), to: &host.console)
            return error
        }
    }

    /// Boots the first of the modules. `files` are the modules; their offsets are updated when modules move.
    @_lifetime(files: copy memory)
    private static func boot(
        _ platform: inout Platform, _ memory: PhysicalMemory, _ files: inout NamedFiles,
        plan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) throws(Fault) {
        files.add(platform.facts, memory)
        var options = LoaderOptions()
        // The names of options lie outside all files.
        do throws(Fault) { try options.read(&platform, memory) } catch { throw error.of(file: NamedFiles.capacity) }
        guard platform.moduleCount > 0 else { throw Fault(.noModule) }
        if ImageOpening.mayBeImage(files[0], memory),
            try ImageOpening.open(&platform, memory, &files, plan: &plan, on: &host)
        {
            Report.opened(platform.facts, options.verbosity, to: &host.console)
        }
        let facts = platform.facts

        let placement: MemoryPlan
        let state: EntryState
        do {
            let application = try Application(files, options, plan: plan.part(0..<1))
            Report.found(application, facts, options.verbosity, to: &host.console)
            let choice = BaseChoice(options) { host.randomNumber() }
            let handoff = host.handoff
            placement = try MemoryPlan(
                application, on: facts, loader: handoff.loader, limit: memoryEnd, choice,
                copiesRootPointer: RootPointer.isToBeCopied(application, on: facts, memory))
            Report.chosen(choice, placement, options, to: &host.console)

            // The handoff block first: afterwards nothing needs the firmware's structures any more.
            var block = region(placement.handoff.range, of: &host)
            state = try handoff.write(application, on: facts, placement, memory: memory, to: &block)
            if !placement.rootPointer.isEmpty {
                copyRootPointer(facts.rsdp, to: placement.rootPointer, memory, on: &host)
            }
            if !placement.movingTables.isEmpty {
                try handoff.writeMovingTables(region(placement.movingTables, of: &host), limit: memoryEnd)
            }
            host.didPlan(placement, application, options, on: facts)
            if !placement.movesModules {
                return try load(application, placement, state, options.verbosity, files, on: &host)
            }
        }
        for index in 0..<facts.moduleCount {
            let module = facts.module(index).range
            let moved = placement.module(index, on: facts)
            guard moved != module else { continue }
            var target = region(moved, of: &host)
            target.copy(try memory.view(module.start, size: module.size), to: moved.start)
            // The module is a file, or several are in it.
            let bytes = AddressRange(at: module.start &- memory.origin, size: module.size)
            for file in 0..<files.count { files[file].move(from: bytes, to: moved.start &- memory.origin) }
        }
        // Reads the application again, from its file's new place.
        try load(
            Application(files, options, plan: plan.part(0..<1)), placement, state, options.verbosity, files, on: &host)
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
        _ application: borrowing Application, _ placement: MemoryPlan, _ state: EntryState, _ verbosity: Verbosity,
        _ files: borrowing NamedFiles, on host: inout some BootHost
    ) throws(Fault) {
        let built = AddressRange(at: placement.buildAddress, size: placement.image.size)
        // The plan has given it a place of its own.
        var image = unsafe host.region(built, at: application.linkStart)
        let counts = try application.load(bias: placement.bias, isStaged: placement.isStaged, into: &image) {
            resolver, _ in host.call(resolver)
        }
        Report.placed(application, placement, counts, state, verbosity, to: &host.console)
        host.enter(state, placement, application, counts, from: files)
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
