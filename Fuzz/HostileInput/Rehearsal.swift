// A boot of any bytes on the host: the loader's own steps, on buffers between canaries.

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

/// The machine of a rehearsal: as small as QEMU's smallest, so that a large image is refused rather than allocated.
public struct Machine: Sendable {
    /// RAM, from address 0 on, and the hole below 1 MiB left out.
    public var memory: UInt64 = 32 << 20
    /// The loader's own bytes.
    public var loader = AddressRange(0x10_0000, 0x12_8000)
    /// Where the module begins.
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

    /// Where modules of these sizes lie, one after the other in pages of their own.
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

    /// Where `names` lie: after the files.
    private func stringPlaces(_ files: [[UInt8]], _ names: [[UInt8]]) -> [AddressRange] {
        var next = places(files.map(\.count) + [0]).last?.start ?? module
        return names.map { name in
            defer { next += UInt64(name.count) + 1 }
            return AddressRange(at: next, size: UInt64(name.count))
        }
    }

    /// The memory, from the command line's address to the last byte of what the platform tells.
    func memory(with files: [[UInt8]], _ names: [[UInt8]]) -> [UInt8] {
        let pieces = zip(
            places(files.map(\.count)) + stringPlaces(files, names), files + names)
        let end = pieces.map(\.0.end).max() ?? module
        var bytes = [UInt8](repeating: 0, count: Int(end + 1 - Machine.commandLineAddress))
        for (range, piece) in [(AddressRange(at: Machine.commandLineAddress, size: 0), commandLine)] + pieces {
            let start = Int(range.start - Machine.commandLineAddress)
            bytes.replaceSubrange(start..<start + piece.count, with: piece)
        }
        return bytes
    }
}

/// How a rehearsal ended.
public enum Ending: Equatable, Sendable {
    /// The loader refuses the file, with this fault.
    case refused(Fault)
    /// The image was loaded.
    case loaded
}

/// A boot without a machine, and every promise that was broken on the way.
public struct Rehearsal: Sendable {
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

    /// Rehearses the boot of `file` on `machine`, with `libraries` as further modules, which are called `names`.
    public init(
        _ file: [UInt8], with libraries: [[UInt8]] = [], called names: [String] = [], on machine: Machine = Machine()
    ) {
        let (files, strings) = ([file] + libraries, names.map { Array($0.utf8) })
        self.init(in: machine.memory(with: files, strings), from: Machine.commandLineAddress, on: machine) {
            _ throws(Fault) in try machine.platform(files, strings)
        }
    }

    /// Rehearses the boot with the `platform` read from `bytes`, the first of which lies at `origin`.
    init(
        in bytes: [UInt8], from origin: UInt64, on machine: Machine,
        _ platform: @escaping (PhysicalMemory) throws(Fault) -> Platform
    ) {
        self.init(in: PhysicalMemory(ByteView(bytes.span.bytes), origin: origin), on: machine, platform)
    }

    /// Rehearses the boot of what `platform` reads from `memory`.
    init(
        in memory: PhysicalMemory, on machine: Machine, _ platform: @escaping (PhysicalMemory) throws(Fault) -> Platform
    ) {
        var host = GuardedHost(machine, platform)
        var plans = [LinkPlan()]
        var plan = plans.mutableSpan
        if let fault = BootSequence.run(memory, plan: &plan, on: &host) { ending = .refused(fault) }
        violations = host.violations
        report = host.console.text
        switch ending {
        case .loaded:
            handoff = Array(host.written[0].inside)
            image = Array(host.written[host.written.count - 1].inside)
        case .refused(let fault):
            // The block is as large as the planner said it must be.
            if [.deviceTreeRoom, .pageTableRoom].contains(fault.rule), host.hasAllRegions {
                violations.append("no room in the handoff block: \(fault)")
            }
        }
    }
}

/// A host whose memory lies between canaries, range by range: the first is the handoff block, the last the image.
private struct GuardedHost: BootHost {
    var console = TextBuffer()
    let handoff: Handoff
    private(set) var written: [GuardedMemory] = []
    /// Whether there was memory for all that was to be written.
    private(set) var hasAllRegions = true
    private let machine: Machine
    private let readPlatform: (PhysicalMemory) throws(Fault) -> Platform
    private var broken: [String] = []

    /// What must not have happened, in words.
    var violations: [String] {
        broken + console.violations
            + written.filter { !$0.isIntact }.map { "\($0.count) bytes were written outside their range" }
    }

    init(_ machine: Machine, _ readPlatform: @escaping (PhysicalMemory) throws(Fault) -> Platform) {
        self.machine = machine
        self.readPlatform = readPlatform
        handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loader.start + 0x8000,
            hasGigabytePages: machine.hasGigabytePages, hasNoExecute: machine.hasNoExecute)
    }

    func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform { try readPlatform(memory) }

    @unsafe @_lifetime(immortal)
    mutating func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        // A wrong plan has been told; more memory than the machine has is not to be had, and the boot is refused.
        let isPlausible = broken.isEmpty && range.size <= machine.largestRegion
        if !isPlausible { hasAllRegions = false }
        let memory = GuardedMemory(count: isPlausible ? Int(range.size) : 0)
        written.append(memory)
        return memory.region(at: address)
    }

    func randomNumber() -> RandomNumber { RandomNumber(machine.number, from: .given) }

    func call(_ resolver: UInt64) -> UInt64? { nil }

    mutating func didPlan(
        _ placement: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts
    ) {
        broken += placement.violations(
            of: application.isFixed || options.base != nil, on: platform, loader: handoff.loader,
            limit: BootSequence.memoryEnd)
        broken += HandoffModel.violations(Array(written[0].inside), placement, platform, application.generation)
    }

    func enter(
        _ state: EntryState, _ placement: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles
    ) {}
}

/// Memory to be written by the loader, between bytes that it must not touch.
private final class GuardedMemory {
    private let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count + 2 * GuardedBytes.margin, alignment: 16)
        memset(bytes.baseAddress.unsafelyUnwrapped, Int32(GuardedBytes.canary), bytes.count)
    }

    deinit { bytes.deallocate() }

    /// The number of bytes between the canaries.
    var count: Int { bytes.count - 2 * GuardedBytes.margin }
    /// The bytes between them.
    var inside: Slice<UnsafeMutableRawBufferPointer> { bytes[GuardedBytes.margin..<GuardedBytes.margin + count] }
    /// Whether nobody has written to the canaries.
    var isIntact: Bool {
        isCanaries(at: 0) && isCanaries(at: GuardedBytes.margin + count)
    }

    private func isCanaries(at offset: Int) -> Bool {
        GuardedBytes.canaries.withUnsafeBytes { canaries in
            memcmp(canaries.baseAddress!, bytes.baseAddress! + offset, canaries.count) == 0
        }
    }

    /// The bytes between the canaries, the first of which has `address`; this object must outlive them.
    @_lifetime(immortal)
    func region(at address: UInt64) -> ByteRegion {
        let span = MutableRawSpan(
            _unsafeStart: bytes.baseAddress.unsafelyUnwrapped + GuardedBytes.margin, byteCount: count)
        return ByteRegion(_overrideLifetime(span, borrowing: ()), at: address)
    }
}

/// Bytes to be written by the loader, between others that it must not touch.
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

    /// Whether nobody has written to the canaries.
    public var isIntact: Bool {
        bytes.prefix(GuardedBytes.margin).isSame(as: GuardedBytes.canaries)
            && bytes.suffix(GuardedBytes.margin).isSame(as: GuardedBytes.canaries)
    }

    /// Lets `body` write to the bytes inside, the first of which has `address`.
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
    /// Whether at most one byte differs from `other`'s, which are as many.
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

/// What was written as text, with a limit that no message of the loader reaches.
public struct TextBuffer: TextSink {
    private var bytes: [UInt8] = []
    private static let limit = 1 << 16

    /// An empty text.
    public init() {}

    /// Takes one byte.
    public mutating func write(_ byte: UInt8) { if bytes.count <= TextBuffer.limit { bytes.append(byte) } }

    /// The text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether it is not what a terminal can be trusted with.
    public var violations: [String] {
        var violations: [String] = []
        if bytes.count > TextBuffer.limit { violations.append("the loader does not stop writing") }
        if !bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f || $0 == 10 }) { violations.append("unprintable output") }
        return violations
    }
}
