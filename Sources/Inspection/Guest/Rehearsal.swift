// A boot on the host: the loader's story, up to the jump, in a guest's memory.

import AnyELF
import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

/// The outcome of a boot that stops before the jump.
struct Rehearsal {
    /// The guest's memory, as the kernel would find it.
    let guest: GuestMemory
    /// The plan.
    let plan: MemoryPlan
    /// The CPU's state at the jump.
    let entry: EntryState
    /// The numbers of relocations.
    let counts: RelocationCounts
    /// Resolver functions that only the guest can call; their places are unchanged.
    let resolvers: [UInt64]
    /// The memory map as the loader sees it.
    let memoryMap: [MemoryRegion]
    /// Its reservations.
    let reservations: [Reservation]
    /// The places of modules that were moved, before the move.
    let movedModules: [AddressRange]
    /// The lines that the loader prints.
    let report: String

    /// The shared objects that were loaded, in the order in which symbols are searched.
    let libraries: [Library]
    /// The modules, as offsets in the guest's memory.
    private let modules: [NamedFile]

    /// The entry contract's generation.
    let generation: Generation
    /// The loader's options.
    let options: LoaderOptions
    /// The bytes of BootInfo.
    var bootInfoSize: UInt64 { BootInfo.size(generation, alignsWideIntegers: alignsWideIntegers) }
    /// Whether 128-bit integers in it are aligned to 16 bytes.
    let alignsWideIntegers: Bool

    /// The command line that the kernel gets.
    let commandLine: String

    /// Receives the application that was booted, with the libraries that it needs, so that it need not be read again.
    typealias Look = (borrowing Application, Rehearsal) -> Void

    /// Boots `file`, or the image whose kernel it is, on `machine` up to the jump. `gigabytePages` says whether the CPU has pages of 1 GiB.
    /// `look` is called at the end of a successful boot.
    init(
        _ file: ByteView, on machine: HostMachine, gigabytePages: Bool = false, _ look: @escaping Look = { _, _ in }
    ) throws(Refusal) {
        if let image = machine.image {
            try self.init(ByteView(image.packed.bytes), machine, gigabytePages, look)
        } else {
            try self.init(file, machine, gigabytePages, look)
        }
    }

    private init(
        _ file: ByteView, _ machine: HostMachine, _ gigabytePages: Bool, _ look: @escaping Look
    ) throws(Refusal) {
        try machine.requireSmallFiles(file)
        guard let guest = GuestMemory(size: machine.lowMemoryEnd) else {
            throw Refusal(Fault(.memoryTooSmall, value: machine.lowMemoryEnd), file)
        }
        let start: LoaderStart
        do throws(Fault) { start = try machine.start(file, in: guest) } catch { throw Refusal(error, file) }
        var host = GuestHost(guest, machine, start, gigabytePages: gigabytePages, look)
        var plans = Rehearsal.noPlan
        var linkPlan = plans.mutableSpan
        let fault = BootSequence.run(guest.readable, linkPlan: &linkPlan, on: &host)
        if let fault { throw Refusal(fault, report: host.console.text) }
        guard let rehearsal = host.rehearsal else {
            preconditionFailure("a boot ends by entering the kernel or by a fault")
        }
        self = rehearsal
    }

    fileprivate init(
        _ host: borrowing GuestHost, _ planned: GuestHost.Planned, _ state: EntryState, _ plan: MemoryPlan,
        _ counts: RelocationCounts, _ libraries: [Library], _ modules: [NamedFile]
    ) {
        guest = host.guest
        (generation, options, commandLine) = (planned.generation, planned.options, planned.commandLine)
        alignsWideIntegers = planned.alignsWideIntegers
        (memoryMap, reservations) = (planned.memoryMap, planned.reservations)
        movedModules = planned.movedModules
        (entry, self.plan, self.counts) = (state, plan, counts)
        (self.libraries, self.modules) = (libraries, modules)
        resolvers = host.resolvers
        report = host.console.text
    }
}

/// The guest's memory as a host for the sequence of a boot: nothing is executed, and the loader's decisions are kept.
private struct GuestHost: BootHost {
    /// The facts from which the boot was planned.
    struct Planned {
        let generation: Generation
        let options: LoaderOptions
        let alignsWideIntegers: Bool
        let memoryMap: [MemoryRegion]
        let reservations: [Reservation]
        let movedModules: [AddressRange]
        let commandLine: String
    }

    var console = StringSink()
    let handoff: Handoff
    let guest: GuestMemory
    private let start: LoaderStart
    private let seed: UInt64
    private let look: Rehearsal.Look
    private var planned: Planned?
    /// The outcome of the boot; nil before its end.
    private(set) var rehearsal: Rehearsal?
    /// The functions that would have been called.
    private(set) var resolvers: [UInt64] = []

    init(
        _ guest: GuestMemory, _ machine: HostMachine, _ start: LoaderStart, gigabytePages: Bool,
        _ look: @escaping Rehearsal.Look
    ) {
        self.guest = guest
        self.look = look
        self.start = start
        seed = machine.seed
        handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loaderCodeEnd, hasGigabytePages: gigabytePages,
            hasNoExecute: machine.hasNoExecute)
    }

    func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform {
        try Platform.read(start.magic, information: start.information, in: memory)
    }

    @unsafe @_lifetime(immortal)
    func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        // The rehearsal has the guest's memory as long as it runs.
        unsafe guest.unscopedRegion(range, at: address)
    }

    func randomNumber() -> RandomNumber { RandomNumber(seed, from: .given) }

    mutating func call(_ resolver: UInt64) -> UInt64? {
        resolvers.append(resolver)
        return nil
    }

    mutating func didPlan(
        _ plan: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts
    ) {
        planned = Planned(
            generation: application.generation, options: options,
            alignsWideIntegers: application.alignsWideIntegers,
            memoryMap: (0..<platform.memoryMap.count).map { platform.memoryMap[$0] },
            reservations: (0..<platform.reservations.count).map { platform.reservations[$0] },
            movedModules: (0..<platform.moduleCount).filter {
                plan.module($0, on: platform) != platform.module($0).range
            }.map { platform.module($0).range },
            commandLine: ByteView(guest.span(platform.commandLine)).text(at: 0, size: platform.commandLine.size))
    }

    mutating func enter(
        _ state: EntryState, _ plan: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles
    ) {
        guard let planned else { preconditionFailure("a kernel is entered after the memory has been planned") }
        if plan.isStaged {
            let built = AddressRange(at: plan.buildAddress, size: plan.image.size)
            guest.write(ByteView(guest.span(built)), at: plan.image.start)
        }
        var libraries: [Rehearsal.Library] = []
        for index in 1..<max(application.link.count, 1) {
            let library = application.link[index]
            let start = library.linkStart &+ library.displacement &+ plan.bias
            libraries.append(
                Rehearsal.Library(
                    name: files.bytes.text(at: library.name, size: library.nameSize), file: library.file,
                    memory: AddressRange(at: start, size: library.memorySize)))
        }
        let rehearsal = Rehearsal(
            self, planned, state, plan, counts, libraries, (0..<files.count).map { files[$0] })
        look(application, rehearsal)
        self.rehearsal = rehearsal
    }
}

extension Rehearsal {
    /// A shared object that was loaded.
    struct Library {
        /// DT_SONAME, or the file's name.
        let name: String
        /// Which of the modules it is.
        let file: Int
        /// Its range in memory.
        let memory: AddressRange
    }

    /// The file of `library`, and its bytes: a module of `machine`, or a part of the image in memory.
    func file(of library: Library, on machine: HostMachine) -> (path: String?, input: InputFile)? {
        if library.file > 0, library.file <= machine.modules.count {
            let module = machine.modules[library.file - 1]
            return (module.path, module.input)
        }
        guard library.file > 0, library.file < modules.count else { return nil }
        let file = modules[library.file]
        guard let end = file.start.adding(file.size), end <= guest.size else { return nil }
        return (nil, InputFile(copying: guest.span(AddressRange(file.start, end))))
    }

    /// Receives the link plan.
    static let noPlan = [LinkPlan()]
}
