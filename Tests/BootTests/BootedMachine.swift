// A machine of 4 GiB as a host for the sequence of a boot, up to the jump.

import Architecture
import Boot
import Bytes
import Diagnostics
import Firmware
import Glibc
import HermitEntry
import Linking
import Memory
import TestSupport

/// Memory from address 0 on; only pages that are touched cost anything.
final class SparseMemory {
    private let base: UnsafeMutableRawPointer
    private let size = 1 << 32

    init() {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            fatalError("no address space for 4 GiB")
        }
        self.base = base
    }

    deinit { munmap(base, size) }

    /// All of it; this object must outlive it.
    var readable: PhysicalMemory {
        @_lifetime(immortal) get {
            let span = RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: size)
            return PhysicalMemory(ByteView(_overrideLifetime(span, borrowing: ())), origin: 0)
        }
    }

    /// The bytes of `range`, for writing, under the addresses from `address` on; this object must outlive them.
    @_lifetime(immortal)
    func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        precondition(range.end <= UInt64(size))
        let span = MutableRawSpan(_unsafeStart: base + Int(range.start), byteCount: Int(range.size))
        return ByteRegion(_overrideLifetime(span, borrowing: ()), at: address)
    }

    /// The number at `address`.
    func number<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at address: UInt64) -> Word {
        precondition(address <= UInt64(size - MemoryLayout<Word>.size))
        return base.loadUnaligned(fromByteOffset: Int(address), as: type)
    }

    /// The bytes of `range`.
    func bytes(_ range: AddressRange) -> [UInt8] {
        precondition(range.end <= UInt64(size))
        return Array(UnsafeRawBufferPointer(start: base + Int(range.start), count: Int(range.size)))
    }

    /// Copies `bytes` to `address`.
    func write(_ bytes: [UInt8], at address: UInt64) {
        precondition(address + UInt64(bytes.count) <= UInt64(size))
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { (base + Int(address)).copyMemory(from: start, byteCount: bytes.count) }
        }
    }

    /// Fills `range` with arbitrary bytes.
    func spoil(_ range: AddressRange) { memset(base + Int(range.start), 0xcc, Int(range.size)) }
}

/// A machine on which an application has been booted up to the jump.
struct BootedMachine {
    let placement: MemoryPlan
    let state: EntryState
    let memory: SparseMemory

    /// Boots the first module of `platform` in a memory with these `contents`, by their addresses. Throws the fault that the sequence
    /// ends with.
    init(
        _ contents: [(address: UInt64, bytes: [UInt8])], _ handoff: Handoff,
        on platform: @escaping () throws(Fault) -> Platform
    ) throws(Fault) {
        memory = SparseMemory()
        for (address, bytes) in contents { memory.write(bytes, at: address) }
        var host = Host(handoff: handoff, memory: memory, told: platform)
        var plans = [LinkPlan()]
        var plan = plans.mutableSpan
        if let fault = BootSequence.run(memory.readable, plan: &plan, on: &host) { throw fault }
        guard let entered = host.entered else { fatalError("a boot ends by entering the kernel or by a fault") }
        (state, placement) = entered
    }

    /// The number at a physical address.
    func number<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at address: UInt64) -> Word {
        memory.number(type, at: address)
    }

    /// The bytes of `range`.
    func bytes(_ range: AddressRange) -> [UInt8] { memory.bytes(range) }

    /// The pages that the tables at `root` map, which all lie in `tables`; nil if one is elsewhere.
    func pages(root: UInt64, in tables: AddressRange, skipping skipped: Set<Int> = []) -> [MappedPage]? {
        mappedPages(root: root, skipping: skipped) { address in
            guard tables.contains(AddressRange(at: address, size: 8)) else { return nil }
            return number(UInt64.self, at: address)
        }
    }

    private struct Host: BootHost {
        var console = StringSink()
        let handoff: Handoff
        let memory: SparseMemory
        let told: () throws(Fault) -> Platform
        private(set) var entered: (state: EntryState, placement: MemoryPlan)?

        init(handoff: Handoff, memory: SparseMemory, told: @escaping () throws(Fault) -> Platform) {
            self.handoff = handoff
            self.memory = memory
            self.told = told
        }

        func platform(_ memory: PhysicalMemory) throws(Fault) -> Platform { try told() }

        @_lifetime(immortal)
        func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
            memory.spoil(range)
            return memory.region(range, at: address)
        }

        func randomNumber() -> RandomNumber { RandomNumber(0, from: .given) }

        func call(_ resolver: UInt64) -> UInt64? { nil }

        func didPlan(
            _ placement: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
            on platform: borrowing PlatformFacts
        ) {}

        mutating func enter(
            _ state: EntryState, _ placement: MemoryPlan, _ application: borrowing Application,
            _ counts: RelocationCounts, from files: borrowing NamedFiles
        ) { entered = (state, placement) }
    }
}
