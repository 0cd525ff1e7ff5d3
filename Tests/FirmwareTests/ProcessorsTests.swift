// ACPI's tables built by hand: the number of processors, and the tables that are accepted.

import Bytes
import Firmware
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProcessorsTests {
    /// Memory of 1 MiB with tables in it.
    struct Tables {
        var memory = [UInt8](repeating: 0, count: 0x10_0000)

        /// Makes the sum of the bytes of `range` zero by the one at `place` in it.
        mutating func sum(_ range: Range<Int>, at place: Int) {
            memory[range.lowerBound + place] = 0
            memory[range.lowerBound + place] = memory[range].reduce(0, &-)
        }

        /// A table: its header of 36 bytes, then `contents`.
        mutating func add(_ signature: String, _ contents: [UInt8], at address: Int) {
            let bytes =
                Array(signature.utf8) + littleEndian(UInt32(36 + contents.count)) + [UInt8](repeating: 0, count: 28)
                + contents
            memory.replaceSubrange(address..<address + bytes.count, with: bytes)
            sum(address..<address + bytes.count, at: 9)
        }

        /// The root pointer, of the first version if there is no `xsdt`.
        mutating func addRoot(rsdt: UInt32, xsdt: UInt64? = nil, at address: Int) {
            var bytes = Array("RSD PTR ".utf8) + [UInt8](repeating: 0, count: 7) + [xsdt == nil ? 0 : 2]
            bytes += littleEndian(rsdt)
            bytes += littleEndian(UInt32(36)) + littleEndian(xsdt ?? 0) + [0, 0, 0, 0]
            memory.replaceSubrange(address..<address + 36, with: bytes)
            sum(address..<address + 20, at: 8)
        }

        /// MADT with these entries, after the address of the local APIC and the flags.
        mutating func addProcessors(_ entries: [[UInt8]], at address: Int) {
            add("APIC", [0, 0, 0xe0, 0xfe, 1, 0, 0, 0] + entries.flatMap { $0 }, at: address)
        }

        func count(rsdp: UInt64 = 0) -> UInt64? {
            Processors.count(PhysicalMemory(ByteView(memory.span.bytes), origin: 0), rsdp: rsdp)
        }
    }

    /// A local APIC, and a local x2APIC; bit 0 of the flags marks a usable processor.
    static func apic(_ number: UInt8, flags: UInt32 = 1) -> [UInt8] { [0, 8, number, number] + littleEndian(flags) }
    static func x2apic(_ number: UInt32, flags: UInt32 = 1) -> [UInt8] {
        [9, 16, 0, 0] + littleEndian(number) + littleEndian(flags) + littleEndian(number)
    }
    /// An I/O APIC.
    static let other: [UInt8] = [1, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]

    static func machine(_ entries: [[UInt8]], isLong: Bool = false) -> Tables {
        var tables = Tables()
        tables.addRoot(rsdt: 0x5_0000, xsdt: isLong ? 0x5_1000 : nil, at: 0xf_5000)
        tables.add("FACP", [1, 2, 3], at: 0x5_2000)
        let list: [UInt32] = [0x5_2000, 0x5_3000]
        tables.add(
            isLong ? "XSDT" : "RSDT",
            list.flatMap { isLong ? littleEndian(UInt64($0)) : littleEndian($0) }, at: isLong ? 0x5_1000 : 0x5_0000)
        tables.addProcessors(entries, at: 0x5_3000)
        return tables
    }

    /// Other tables are recognised by their signature, whatever their size; only the first MADT counts.
    @Test func `only the table of processors is read whole`() {
        var tables = Self.machine([Self.apic(0)])
        tables.add("RSDT", [0x5_2000, 0x5_4000, 0x5_3000].flatMap { littleEndian($0 as UInt32) }, at: 0x5_0000)
        // Its checksum is wrong, and its size exceeds all memory.
        tables.memory.replaceSubrange(0x5_2004..<0x5_2008, with: littleEndian(UInt32.max))
        #expect(tables.count() == 1)
        tables.addProcessors([Self.apic(0), Self.apic(1)], at: 0x5_4000)
        #expect(tables.count() == 2)
        tables.memory[0x5_4000 + 40] ^= 1
        #expect(tables.count() == nil)
    }

    @Test(arguments: [false, true]) func `usable processors are counted`(_ isLong: Bool) {
        let cases: [(entries: [[UInt8]], count: UInt64)] = [
            ([], 0), ([Self.apic(0)], 1), ([Self.apic(0), Self.apic(1)], 2),
            ([Self.apic(0), Self.other, Self.apic(1)], 2),
            // Processors that may be plugged in later have bit 1.
            ([Self.apic(0), Self.apic(1, flags: 2), Self.apic(2, flags: 0), Self.apic(3, flags: 3)], 2),
            // One with an odd number and even flags, and the other way round.
            ([Self.x2apic(0x101, flags: 0), Self.x2apic(0x100), Self.x2apic(0x102)], 2),
            // An entry without a size ends the list, and so does one that is cut off.
            ([Self.apic(0), [0, 0], Self.apic(1)], 1), ([Self.apic(0), [0, 1], Self.apic(1)], 1),
            ([Self.apic(0), [7, 2], Self.apic(1)], 2), ([Self.apic(0), [0]], 1), ([Self.apic(0), [0, 8, 1, 1, 1]], 1),
        ]
        for (entries, count) in cases {
            let tables = Self.machine(entries, isLong: isLong)
            #expect(tables.count(rsdp: 0xf_5000) == count, "\(entries)")
            #expect(tables.count() == count, "\(entries)")
        }
    }

    /// Without its address the root pointer is searched for at multiples of 16, in the first KiB of the extended BIOS data area, whose
    /// segment is the word at 0x40e, and from 0xe0000 to 1 MiB.
    @Test func `the root pointer is found where a BIOS leaves it`() {
        let cases: [(address: Int, segment: UInt16, isFound: Bool)] = [
            (0xe_0000, 0, true), (0xd_fff0, 0, false), (0xf_ffd0, 0, true), (0xf_5008, 0, false),
            (0x9_fc00, 0x9fc0, true),
            (0x9_fff0, 0x9fc0, true), (0xa_0000, 0x9fc0, false), (0x9_fbf0, 0x9fc0, false), (0x9_fc00, 0, false),
            // Segment 0 means no segment.
            (0x10, 0, false), (0x10, 1, true),
        ]
        for (address, segment, isFound) in cases {
            var tables = Self.machine([Self.apic(0), Self.apic(1)])
            tables.memory[0xf_5000] = 0
            tables.memory.put(segment, at: 0x40e)
            tables.addRoot(rsdt: 0x5_0000, at: address)
            #expect(tables.count() == (isFound ? 2 : nil), "\(address) \(segment)")
            #expect(tables.count(rsdp: UInt64(address)) == 2)
        }
    }

    /// Every byte of each table is in its checksum; the longer pointer's second checksum is not verified.
    @Test func `a changed table is ignored`() {
        let sound = Self.machine([Self.apic(0), Self.x2apic(1)])
        for (start, size) in [(0xf_5000, 20), (0x5_0000, 44), (0x5_3000, 68)] {
            for offset in start..<start + size {
                var tables = sound
                tables.memory[offset] ^= 0x10
                #expect(tables.count(rsdp: 0xf_5000) == nil, "\(offset)")
            }
        }
        // Damage in an unrelated table does not matter.
        var tables = sound
        tables.memory[0x5_2000 + 30] ^= 1
        #expect(tables.count(rsdp: 0xf_5000) == 2)
    }

    /// The table of 64-bit addresses counts if its address can be read.
    @Test func `the short table is used if the long one is out of reach`() {
        for (address, isReached) in [(0x5_1000, true), (0, false), (0x10_0000, false), (1 << 32, false)]
            as [(UInt64, Bool)]
        {
            var tables = Self.machine([Self.apic(0)], isLong: true)
            tables.addProcessors([Self.apic(0), Self.apic(1), Self.apic(2)], at: 0x5_4000)
            tables.add("RSDT", littleEndian(UInt32(0x5_4000)), at: 0x5_0000)
            tables.memory.put(address, at: 0xf_5000 + 24)
            #expect(tables.count() == (isReached ? 1 : 3), "\(address)")
        }
    }

    /// A size that is too small for the header, and a list that ends inside an entry.
    @Test func `tables end at their given size`() {
        var tables = Self.machine([Self.apic(0)])
        tables.add("RSDT", littleEndian(UInt32(0x5_2000)) + littleEndian(UInt32(0x5_3000)).prefix(3), at: 0x5_0000)
        #expect(tables.count() == nil)
        for size in [0, 35] as [UInt32] {
            tables = Self.machine([Self.apic(0)])
            tables.memory.put(size, at: 0x5_0004)
            tables.sum(0x5_0000..<0x5_0000 + max(Int(size), 10), at: 9)
            #expect(tables.count() == nil, "\(size)")
        }
    }
}
