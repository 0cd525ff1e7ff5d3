// A boot on the host: the loader's story, up to the jump, in a guest's memory.

import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

/// What came of a boot that stops before the jump.
struct Rehearsal {
    /// The guest's memory, as the kernel would find it.
    let guest: GuestMemory
    /// The plan.
    let placement: MemoryPlan
    /// The CPU's state at the jump.
    let entry: EntryState
    /// What was relocated.
    let counts: RelocationCounts
    /// Resolver functions that only the guest can call; their places hold what they held before.
    let resolvers: [UInt64]
    /// The memory map as the loader sees it.
    let memoryMap: [MemoryRegion]
    /// What is reserved in it.
    let reservations: [Reservation]
    /// The lines that the loader prints.
    let report: String

    /// The shared objects that were loaded, in the order in which symbols are searched.
    let libraries: [Library]
    /// Where the modules are, as offsets from 0x400.
    private let modules: [NamedFile]

    /// The entry contract's generation.
    let generation: Generation
    /// What the loader was asked for.
    let options: LoaderOptions
    /// The bytes of BootInfo.
    var bootInfoSize: UInt64 { BootInfo.size(generation, alignsWideIntegers: options.alignsWideIntegers) }

    /// Boots `file` on `machine` up to the jump. `gigabytePages` says whether the CPU has them.
    init(_ file: ByteView, on machine: HostMachine, gigabytePages: Bool = false) throws(Refusal) {
        guard let guest = GuestMemory(size: machine.lowMemoryEnd) else {
            throw Refusal(Fault(.memoryTooSmall, value: machine.lowMemoryEnd), file)
        }
        let readable = ByteView(guest.span(AddressRange(0x400, guest.size)))
        // What a fault's names are offsets in: all memory, until the modules are found, as in the guest.
        var files = NamedFiles(readable)
        do throws(Fault) {
            var platform = try machine.start(file, in: guest)
            let memory = PhysicalMemory(readable, origin: 0x400)
            files.add(platform.facts, memory)
            var options = LoaderOptions()
            // The names of options lie outside all files.
            do throws(Fault) { try options.read(&platform, memory) } catch { throw error.of(file: NamedFiles.capacity) }
            guard platform.facts.moduleCount > 0 else { throw Fault(.noModule) }
            try self.init(&files, options, on: platform.facts, memory, machine, guest, gigabytePages)
        } catch {
            throw Refusal(error, files)
        }
    }

    @_lifetime(files: copy files)
    private init(
        _ files: inout NamedFiles, _ options: LoaderOptions, on platform: borrowing PlatformFacts,
        _ memory: PhysicalMemory,
        _ machine: HostMachine, _ guest: GuestMemory, _ gigabytePages: Bool
    ) throws(Fault) {
        self.guest = guest
        self.options = options
        var plans = Rehearsal.noPlan
        var movedPlans = plans
        let found = try Application(files, options, plan: plans.mutableSpan)
        generation = found.generation
        var sink = StringSink()
        Report.found(found, platform, options.verbosity, to: &sink)
        let choice = BaseChoice(options) { RandomNumber(machine.seed, from: .given) }
        placement = try MemoryPlan(found, on: platform, loader: machine.loader, limit: 1 << 32, choice)
        Report.chosen(choice, placement, options, to: &sink)

        let handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loaderCodeEnd, hasGigabytePages: gigabytePages,
            hasNoExecute: machine.hasNoExecute)
        var block = guest.region(placement.handoff.range)
        entry = try handoff.write(found, on: platform, placement, memory: memory, to: &block)
        if !placement.movingTables.isEmpty {
            try handoff.writeMovingTables(guest.region(placement.movingTables), limit: 1 << 32)
        }
        if placement.movesModules {
            for index in 0..<platform.moduleCount {
                let moved = placement.module(index, on: platform)
                guard moved != platform.module(index).range else { continue }
                guest.write(ByteView(guest.span(platform.module(index).range)), at: moved.start)
                files[index].start = moved.start - memory.origin
            }
        }
        let application = try Application(files, options, plan: movedPlans.mutableSpan)
        var image = guest.region(
            AddressRange(at: placement.buildAddress, size: placement.image.size), at: application.linkStart)
        var resolvers: [UInt64] = []
        counts = try application.load(placement, into: &image) { resolver, _ in
            resolvers.append(resolver)
            return nil
        }
        Report.placed(application, placement, counts, entry, options.verbosity, to: &sink)
        if placement.isStaged {
            guest.write(
                ByteView(guest.span(AddressRange(at: placement.buildAddress, size: placement.image.size))),
                at: placement.image.start)
        }
        self.resolvers = resolvers
        var libraries: [Library] = []
        for index in 1..<max(application.link.count, 1) {
            let object = application.link[index]
            let start = object.linkStart &+ object.displacement &+ placement.bias
            libraries.append(
                Library(
                    name: files.bytes.text(at: object.name, size: object.nameSize), file: object.file,
                    memory: AddressRange(at: start, size: object.memorySize)))
        }
        self.libraries = libraries
        var modules: [NamedFile] = []
        for index in 0..<files.count { modules.append(files[index]) }
        self.modules = modules
        report = sink.text
        memoryMap = (0..<platform.memoryMap.count).map { platform.memoryMap[$0] }
        reservations = (0..<platform.reservations.count).map { platform.reservations[$0] }
    }
}

extension Rehearsal {
    /// A shared object that was loaded.
    struct Library {
        /// DT_SONAME, or the file's name.
        let name: String
        /// Which of the modules it is.
        let file: Int
        /// Where it lies.
        let memory: AddressRange
    }

    /// Room for what is known of libraries.
    static let noPlan = [LinkPlan()]

    /// The application once more, with its libraries; what is known of these is kept in the only one of `plans`.
    @_lifetime(copy plans)
    func application(_ plans: consuming MutableSpan<LinkPlan>) throws(Fault) -> Application {
        var files = NamedFiles(ByteView(guest.span(AddressRange(0x400, guest.size))))
        for module in modules { files.append(module) }
        return try Application(files, options, plan: plans)
    }
}
