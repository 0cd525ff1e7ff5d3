// The story of a boot, from what the firmware left to the kernel's first instruction. The loader runs it on the machine,
// loader-inspect, fuzzing and tests on memory of their own.

public import Architecture
public import Bytes
public import Diagnostics
public import Firmware
public import Linking
public import Memory

/// What a boot stands on: what the firmware tells, memory to write, random numbers, a way to call functions of the application, a
/// console, an end.
public protocol BootHost {
    /// Where the loader's lines go.
    associatedtype Console: TextSink
    /// Where the loader's lines go.
    var console: Console { get set }
    /// Where the loader lies, and what the CPU can do.
    var handoff: Handoff { get }

    /// What the firmware tells of the machine with this `memory`. Throws what is wrong with it.
    mutating func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform

    /// The bytes of `range`, for writing, under the addresses from `address` on. The boot's plan keeps apart what is written and
    /// what is read; nothing else does.
    @unsafe @_lifetime(immortal)
    mutating func region(_ range: AddressRange, at address: UInt64) -> ByteRegion

    /// A number for `loader.kaslr`, any as likely as another.
    mutating func randomNumber() -> RandomNumber

    /// What the function at run-time address `resolver` returns, which takes nothing; nil if it cannot be called.
    mutating func call(_ resolver: UInt64) -> UInt64?

    /// The memory has been planned and the handoff written; the image has not.
    mutating func didPlan(
        _ placement: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts)

    /// Enters the kernel with `state`: everything lies where it was planned, but for a staged image, which is moved by the last step.
    /// Returns on hosts without a CPU.
    mutating func enter(
        _ state: EntryState, _ placement: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles)
}

/// The sequence of a boot.
public enum BootSequence {
    /// The end of the memory that a boot uses: 32 bits of addresses.
    public static var memoryEnd: UInt64 { 1 << 32 }

    /// Boots on `host` the first of the modules that lie in `memory`. The only element of `plan` is room for what is found out of
    /// libraries.
    ///
    /// Returns the fault that is in the way, once the console has told it; nil after `enter`.
    public static func run(
        _ memory: PhysicalMemory, plan: inout MutableSpan<LinkPlan>, on host: inout some BootHost
    ) -> Fault? {
        // What a fault's names are offsets in: all memory, until the modules are found.
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

    /// Boots the first of the modules. `files` are the modules, and follow them where they have to be moved.
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
        // The application once more, from where its file is now.
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

    /// Loads and relocates `application`, whose file lies where it stays, and enters the kernel.
    @inline(never)  // Two callers: 3 KB less.
    private static func load(
        _ application: borrowing Application, _ placement: MemoryPlan, _ state: EntryState, _ verbosity: Verbosity,
        _ files: borrowing NamedFiles, on host: inout some BootHost
    ) throws(Fault) {
        let built = AddressRange(at: placement.buildAddress, size: placement.image.size)
        // The plan has put it where nothing else lies.
        var image = unsafe host.region(built, at: application.linkStart)
        let counts = try application.load(bias: placement.bias, isStaged: placement.isStaged, into: &image) {
            resolver, _ in host.call(resolver)
        }
        Report.placed(application, placement, counts, state, verbosity, to: &host.console)
        host.enter(state, placement, application, counts, from: files)
    }

    /// The bytes of `range`, which the plan has put where nothing else lies.
    @_lifetime(immortal)
    private static func region(_ range: AddressRange, of host: inout some BootHost) -> ByteRegion {
        unsafe host.region(range, at: range.start)
    }
}

extension NamedFile {
    /// Goes with the bytes of `source` that were moved to `target`, both offsets, if it is among them.
    fileprivate mutating func move(from source: AddressRange, to target: UInt64) {
        if start == source.start || source.contains(AddressRange(at: start, size: 1)) {
            start = start &- source.start &+ target
        }
        guard stringSize > 0, source.contains(AddressRange(at: string, size: 1)) else { return }
        string = string &- source.start &+ target
    }
}
