// A boot on the host: the loader's story, up to the jump, in a guest's memory.

import AddressSpace
import Boot
import BootProtocols
import Bytes
import Diagnostics
import ELF
import HermitEntry
import KernelImage

/// What came of a boot that stops before the jump.
struct Rehearsal {
    /// The guest's memory, as the kernel would find it.
    let guest: GuestMemory
    /// The plan.
    let placement: Placement
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
        // What a fault's name is an offset in: all memory, until the application is found, as in the guest.
        var named = readable
        do throws(Fault) {
            var platform = try machine.start(file, in: guest)
            let memory = PhysicalMemory(readable, origin: 0x400)
            let options = try LoaderOptions(&platform, memory)
            named = file
            try self.init(file, options, on: platform, memory, machine, guest, gigabytePages)
        } catch {
            throw Refusal(error, named)
        }
    }

    private init(
        _ file: ByteView, _ options: LoaderOptions, on platform: borrowing Platform, _ memory: PhysicalMemory,
        _ machine: HostMachine, _ guest: GuestMemory, _ gigabytePages: Bool
    ) throws(Fault) {
        self.guest = guest
        self.options = options
        var application = try Application(file, options)
        generation = application.generation
        var sink = StringSink()
        Report.found(application, platform, options.verbosity, to: &sink)
        let choice = BaseChoice(options) { RandomNumber(machine.seed, from: .given) }
        placement = try Placement(application, on: platform, loader: machine.loader, limit: 1 << 32, choice)
        Report.chosen(choice, placement, options, to: &sink)

        let handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loaderCodeEnd, hasGigabytePages: gigabytePages,
            hasNoExecute: machine.hasNoExecute)
        var block = guest.region(placement.handoff.range)
        entry = try handoff.write(application, on: platform, placement, memory: memory, to: &block)
        if !placement.movingTables.isEmpty {
            try handoff.writeMovingTables(guest.region(placement.movingTables), limit: 1 << 32)
        }
        if let moved = placement.movedModule {
            var options = options
            options.digest = nil  // It has been compared.
            guest.write(file, at: moved.start)
            application = try Application(ByteView(guest.span(moved)), options)
        }
        var image = guest.region(
            AddressRange(at: placement.buildAddress, size: placement.image.size), at: application.linkStart)
        var resolvers: [UInt64] = []
        counts = try application.load(placement, into: &image) { resolver, _ in
            resolvers.append(resolver)
            return nil
        }
        Report.placed(application, placement, counts, entry, options.verbosity, to: &sink)
        if placement.staging != nil {
            guest.write(
                ByteView(guest.span(AddressRange(at: placement.buildAddress, size: placement.image.size))),
                at: placement.image.start)
        }
        self.resolvers = resolvers
        report = sink.text
        memoryMap = (0..<platform.memoryMap.count).map { platform.memoryMap[$0] }
        reservations = (0..<platform.reservations.count).map { platform.reservations[$0] }
    }
}

/// A fault in words, since the bytes that it names may be gone when it is told.
struct Refusal: Error {
    let fault: Fault
    /// The sentence and the advice, as the loader's serial line shows them behind `error: `.
    let sentence: String
    /// The exit status of this program.
    var status: Int32 { fault.rule.kind == .malformed ? 2 : 1 }

    /// The words for `fault`; names are taken from `bytes`.
    init(_ fault: Fault, _ bytes: ByteView) {
        self.fault = fault
        let line = StringSink.text { Report.error(fault, bytes.span, to: &$0) }
        sentence = String(line.dropFirst("[LOADER] error: ".count).dropLast())
    }
}

/// Text that grows on the heap, for the host.
struct StringSink: TextSink {
    private var bytes: [UInt8] = []

    init() {}
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// What `body` writes.
    static func text(_ body: (inout StringSink) -> Void) -> String {
        var sink = StringSink()
        body(&sink)
        return sink.text
    }
}

extension StaticString {
    /// As an ordinary string.
    var string: String { StringSink.text { $0.write(self) } }
}
