// Multiboot 2 information built by hand: the facts read, and the faults.

import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct Multiboot2Tests {
    /// A tag: type, fields, and bytes after them.
    struct Tag {
        var type: UInt32
        var fields: [UInt32] = []
        var bytes: [UInt8] = []
        /// The size in its header, if that is wrong.
        var size: UInt32?

        static func commandLine(_ text: String) -> Tag { Tag(type: 1, bytes: Array(text.utf8) + [0]) }
        static func module(_ start: UInt32, _ end: UInt32, _ text: String) -> Tag {
            Tag(type: 3, fields: [start, end], bytes: Array(text.utf8) + [0])
        }
        /// A memory map whose entries have a size of 24 and more.
        static func map(_ regions: [(UInt64, UInt64, UInt32)], entrySize: Int = 24) -> Tag {
            var bytes: [UInt8] = []
            for (start, size, kind) in regions {
                let entry = littleEndian(start) + littleEndian(size) + littleEndian(kind)
                bytes += entry + [UInt8](repeating: 0xa5, count: max(entrySize - entry.count, 0))
            }
            return Tag(type: 6, fields: [UInt32(entrySize), 0], bytes: bytes)
        }
        static let memory = map([(0, 0x9_fc00, 1), (0x9_fc00, 0x400, 2), (0x10_0000, 0x1_0010_0000, 1)])
        static let end = Tag(type: 0)
    }

    /// Memory with `tags` at 0x1_0000.
    static func image(_ tags: [Tag], size: UInt32? = nil) -> PlatformImage {
        var image = PlatformImage()
        var offset = 0x1_0008
        for tag in tags {
            let bytes = tag.fields.flatMap { littleEndian($0) } + tag.bytes
            image.put([tag.type, tag.size ?? UInt32(8 + bytes.count)], at: offset)
            image.bytes.replaceSubrange(offset + 8..<offset + 8 + bytes.count, with: bytes)
            offset = (offset + 8 + bytes.count + 7) & ~7
        }
        image.put([size ?? UInt32(offset - 0x1_0000), 0], at: 0x1_0000)
        return image
    }

    static func read(_ tags: [Tag], size: UInt32? = nil) -> Result<Facts, Fault> {
        image(tags, size: size).read(.multiboot2, at: 0x1_0000)
    }

    @Test func `everything is read`() throws {
        let facts = try Self.read([
            .commandLine("-- one"), Tag(type: 2, bytes: Array("GRUB".utf8)),
            .module(0x3_0000, 0x3_1234, "loader.quiet"),
            .module(0x3_2000, 0x3_2001, ""), Tag(type: 4, fields: [639, 0xff]), .memory,
            Tag(type: 14, bytes: [UInt8](repeating: 1, count: 20)),
            Tag(type: 15, bytes: [UInt8](repeating: 2, count: 36)),
            Tag(type: 0x7fff_ffff, bytes: [1, 2, 3]), .end,
        ]).get()
        #expect(facts.commandLine == AddressRange(0x1_0010, 0x1_0016))
        #expect(facts.modules.map(\.range) == [AddressRange(0x3_0000, 0x3_1234), AddressRange(0x3_2000, 0x3_2001)])
        #expect(facts.modules.map(\.commandLine.size) == [12, 0])
        #expect(
            facts.regions == [
                MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                MemoryRegion(range: AddressRange(0x9_fc00, 0xa_0000), kind: .reserved),
                MemoryRegion(range: AddressRange(0x10_0000, 0x1_0020_0000), kind: .available),
            ])
        // The later version's copy, completely in kept memory.
        #expect(facts.reserves(AddressRange(at: facts.rsdp, size: 36)))
        #expect(facts.reserves(AddressRange(0x1_0000, facts.rsdp + 36)))
        #expect(facts.reservations.allSatisfy { !$0.isFirmware })
    }

    @Test func `the root pointer's copy is the later version's, in either order`() throws {
        let tags = [
            Tag(type: 14, bytes: [UInt8](repeating: 1, count: 20)),
            Tag(type: 15, bytes: [UInt8](repeating: 2, count: 36)),
        ]
        for (order, offset) in [(tags, 0x20), (tags.reversed(), 0), ([tags[0]], 0)] as [([Tag], UInt64)] {
            #expect(try Self.read(order + [.memory, .end]).get().rsdp == 0x1_0010 + offset)
        }
        #expect(try Self.read([.memory, .end]).get().rsdp == 0)
    }

    @Test func `memory sizes count if there is no map`() throws {
        let facts = try Self.read([Tag(type: 4, fields: [639, 1024]), .end]).get()
        #expect(facts.regions.map(\.range) == [AddressRange(0, 0x9_fc00), AddressRange(0x10_0000, 0x20_0000)])
        let both = try Self.read([.memory, Tag(type: 4, fields: [1, 1]), .end]).get()
        #expect(both.regions.count == 3)
    }

    @Test(arguments: [24, 32, 40, 25]) func `entries may be larger`(_ size: Int) throws {
        let facts = try Self.read([.map([(0, 0x8_0000, 1), (0x10_0000, 0x1000, 3)], entrySize: size), .end]).get()
        #expect(facts.regions.map(\.kind) == [.available, .acpiReclaimable])
    }

    @Test func `the tags end at the end tag or at the given size`() throws {
        // Bytes after the end tag are not read.
        #expect(try Self.read([.memory, .end, .commandLine("a")]).get().commandLine.isEmpty)
        #expect(try Self.read([.memory, .commandLine("a")]).get().commandLine.size == 1)
        #expect(try Self.read([.memory, .end], size: 8 + 16 + 72).get().regions.count == 3)
    }

    /// A string without a NUL ends with its tag.
    @Test func `a string ends with its tag`() throws {
        let tags = [Tag(type: 1, bytes: Array("abcdefgh".utf8)), .memory, .end]
        #expect(try Self.read(tags).get().commandLine.size == 8)
        #expect(try Self.read([Tag(type: 1), .memory, .end]).get().commandLine.isEmpty)
        let module = Tag(type: 3, fields: [0x3_0000, 0x3_0001], bytes: Array("abc".utf8))
        #expect(try Self.read([module, .memory, .end]).get().modules[0].commandLine.size == 3)
        #expect(
            try Self.read([Tag(type: 3, fields: [0x3_0000, 0x3_0001]), .memory, .end]).get().modules[0].commandLine.size
                == 0)
    }

    static let refused: [([Tag], Fault)] = [
        ([.end], Fault(.noMemoryMap)),
        ([.map([]), .end], Fault(.noMemoryMap)),
        ([Tag(type: 1, size: 7), .memory, .end], Fault(.tagMalformed, value: 7, limit: 1)),
        ([Tag(type: 77, size: 0), .memory, .end], Fault(.tagMalformed, value: 0, limit: 77)),
        ([Tag(type: 77, size: .max), .memory, .end], Fault(.tagMalformed, value: 0xffff_ffff, limit: 77)),
        ([.memory, Tag(type: 77, size: 17), .end], Fault(.tagMalformed, value: 17, limit: 77)),
        ([Tag(type: 3, fields: [0x3_0000]), .memory, .end], Fault(.tagMalformed, value: 12, limit: 3)),
        ([Tag(type: 4, fields: [1]), .end], Fault(.tagMalformed, value: 12, limit: 4)),
        ([Tag(type: 6, fields: [24]), .end], Fault(.tagMalformed, value: 12, limit: 6)),
        ([Tag(type: 14, bytes: [UInt8](repeating: 0, count: 19)), .end], Fault(.tagMalformed, value: 27, limit: 14)),
        ([Tag(type: 15, bytes: [UInt8](repeating: 0, count: 35)), .end], Fault(.tagMalformed, value: 43, limit: 15)),
        ([.map([(0, 1, 1)], entrySize: 23), .end], Fault(.memoryMapMalformed, value: 23, limit: 24)),
        ([Tag(type: 6, fields: [0, 0]), .end], Fault(.memoryMapMalformed, value: 0, limit: 24)),
        (
            [.module(0x3_0000, 0x2_ffff, ""), .memory, .end],
            Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x2_ffff)
        ),
        (
            [.module(0x3_0000, 0x4_0001, ""), .memory, .end],
            Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x4_0001)
        ),
        (
            [.module(0x3_0000, 0x3_1000, ""), .map([(0, 0x3_0fff, 1)]), .end],
            Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1000)
        ),
        (
            [.map([(.max - 0xfff, 0x1001, 1)]), .end],
            Fault(.memoryBeyondAddresses, value: .max - 0xfff, limit: 0x1001)
        ),
        (
            [.commandLine(String(repeating: "a", count: 0x1_0000)), .memory, .end],
            Fault(.commandLineTooLong, limit: 0xffff)
        ),
        (
            [Tag](repeating: .module(0x3_0000, 0x3_0001, ""), count: 17) + [.memory, .end],
            Fault(.tooManyModules, value: 17, limit: 16)
        ),
    ]

    @Test(arguments: refused.indices) func `malformed structures are refused`(_ index: Int) {
        let (tags, fault) = Self.refused[index]
        #expect(Self.read(tags).fault == fault)
    }

    @Test func `the largest numbers do not wrap`() throws {
        let long = try Self.read([.commandLine(String(repeating: "a", count: 0xffff)), .memory, .end]).get()
        #expect(long.commandLine.size == 0xffff)
        let modules = [Tag](repeating: .module(0x3_0000, 0x3_0001, "name"), count: 16)
        #expect(try Self.read(modules + [.memory, .end]).get().modules.count == 16)
        let map = Tag.map((0..<129).map { (UInt64($0) * 0x2000, 0x1000, 1) })
        #expect(Self.read([map, .end]).fault == Fault(.tooManyRegions, limit: 128))
    }

    @Test func `the information itself must be readable`() {
        let image = Self.image([.memory, .end])
        for address in [0x4_0000 - 7, 0x4_0000, .max] as [UInt64] {
            #expect(
                image.read(.multiboot2, at: address).fault
                    == Fault(.platformStructureOutsideMemory, value: address, limit: 8))
        }
        #expect(
            Self.read([.memory, .end], size: 0x3_0001).fault
                == Fault(.platformStructureOutsideMemory, value: 0x1_0000, limit: 0x3_0001))
        #expect(Self.read([.memory, .end], size: 0).fault == Fault(.noMemoryMap))
    }

    @Test func `a structure with one changed byte is read or refused`() {
        var (read, refused) = (0, 0)
        let sound = Self.image([
            .commandLine("-- one"), .module(0x3_0000, 0x3_1234, "loader.quiet"), .memory,
            Tag(type: 14, bytes: [UInt8](repeating: 1, count: 20)), .end,
        ])
        for address in 0x1_0000..<0x1_00b0 {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound.bytes[address] ^ 1] as [UInt8] {
                var image = sound
                image.bytes[address] = value
                guard case .success(let facts) = image.read(.multiboot2, at: 0x1_0000) else {
                    refused += 1
                    continue
                }
                read += 1
                let memory = AddressRange(0, 0x4_0000)
                #expect(facts.modules.allSatisfy { memory.contains($0.range) && memory.contains($0.commandLine) })
                #expect(memory.contains(facts.commandLine))
            }
        }
        #expect(read > 100 && refused > 100, "\(read) read, \(refused) refused")
    }
}
