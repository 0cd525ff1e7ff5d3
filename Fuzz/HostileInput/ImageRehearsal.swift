// A boot of any bytes as a Hermit image: unlike `Rehearsal` it needs memory that is written and then read, so all of it is compared
// afterwards.

import Architecture
import Boot
import Bytes
import Diagnostics
import Firmware
import Foundation
import HermitEntry
import Linking
import Memory

/// A boot of an image without a machine, and every promise that was broken on the way.
public struct ImageRehearsal: Sendable {
    /// How it ended.
    public private(set) var ending = Ending.loaded
    /// The broken promises, in words.
    public private(set) var violations: [String] = []
    /// The report that the user would read.
    public private(set) var report = ""
    /// The image's bytes after it was loaded; empty if the file is refused.
    public private(set) var image: [UInt8] = []
    /// The kernel's command line; empty if the file is refused.
    public private(set) var commandLine = ""

    /// A machine that is just large enough for small kernels.
    public static let machine: Machine = {
        var machine = Machine()
        machine.memory = 6 << 20
        return machine
    }()

    /// Rehearses the boot of `file` on `machine`, with the user's `commandLine`.
    public init(_ file: [UInt8], commandLine: String = "loader", on machine: Machine = ImageRehearsal.machine) {
        var machine = machine
        machine.commandLine = Array(commandLine.utf8)
        var bytes = machine.memory(with: [file], [])
        bytes += [UInt8](repeating: 0, count: max(0, Int(machine.memory - Machine.commandLineAddress) - bytes.count))
        let memory = FlatMemory(bytes)
        var host = FlatHost(machine, memory, file)
        var plans = [LinkPlan()]
        var plan = plans.mutableSpan
        if let fault = BootSequence.run(memory.readable, plan: &plan, on: &host) { ending = .refused(fault) }
        report = host.console.text
        violations = host.console.violations + host.broken
        // Only ranges that were requested have been written.
        var reached = Machine.commandLineAddress
        for range in host.written.sorted(by: { $0.start < $1.start }) + [AddressRange(machine.memory, machine.memory)] {
            let end = max(range.start, reached)
            if !memory.isSame(as: bytes, AddressRange(reached, end)) {
                violations.append("memory was written to that was not asked for, from \(reached) to \(end)")
            }
            reached = max(reached, range.end)
        }
        guard ending == .loaded, let entered = host.entered else { return }
        image = memory.bytes(entered.image)
        self.commandLine = String(decoding: memory.bytes(entered.commandLine), as: UTF8.self)
    }
}

/// A host whose memory is in one piece.
private struct FlatHost: BootHost {
    var console = TextBuffer()
    let handoff: Handoff
    private let memory: FlatMemory
    /// The ranges that were requested for writing.
    private(set) var written: [AddressRange] = []
    /// The broken promises.
    private(set) var broken: [String] = []
    /// The state with which the kernel was entered.
    private(set) var entered: (image: AddressRange, commandLine: AddressRange)?
    private var commandLineSize: UInt64 = 0
    private let machine: Machine
    private let file: [UInt8]

    init(_ machine: Machine, _ memory: FlatMemory, _ file: [UInt8]) {
        self.machine = machine
        self.memory = memory
        self.file = file
        handoff = Handoff(
            loader: machine.loader, codeEnd: machine.loader.start + 0x8000, hasGigabytePages: false, hasNoExecute: true)
    }

    func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform { try machine.platform([file], []) }

    @unsafe @_lifetime(immortal)
    mutating func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        guard memory.range.contains(range) || range.isEmpty else {
            broken.append("\(range.start) to \(range.end) is not in memory")
            return memory.region(AddressRange(memory.range.start, memory.range.start), at: address)
        }
        if !range.isEmpty, range.overlaps(handoff.loader) { broken.append("the loader is written to") }
        written.append(range)
        return memory.region(range, at: address)
    }

    func randomNumber() -> RandomNumber { RandomNumber(0, from: .given) }

    func call(_ resolver: UInt64) -> UInt64? { nil }

    mutating func didPlan(
        _ placement: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
        on platform: borrowing PlatformFacts
    ) {
        commandLineSize = platform.commandLine.size
        broken += placement.violations(
            of: application.isFixed, on: platform, loader: handoff.loader, limit: BootSequence.memoryEnd)
    }

    mutating func enter(
        _ state: EntryState, _ placement: MemoryPlan, _ application: borrowing Application, _ counts: RelocationCounts,
        from files: borrowing NamedFiles
    ) {
        entered = (
            AddressRange(at: placement.buildAddress, size: placement.image.size),
            AddressRange(at: placement.handoff.multiboot.start, size: commandLineSize)
        )
    }
}

/// Memory from the command line's address on, which is written and read.
private final class FlatMemory {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Its addresses.
    let range: AddressRange

    init(_ bytes: [UInt8]) {
        buffer = .allocate(byteCount: bytes.count, alignment: 16)
        buffer.copyBytes(from: bytes)
        range = AddressRange(at: Machine.commandLineAddress, size: UInt64(bytes.count))
    }

    deinit { buffer.deallocate() }

    /// All of it; this object must outlive it, as of `region`.
    var readable: PhysicalMemory {
        @_lifetime(immortal) get {
            let span = RawSpan(
                _unsafeStart: UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped), byteCount: buffer.count)
            return PhysicalMemory(ByteView(_overrideLifetime(span, borrowing: ())), origin: range.start)
        }
    }

    @_lifetime(immortal)
    func region(_ part: AddressRange, at address: UInt64) -> ByteRegion {
        let start = buffer.baseAddress.unsafelyUnwrapped + Int(part.isEmpty ? 0 : part.start - range.start)
        let span = MutableRawSpan(_unsafeStart: start, byteCount: Int(part.size))
        return ByteRegion(_overrideLifetime(span, borrowing: ()), at: address)
    }

    func bytes(_ part: AddressRange) -> [UInt8] {
        guard range.contains(part) else { return [] }
        return Array(buffer[Int(part.start - range.start)..<Int(part.end - range.start)])
    }

    /// Whether the bytes of `part` are those of `bytes`, with which all began.
    func isSame(as bytes: [UInt8], _ part: AddressRange) -> Bool {
        guard !part.isEmpty else { return true }
        let start = Int(part.start - range.start)
        return bytes.withUnsafeBytes {
            memcmp($0.baseAddress! + start, buffer.baseAddress! + start, Int(part.size)) == 0
        }
    }
}

// MARK: Fuzz targets

import HermitImage
import TestSupport

extension FuzzTarget {
    /// The bytes are deflated data, or a whole member.
    static func gzip(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let size = Int(source.number(upTo: 65535))
        let rest = source.rest
        let file = rest.starts(with: [0x1f, 0x8b]) ? rest : [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255] + rest
        var room = GuardedBytes(count: size)
        var violations: [String] = []
        do throws(Fault) {
            try room.write(at: 0) { region throws(Fault) in
                let part = region.part(0, size: UInt64(size))
                guard let part else { return }
                let count = try Gzip.unpack(ByteView(file.span), into: part)
                if count > UInt64(file.count) * 1032 * 2 { violations.append("more bytes than bits can stand for") }
            }
        } catch {}
        if !room.isIntact { violations.append("bytes were written outside the room") }
        return violations
    }

    /// The bytes are an archive, or follow a header.
    static func tar(_ bytes: [UInt8]) -> [String] {
        var violations: [String] = []
        for file in [bytes, ImageWriter.header("x", size: min(bytes.count, 512), type: "x") + bytes] {
            let view = ByteView(file.span)
            var reader = TarReader(view)
            var count = 0
            do throws(Fault) {
                while let entry = try reader.next() {
                    count += 1
                    if !view.contains(entry.start, entry.size) { violations.append("an entry outside the archive") }
                    if entry.path.count > view.count * 2 { violations.append("a name longer than the archive") }
                    _ = entry.path.isSame(as: entry.target, in: view)
                }
            } catch {}
            if count > file.count / 512 { violations.append("more entries than blocks") }
        }
        return violations
    }

    /// The bytes are hermit.toml.
    static func configuration(_ bytes: [UInt8]) -> [String] {
        do throws(Fault) {
            let config = try HermitConfig(ByteView(bytes.span))
            var violations: [String] = []
            for strings in 0..<3 {
                var list = strings == 0 ? config.kernelArguments : strings == 1 ? config.arguments : config.variables
                var (items, size) = (0, 0)
                while var item = list.next() {
                    items += 1
                    while let byte = item.next() {
                        size += 1
                        if byte == 0 { violations.append("a NUL in an argument") }
                    }
                }
                if items + size > bytes.count { violations.append("more text than there is") }
            }
            return violations
        } catch {
            let isPlace = error.rule == .configurationIncomplete || error.value > 0 && error.limit > 0
            return isPlace ? [] : ["a fault without a line"]
        }
    }

    /// The bytes are an image, or its hermit.toml.
    static func image(_ bytes: [UInt8]) -> [String] {
        if HermitImage.isImage(ByteView(bytes.span)) { return ImageRehearsal(bytes).violations }
        var writer = ImageWriter(imageKernel)
        writer.configuration = String(decoding: bytes, as: UTF8.self)
        return ImageRehearsal(writer.archive, commandLine: "loader env=A=b").violations
    }

    private static let imageKernel = SmallFile().bytes

    /// Sound images, and their parts.
    static var imageSeeds: [[UInt8]] {
        var full = ImageWriter(
            imageKernel,
            "[input]\nkernel_args = [\"-freq\", '1']\napp_args = [\"a b\", \"\\u00e9\"]\nenv_vars = [\"A=b\"]\n"
                + "[requirements]\nmemory = \"1.5 MiB\"\ncpus = 0x1\n")
        let small = [ImageWriter(imageKernel).packed, full.archive, Array((full.configuration ?? "").utf8)]
        full.files.append(("./folder/other", [1, 2, 3]))
        return small + [full.packed]
    }
}
