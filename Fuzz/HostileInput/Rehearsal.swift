// A boot of any bytes on the host: the loader's own steps, on buffers between canaries.

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

    /// The machine with 32 MiB.
    public init() {}

    /// The address of the command line.
    static var commandLineAddress: UInt64 { 0x9000 }

    /// The platform facts with a module of `moduleSize` bytes, and further ones behind it.
    public func platform(moduleSize: UInt64, _ furtherSizes: [UInt64] = []) throws(Fault) -> Platform {
        var platform = Platform(.multiboot, information: 0x9500)
        try platform.memoryMap.add(AddressRange(0, 0x9_fc00), .available)
        try platform.memoryMap.add(AddressRange(0x9_fc00, 0x10_0000), .reserved)
        try platform.memoryMap.add(AddressRange(0x10_0000, memory), .available)
        try platform.reservations.add(AddressRange(at: 0x9500, size: 116), .firmware)
        platform.commandLine = AddressRange(at: Machine.commandLineAddress, size: UInt64(commandLine.count))
        try platform.reservations.add(
            AddressRange(at: Machine.commandLineAddress, size: UInt64(commandLine.count) + 1), .firmware)
        var next = module
        for size in [moduleSize] + furtherSizes {
            try platform.add(Module(range: AddressRange(at: next, size: size), commandLine: AddressRange(0, 0)))
            next = (next + size + 0xfff) & ~0xfff
        }
        return platform
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
    /// What must not happen, in words; empty where all is well.
    public private(set) var violations: [String] = []
    /// What the user would read.
    public private(set) var report = ""
    /// The image's bytes once it was loaded; empty where the file is refused.
    public private(set) var image: [UInt8] = []
    /// The handoff block's bytes; empty where the file is refused.
    public private(set) var handoff: [UInt8] = []

    /// Rehearses the boot of `file` on `machine`, with `libraries` as further modules, which are called `names`.
    public init(
        _ file: [UInt8], with libraries: [[UInt8]] = [], called names: [String] = [], on machine: Machine = Machine()
    ) {
        var sink = TextBuffer()
        let strings = names.map { Array($0.utf8) + [0] }
        let bytes = (libraries + strings).reduce(file, +)
        var files = NamedFiles(ByteView(bytes.span.bytes))
        var start: UInt64 = 0
        var string = UInt64(libraries.reduce(file.count) { $0 + $1.count })
        for (number, module) in ([file] + libraries).enumerated() {
            var named = NamedFile(start: start, size: UInt64(module.count))
            if number > 0, number <= strings.count {
                named.string = string
                named.stringSize = UInt64(strings[number - 1].count - 1)
                string += named.stringSize + 1
            }
            files.append(named)
            start += named.size
        }
        do throws(Fault) {
            try boot(files, libraries.map { UInt64($0.count) }, machine, &sink)
        } catch {
            ending = .refused(error)
            var plans = [LinkPlan()]
            Report.error(error, files, plan: plans.mutableSpan, to: &sink)
        }
        violations += sink.violations
        report = sink.text
    }

    private mutating func boot(
        _ files: borrowing NamedFiles, _ furtherSizes: [UInt64], _ machine: Machine, _ sink: inout TextBuffer
    ) throws(Fault) {
        var plans = [LinkPlan()]
        let application = try Application(files, plan: plans.mutableSpan)
        let found = try machine.platform(moduleSize: files[0].size, furtherSizes)
        let platform = found.facts
        Report.found(application, platform, .verbose, to: &sink)
        let limit: UInt64 = 1 << 32
        let placement = try MemoryPlan(application, on: platform, loader: machine.loader, limit: limit)
        violations += placement.violations(
            of: application.isFixed, on: platform, loader: machine.loader, limit: limit)
        guard violations.isEmpty else { return }

        let range = placement.handoff.range
        var block = GuardedBytes(count: Int(range.size))
        let handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loader.start + 0x8000, hasGigabytePages: false, hasNoExecute: true)
        let commandLine = machine.commandLine + [0]
        let memory = PhysicalMemory(ByteView(commandLine.span.bytes), origin: Machine.commandLineAddress)
        var state: EntryState?
        try block.write(at: range.start) { region throws(Fault) in
            state = try handoff.write(application, on: platform, placement, memory: memory, to: &region)
        }
        if !block.isIntact { violations.append("the handoff wrote outside its block") }

        var image = GuardedBytes(count: Int(placement.image.size))
        do throws(Fault) {
            try image.write(at: application.linkStart) { region throws(Fault) in
                let counts = try application.load(placement, into: &region) { _, _ in nil }
                if let state { Report.placed(application, placement, counts, state, .verbose, to: &sink) }
            }
        } catch {
            if !image.isIntact { violations.append("a refused image was written outside its range") }
            throw error
        }
        if !image.isIntact { violations.append("the image was written outside its range") }
        self.image = Array(image.inside)
        self.handoff = Array(block.inside)
    }
}

/// Bytes to be written by the loader, between others that it must not touch.
public struct GuardedBytes {
    /// The number of bytes on either side.
    private static let margin = 4096
    private static let canary: UInt8 = 0xc5
    private static let canaries = [UInt8](repeating: canary, count: margin)[...]
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
