// PVH start info built by hand: the facts read, and the faults.

import Memory
import Firmware
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct PVHTests {
    static func image() -> PlatformImage {
        var image = PlatformImage()
        // magic, version, flags, nr_modules, modlist, cmdline, rsdp, memmap, memmap_entries, reserved
        image.put([0x336e_c578, 1, 0, 1, 0x2100, 0, 0x2200, 0, 0xf_5a20, 0, 0x2300, 0, 2, 0], at: 0x2000)
        image.put([0x3_0000, 0, 0x1234, 0, 0x2400, 0, 0, 0], at: 0x2100)
        image.put("-- a", at: 0x2200)
        image.put([0, 0, 0x9_fc00, 0, 1, 0, 0x10_0000, 0, 0x10_0000, 1, 4, 0], at: 0x2300)
        image.put("module", at: 0x2400)
        return image
    }

    @Test func `everything is read`() throws {
        let facts = try Self.image().read(.pvh, at: 0x2000).get()
        #expect(facts.commandLine == AddressRange(0x2200, 0x2204))
        #expect(facts.rsdp == 0xf_5a20)
        #expect(
            facts.modules == [
                Module(range: AddressRange(0x3_0000, 0x3_1234), commandLine: AddressRange(0x2400, 0x2406))
            ])
        #expect(
            facts.regions == [
                MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                MemoryRegion(range: AddressRange(0x10_0000, 0x1_0020_0000), kind: .acpiNonVolatile),
            ])
        for range in [
            AddressRange(0x2000, 0x2038), AddressRange(0x2300, 0x2330), AddressRange(0x2200, 0x2205),
            AddressRange(0x2100, 0x2120), AddressRange(0x3_0000, 0x3_1234), AddressRange(0x2400, 0x2407),
        ] { #expect(facts.reserves(range), "\(range)") }
    }

    /// Version 1 is the first with the memory map; later versions may add fields after it.
    @Test(arguments: [1, 2, .max] as [UInt32]) func `later versions are read like the first with a memory map`(
        _ version: UInt32
    ) throws {
        var image = Self.image()
        image.put([version], at: 0x2004)
        #expect(try image.read(.pvh, at: 0x2000).get().regions.count == 2)
    }

    /// "Nothing will be loaded at physical address 0, so a 0 value in any of the address fields should be treated as not present."
    @Test func `structures at 0 are absent`() throws {
        for (address, words) in [(0x2010, [0, 0]), (0x2018, [0, 0]), (0x2110, [0, 0])] as [(Int, [UInt32])] {
            var image = Self.image()
            image.put("text", at: 0)
            image.put(words, at: address)
            let facts = try image.read(.pvh, at: 0x2000).get()
            #expect(facts.modules.isEmpty == (address == 0x2010))
            #expect(facts.commandLine.isEmpty == (address == 0x2018))
            #expect(facts.modules.allSatisfy { $0.commandLine.isEmpty == (address == 0x2110) })
            #expect(!facts.reserves(AddressRange(0, 1)))
        }
    }

    @Test func `modules and command line may be missing`() throws {
        var image = Self.image()
        image.put([0, 0, 0, 0, 0, 0, 0], at: 0x200c)
        let facts = try image.read(.pvh, at: 0x2000).get()
        #expect(facts.modules == [] && facts.commandLine.isEmpty && facts.rsdp == 0)
    }

    /// Words put at an address, and the fault they lead to.
    static let refused: [(address: Int, words: [UInt32], Fault)] = [
        (0x2000, [0x336e_c579], Fault(.badStartInfo, value: 0x336e_c579)),
        (0x2000, [0x336e_c577], Fault(.badStartInfo, value: 0x336e_c577)),
        (0x2000, [0], Fault(.badStartInfo, value: 0)),
        (0x2000, [.max], Fault(.badStartInfo, value: 0xffff_ffff)),
        (0x2004, [0], Fault(.noMemoryMap)),
        (0x2028, [0, 0], Fault(.noMemoryMap)),
        (0x2030, [0], Fault(.noMemoryMap)),
        (0x2030, [.max], Fault(.platformStructureOutsideMemory, value: 0x2300, limit: 0xffff_ffff * 24)),
        (0x2028, [0, 1], Fault(.platformStructureOutsideMemory, value: 0x1_0000_0000, limit: 48)),
        (0x2028, [.max, .max], Fault(.platformStructureOutsideMemory, value: .max, limit: 48)),
        (0x200c, [17], Fault(.tooManyModules, value: 17, limit: 16)),
        (0x2010, [0x3_fff0], Fault(.platformStructureOutsideMemory, value: 0x3_fff0, limit: 32)),
        (0x2108, [0x1_0001], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x4_0001)),
        (0x2108, [0, .max], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0xffff_ffff_0003_0000)),
        (0x2300, [0x3_0001, 0], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1234)),
        // RAM that ends at 2^64, and far past it.
        (
            0x2300, [0xffff_f000, .max, 0x1000, 0],
            Fault(.memoryBeyondAddresses, value: 0xffff_ffff_ffff_f000, limit: 0x1000)
        ),
        (0x2300, [2, 0, .max, .max], Fault(.memoryBeyondAddresses, value: 2, limit: .max)),
        (0x2018, [0, 1], Fault(.platformStructureOutsideMemory, value: 0x1_0000_0000, limit: 0x1_0000)),
    ]

    @Test(arguments: refused)
    func `malformed structures are refused`(_ change: (address: Int, words: [UInt32], fault: Fault)) {
        var image = Self.image()
        image.put(change.words, at: change.address)
        #expect(image.read(.pvh, at: 0x2000).fault == change.fault)
    }

    @Test func `memory that is not RAM may reach the end of all addresses, and past it`() throws {
        for size in [0x1000, 0x1001, .max] as [UInt32] {
            var image = Self.image()
            image.put([0xffff_f000, .max, size, 0, 2], at: 0x2318)
            #expect(
                try image.read(.pvh, at: 0x2000).get().regions == [
                    MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                    MemoryRegion(range: AddressRange(0xffff_ffff_ffff_f000, .max), kind: .reserved),
                ])
        }
    }

    @Test func `sixteen modules are taken`() throws {
        var image = Self.image()
        image.put([16, 0x2_0000], at: 0x200c)
        for index in 0..<16 {
            image.put([UInt32(0x3_0000 + index * 0x400), 0, 0x100, 0, 0, 0, 0, 0], at: 0x2_0000 + index * 32)
        }
        let facts = try image.read(.pvh, at: 0x2000).get()
        #expect(facts.modules.map(\.range.start) == (0..<16).map { 0x3_0000 + $0 * 0x400 })
    }

    @Test func `a command line of 65535 bytes is taken, a longer one refused`() throws {
        var image = Self.image()
        image.put([0], at: 0x200c)
        image.put(String(repeating: "a", count: 0xffff), at: 0x2_0000)
        image.put([0x2_0000], at: 0x2018)
        #expect(try image.read(.pvh, at: 0x2000).get().commandLine.size == 0xffff)
        image.put(String(repeating: "a", count: 0x1_0000), at: 0x2_0000)
        #expect(image.read(.pvh, at: 0x2000).fault == Fault(.commandLineTooLong, limit: 0xffff))
    }

    @Test func `128 regions are taken, more refused`() throws {
        var image = Self.image()
        image.put([0], at: 0x200c)
        image.put([0x2_0000, 0, 128], at: 0x2028)
        for index in 0..<129 { image.put([UInt32(index) * 0x2000, 0, 0x1000, 0, 1, 0], at: 0x2_0000 + index * 24) }
        #expect(try image.read(.pvh, at: 0x2000).get().regions.count == 128)
        image.put([129], at: 0x2030)
        #expect(image.read(.pvh, at: 0x2000).fault == Fault(.tooManyRegions, limit: 128))
    }

    @Test func `the start info itself must be readable`() {
        for address in [0x4_0000 - 39, .max] as [UInt64] {
            #expect(
                Self.image().read(.pvh, at: address).fault
                    == Fault(.platformStructureOutsideMemory, value: address, limit: 40))
        }
    }

    @Test func `a structure with one changed byte is read or refused`() {
        var (read, refused) = (0, 0)
        let sound = Self.image()
        for address in 0x2000..<0x2330 {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound.bytes[address] ^ 1] as [UInt8] {
                var image = sound
                image.bytes[address] = value
                guard case .success(let facts) = image.read(.pvh, at: 0x2000) else {
                    refused += 1
                    continue
                }
                read += 1
                let memory = AddressRange(0, 0x4_0000)
                #expect(facts.modules.allSatisfy { memory.contains($0.range) })
                #expect(memory.contains(facts.commandLine))
            }
        }
        #expect(read > 100 && refused > 100, "\(read) read, \(refused) refused")
    }
}
