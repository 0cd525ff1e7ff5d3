// A machine of 4 GiB as the host of a boot, up to the jump.

import Architecture
import Boot
import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Linking
import Memory
import TestSupport

/// A machine on which an application has been booted up to the jump.
struct BootedMachine {
    let plan: MemoryPlan
    let state: EntryState
    let memory: SparseMemory
    /// The console's text.
    let said: String
    /// The strings of the application's files, as they are in memory at the end.
    let strings: [[UInt8]]

    /// Boots the first module of `platform` in a memory with these `contents`, by their addresses. Throws the fault that ends the
    /// sequence.
    init(
        _ contents: [(address: UInt64, bytes: [UInt8])], _ handoff: Handoff,
        on platform: @escaping () throws(Fault) -> Platform
    ) throws(Fault) {
        memory = SparseMemory()
        for (address, bytes) in contents { memory.write(bytes, at: address) }
        var host = Host(handoff: handoff, memory: memory, told: platform)
        var plans = [LinkPlan()]
        var linkPlan = plans.mutableSpan
        if let fault = BootSequence.run(memory.readable, linkPlan: &linkPlan, on: &host) { throw fault }
        guard let entered = host.entered else { fatalError("a boot ends by entering the kernel or by a fault") }
        (state, plan) = entered
        said = host.console.text
        strings = host.strings
    }

    /// The number at a physical address.
    func number<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at address: UInt64) -> Word {
        memory.number(type, at: address)
    }

    /// The bytes of `range`.
    func bytes(_ range: AddressRange) -> [UInt8] { memory.bytes(range) }

    /// The pages that the tables at `root` map; nil if a table lies outside `tables`.
    func pages(root: UInt64, in tables: AddressRange, skipping skipped: Set<Int> = []) -> [MappedPage]? {
        mappedPages(root: root, skipping: skipped) { address in
            guard tables.contains(AddressRange(at: address, size: 8)) else { return nil }
            return number(UInt64.self, at: address)
        }
    }

    private struct Host: BootHost {
        var console = BufferedSink()
        let handoff: Handoff
        let memory: SparseMemory
        let told: () throws(Fault) -> Platform
        private(set) var entered: (state: EntryState, plan: MemoryPlan)?
        private(set) var strings: [[UInt8]] = []

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

        /// The host's result is the address after the resolver's own.
        func call(_ resolver: UInt64) -> UInt64? { resolver &+ 1 }

        func didPlan(
            _ plan: MemoryPlan, _ application: borrowing Application, _ options: LoaderOptions,
            on platform: borrowing PlatformFacts
        ) {}

        mutating func enter(
            _ state: EntryState, _ plan: MemoryPlan, _ application: borrowing Application,
            _ counts: RelocationCounts, from files: borrowing NamedFiles
        ) {
            entered = (state, plan)
            for index in 0..<files.count {
                let string = files.bytes.part(at: files[index].string, size: files[index].stringSize)
                strings.append(string.span.withUnsafeBytes { Array($0) })
            }
        }
    }
}
