// A boot of any bytes on the host: the loader's own steps, in watched memory.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import ELF
import Foundation
import HermitEntry
import Linking
import TestSupport

/// The machine of a watched boot: as small as QEMU's smallest, so that a large image is refused rather than allocated.
public struct Machine: Sendable {
    /// RAM from address 0 on, without the hole below 1 MiB.
    public var memory: UInt64 = 32 << 20
    /// The loader's own bytes.
    public var loader = AddressRange(0x10_0000, 0x12_8000)
    /// The address of the first module.
    public var module: UInt64 = 0x12_a000
    /// The command line.
    public var commandLine = Array("loader env=A=b -- one two".utf8)
    /// The largest number of bytes that the loader may write in one place: all of `memory`.
    var largestRegion: UInt64 = 32 << 20
    /// Whether the CPU has 1 GiB pages, and can mark pages as not executable.
    var hasGigabytePages = false, hasNoExecute = true
    /// The number that chooses a place for `loader.kaslr`.
    var number: UInt64 = 0

    /// The machine with 32 MiB.
    public init() {}

    /// The address of the command line.
    static var commandLineAddress: UInt64 { 0x9000 }

    /// The places of modules of these sizes, one after the other in pages of their own.
    private func places(_ sizes: [Int]) -> [AddressRange] {
        var next = module
        return sizes.map { size in
            defer { next = (next + UInt64(size) + 0xfff) & ~0xfff }
            return AddressRange(at: next, size: UInt64(size))
        }
    }

    /// The platform facts with `files` as modules; `names` are those of the second and the following.
    func platform(_ files: [[UInt8]], _ names: [[UInt8]]) throws(Fault) -> Platform {
        var platform = Platform(.multiboot, information: 0x9500)
        try platform.memoryMap.add(AddressRange(0, 0x9_fc00), .available)
        try platform.memoryMap.add(AddressRange(0x9_fc00, 0x10_0000), .reserved)
        try platform.memoryMap.add(AddressRange(0x10_0000, memory), .available)
        try platform.reservations.add(AddressRange(at: 0x9500, size: 116), .firmware)
        platform.commandLine = AddressRange(at: Machine.commandLineAddress, size: UInt64(commandLine.count))
        try platform.reservations.add(
            AddressRange(at: Machine.commandLineAddress, size: UInt64(commandLine.count) + 1), .firmware)
        let strings = stringPlaces(files, names)
        for (index, range) in places(files.map(\.count)).enumerated() {
            let string = index > 0 && index <= strings.count ? strings[index - 1] : AddressRange(0, 0)
            try platform.add(Module(range: range, commandLine: string))
        }
        return platform
    }

    /// The places of `names`: after the files.
    private func stringPlaces(_ files: [[UInt8]], _ names: [[UInt8]]) -> [AddressRange] {
        var next = places(files.map(\.count) + [0]).last?.start ?? module
        return names.map { name in
            defer { next += UInt64(name.count) + 1 }
            return AddressRange(at: next, size: UInt64(name.count))
        }
    }

    /// The contents of memory before the boot: `files`, their `names`, and the command line.
    func contents(_ files: [[UInt8]], _ names: [[UInt8]]) -> [MemoryPiece] {
        zip(places(files.map(\.count)) + stringPlaces(files, names), files + names + [[]]).map {
            MemoryPiece(address: $0.start, bytes: $1)
        } + [MemoryPiece(address: Machine.commandLineAddress, bytes: commandLine)]
    }
}

/// Bytes, and their address.
public struct MemoryPiece: Sendable {
    let address: UInt64
    let bytes: [UInt8]

    var range: AddressRange { AddressRange(at: address, size: UInt64(bytes.count)) }
}

/// The end of a watched boot.
public enum Ending: Equatable, Sendable {
    /// The loader refuses the file, with this fault.
    case refused(Fault)
    /// The image was loaded.
    case loaded
}

/// A boot without a machine, and every promise that was broken on the way.
public struct WatchedBoot: Sendable {
    /// How it ended.
    public private(set) var ending = Ending.loaded
    /// The broken promises, in words.
    public private(set) var violations: [String] = []
    /// The report that the user would read.
    public private(set) var report = ""
    /// The image's bytes after it was loaded; empty if the file is refused.
    public private(set) var image: [UInt8] = []
    /// The handoff block's bytes; empty if the file is refused.
    public private(set) var handoff: [UInt8] = []
    /// The kernel's command line, if the kernel gets a Multiboot information; empty if the file is refused.
    public private(set) var commandLine = ""

    /// Rehearses the boot of `file` on `machine`, with `libraries` as further modules, whose names are `names`.
    public init(
        _ file: [UInt8], with libraries: [[UInt8]] = [], called names: [String] = [], on machine: Machine = Machine()
    ) {
        let (files, strings) = ([file] + libraries, names.map { Array($0.utf8) })
        self.init(of: machine.contents(files, strings), on: machine) { () throws(Fault) in
            try machine.platform(files, strings)
        }
    }

    /// Rehearses the boot of an image on a machine just large enough for small kernels, with the user's `commandLine`.
    public init(image file: [UInt8], commandLine: String = "loader") {
        var machine = Machine()
        machine.memory = 6 << 20
        machine.commandLine = Array(commandLine.utf8)
        self.init(file, on: machine)
    }

    /// Rehearses the boot of the modules of `platform`, in memory with these `contents`.
    init(of contents: [MemoryPiece], on machine: Machine, _ platform: @escaping () throws(Fault) -> Platform) {
        let memory = SparseMemory()
        for piece in contents { memory.write(piece.bytes, at: piece.address) }
        var host = WatchfulHost(machine, memory, contents, platform)
        var plans = [LinkPlan()]
        var linkPlan = plans.mutableSpan
        if let fault = BootSequence.run(memory.readable, linkPlan: &linkPlan, on: &host) { ending = .refused(fault) }
        violations = host.violations
        report = host.console.text
        switch ending {
        case .loaded:
            guard let plan = host.plan else { break }
            let built = AddressRange(at: plan.buildAddress, size: plan.image.size)
            (handoff, image) = (memory.bytes(plan.handoff.range), memory.bytes(built))
            let line = AddressRange(at: plan.handoff.multiboot.start, size: host.commandLineSize)
            commandLine = String(decoding: memory.bytes(line), as: UTF8.self)
        case .refused(let fault):
            // The block is as large as the planner requires.
            if [.deviceTreeRoom, .pageTableRoom].contains(fault.rule), host.hasAllRegions {
                violations.append("no room in the handoff block: \(fault)")
            }
        }
    }
}

/// A host that watches writing. Before a range is handed out, it and the bytes around it are spoiled: the loader must not rely on their
/// earlier values, and the bytes around it must stay unchanged.
private struct WatchfulHost: BootHost {
    var console = TextBuffer()
    let handoff: Handoff
    /// Whether there was memory for everything that the loader wrote.
    private(set) var hasAllRegions = true
    /// The plan, once it is made, and the command line's length at that time.
    private(set) var plan: MemoryPlan?
    private(set) var commandLineSize: UInt64 = 0
    private let machine: Machine
    private let memory: SparseMemory
    private let contents: [MemoryPiece]
    private let told: () throws(Fault) -> Platform
    private var memoryMap: [MemoryRegion] = []
    /// The ranges that were handed out, and the spoiled ones around them, which must not be written.
    private var (written, watched): ([AddressRange], [AddressRange]) = ([], [])
    private var broken: [String] = []

    /// The number of bytes that are watched on either side of a range.
    private static let margin: UInt64 = 4096

    init(
        _ machine: Machine, _ memory: SparseMemory, _ contents: [MemoryPiece],
        _ told: @escaping () throws(Fault) -> Platform
    ) {
        (self.machine, self.memory, self.contents, self.told) = (machine, memory, contents, told)
        handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loader.start + 0x8000,
            hasGigabytePages: machine.hasGigabytePages, hasNoExecute: machine.hasNoExecute)
    }

    /// The broken promises, in words.
    var violations: [String] {
        let strays = watched.flatMap { $0.parts(outside: written) }.filter { !memory.isSpoiled($0) }
        let changes = contents.filter { piece in
            piece.range.parts(outside: written).contains { part in
                let kept = piece.bytes[Int(part.start - piece.address)..<Int(part.end - piece.address)]
                return !kept.isSame(as: memory.bytes(part)[...])
            }
        }
        return broken + console.violations
            + strays.map { "bytes were written from \($0.start) to \($0.end), outside all ranges" }
            + changes.map { "the \($0.bytes.count) bytes at \($0.address) are not as they were" }
    }

    mutating func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform {
        let platform = try told()
        let regions = platform.memoryMap.regions
        memoryMap = (0..<regions.count).map { regions[$0] }
        return platform
    }

    @unsafe @_lifetime(immortal)
    mutating func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        if !isRAM(range) { broken.append("\(range.start) to \(range.end) is not RAM, or the loader's") }
        // There is no more memory than the machine's, so the boot is refused.
        guard broken.isEmpty, range.size <= machine.largestRegion else {
            hasAllRegions = false
            return memory.region(AddressRange(0, 0), at: address)
        }
        written.append(range)
        let around = AddressRange(
            range.start - min(range.start, WatchfulHost.margin),
            min(range.end + WatchfulHost.margin, BootSequence.memoryEnd))
        let margins = around.parts(outside: written + contents.map(\.range))
        watched += margins
        for part in margins + [range] { memory.spoil(part) }
        return memory.region(range, at: address)
    }

    /// Whether all of `range` is RAM, and none of it the loader's. The pointer to the EBDA may always be written.
    private func isRAM(_ range: AddressRange) -> Bool {
        let available = memoryMap.filter { $0.kind == .available }.map(\.range)
        return range.isEmpty || range == AddressRange(at: 0x40e, size: 2)
            || range.parts(outside: available).isEmpty && !range.overlaps(machine.loader)
                && !memoryMap.contains { $0.kind != .available && $0.range.overlaps(range) }
    }

    func randomNumber() -> RandomNumber { RandomNumber(machine.number, from: .given) }

    func call(_ resolver: UInt64) -> UInt64? { nil }

    mutating func didPlan(
        _ plan: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts
    ) {
        (self.plan, commandLineSize) = (plan, platform.commandLine.size)
        broken += plan.violations(
            of: application.isFixed || options.base != nil, on: platform, loader: handoff.loader,
            limit: BootSequence.memoryEnd)
        guard hasAllRegions else { return }
        broken += HandoffModel.violations(
            memory.bytes(plan.handoff.range), plan, platform, application.generation)
    }

    func enter(
        _ state: EntryState, _ plan: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles
    ) {}
}

extension AddressRange {
    /// The parts outside `others`.
    fileprivate func parts(outside others: [AddressRange]) -> [AddressRange] {
        others.reduce([self]) { parts, other in
            parts.flatMap { part in
                guard part.overlaps(other) else { return [part] }
                return [AddressRange(part.start, other.start), AddressRange(other.end, part.end)].filter { !$0.isEmpty }
            }
        }
    }
}

/// Bytes for the loader to write, between others that it must not touch.
public struct GuardedBytes {
    /// The number of bytes on either side.
    fileprivate static let margin = 4096
    fileprivate static let canary: UInt8 = 0xc5
    fileprivate static let canaries = [UInt8](repeating: canary, count: margin)[...]
    private var bytes: [UInt8]

    /// `count` bytes that hold no zeros.
    public init(count: Int) {
        bytes = [UInt8](repeating: GuardedBytes.canary, count: count + 2 * GuardedBytes.margin)
    }

    /// The bytes between the canaries.
    public var inside: ArraySlice<UInt8> { bytes[GuardedBytes.margin..<bytes.count - GuardedBytes.margin] }

    /// Whether the canaries are unchanged.
    public var isIntact: Bool {
        bytes.prefix(GuardedBytes.margin).isSame(as: GuardedBytes.canaries)
            && bytes.suffix(GuardedBytes.margin).isSame(as: GuardedBytes.canaries)
    }

    /// Lets `body` write the bytes inside, at addresses from `address` on.
    public mutating func write(
        at address: UInt64, _ body: (inout ByteRegion) throws(Fault) -> Void
    ) throws(Fault) {
        let inside = GuardedBytes.margin..<bytes.count - GuardedBytes.margin
        var span = bytes.mutableSpan
        var whole = span.mutableBytes
        var region = ByteRegion(whole._mutatingExtracting(inside), at: address)
        try body(&region)
    }
}

extension ArraySlice<UInt8> {
    /// Whether both have the same bytes: fast without optimisation, too.
    func isSame(as other: ArraySlice<UInt8>) -> Bool {
        withUnsafeBytes { left in
            other.withUnsafeBytes { right in
                left.count == right.count
                    && (left.isEmpty
                        || memcmp(left.baseAddress.unsafelyUnwrapped, right.baseAddress.unsafelyUnwrapped, left.count)
                            == 0)
            }
        }
    }
}

extension [UInt8] {
    /// Whether at most one byte differs from `other`, which has the same size.
    public func isNearlySame(as other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        guard !self[...].isSame(as: other[...]) else { return true }
        // The first difference lies in low..<high.
        var (low, high) = (0, count)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if self[low..<middle].isSame(as: other[low..<middle]) { low = middle } else { high = middle }
        }
        return self[high...].isSame(as: other[high...])
    }

    /// Whether both have the same bytes.
    public func isSame(as other: [UInt8]) -> Bool { self[...].isSame(as: other[...]) }
}

/// The written text, with a limit that no message of the loader reaches.
public struct TextBuffer: TextSink {
    private var bytes: [UInt8] = []
    private static let limit = 1 << 16

    /// An empty text.
    public init() {}

    /// Takes one byte.
    public mutating func write(_ byte: UInt8) { if bytes.count <= TextBuffer.limit { bytes.append(byte) } }

    /// The text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The broken promises, in words: printable text of bounded length.
    public var violations: [String] {
        var violations: [String] = []
        if bytes.count > TextBuffer.limit { violations.append("the loader does not stop writing") }
        if !bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f || $0 == 10 }) { violations.append("unprintable output") }
        return violations
    }
}
