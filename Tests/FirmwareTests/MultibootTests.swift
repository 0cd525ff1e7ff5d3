// Multiboot information built by hand: the facts read, and the faults.

import Memory
import Firmware
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MultibootTests {
    /// QEMU's layout: information at 0x9500, memory map at 0x9000, strings and modules after the loader.
    static func image(flags: UInt32 = 0b100_1101) -> PlatformImage {
        var image = PlatformImage()
        // flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms (4), mmap_length, mmap_addr
        image.put([flags, 639, 0xfc00, 0, 0x2_0000, 2, 0x2_1000, 0, 0, 0, 0, 72, 0x9000], at: 0x9500)
        image.put("loader -- x", at: 0x2_0000)
        image.put([0x3_0000, 0x3_1234, 0x2_0100, 0, 0x3_2000, 0x3_2000, 0, 0], at: 0x2_1000)
        image.put("app first", at: 0x2_0100)
        image.put([20, 0, 0, 0x9_fc00, 0, 1], at: 0x9000)
        image.put([20, 0xf_0000, 0, 0x1_0000, 0, 2], at: 0x9018)
        image.put([20, 0, 1, 0, 1, 1], at: 0x9030)
        return image
    }

    @Test func `everything is read`() throws {
        let facts = try Self.image().read(.multiboot, at: 0x9500).get()
        #expect(facts.information == 0x9500)
        #expect(facts.commandLine == AddressRange(0x2_0000, 0x2_000b))
        #expect(
            facts.modules == [
                Module(range: AddressRange(0x3_0000, 0x3_1234), commandLine: AddressRange(0x2_0100, 0x2_0109)),
                Module(range: AddressRange(0x3_2000, 0x3_2000), commandLine: AddressRange(0, 0)),
            ])
        #expect(
            facts.regions == [
                MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                MemoryRegion(range: AddressRange(0xf_0000, 0x10_0000), kind: .reserved),
                MemoryRegion(range: AddressRange(0x1_0000_0000, 0x2_0000_0000), kind: .available),
            ])
        for range in [
            AddressRange(0x9500, 0x9534), AddressRange(0x9000, 0x9048), AddressRange(0x2_0000, 0x2_000c),
            AddressRange(0x2_1000, 0x2_1020), AddressRange(0x3_0000, 0x3_1234), AddressRange(0x2_0100, 0x2_010a),
        ] { #expect(facts.reserves(range), "\(range)") }
        #expect(facts.reservations.filter { $0.purpose == .module }.map(\.range) == [AddressRange(0x3_0000, 0x3_1234)])
    }

    /// A field counts if its own flag is set, whatever the others are; otherwise it may hold anything.
    @Test func `each flag covers its own fields`() throws {
        for flags in 0..<0x2000 as Range<UInt32> where flags & 0b100_0001 != 0 && (flags < 256 || flags & 255 == 0x41) {
            var image = Self.image()
            image.put([flags], at: 0x9500)
            if flags & 1 == 0 { image.put([.max, .max], at: 0x9504) }
            if flags & 4 == 0 { image.put([.max], at: 0x9510) }
            if flags & 8 == 0 { image.put([.max, .max], at: 0x9514) }
            if flags & 64 == 0 { image.put([.max, .max], at: 0x952c) }
            let facts = try image.read(.multiboot, at: 0x9500).get()
            #expect(facts.commandLine.isEmpty == (flags & 4 == 0), "\(flags)")
            #expect(facts.modules.count == (flags & 8 == 0 ? 0 : 2))
            #expect(facts.regions.count == (flags & 64 == 0 ? 2 : 3))
        }
    }

    @Test func `structures may lie in the page at 0`() throws {
        var image = PlatformImage()
        image.put([0b100_0101, 639, 0x400, 0, 0x700, 0, 0, 0, 0, 0, 0, 24, 0x600], at: 0x500)
        image.put([20, 0, 0, 0x8_0000, 0, 1], at: 0x600)
        image.put("x", at: 0x700)
        let facts = try image.read(.multiboot, at: 0x500).get()
        #expect(facts.commandLine == AddressRange(0x700, 0x701))
        #expect(facts.regions == [MemoryRegion(range: AddressRange(0, 0x8_0000), kind: .available)])
    }

    /// kexec leaves the memory map there. Only for a module's string 0 means none.
    @Test func `every structure may lie at 0`() throws {
        func read(_ place: Int, _ words: [UInt32], pointer: Int) throws -> Facts {
            var image = Self.image()
            image.put(words, at: 0)
            image.put([0], at: pointer)
            return try image.read(.multiboot, at: UInt64(place)).get()
        }
        let sound = try Self.image().read(.multiboot, at: 0x9500).get()
        let map: [UInt32] = [20, 0, 0, 0x9_fc00, 0, 1, 20, 0xf_0000, 0, 0x1_0000, 0, 2, 20, 0, 1, 0, 1, 1]
        let withMap = try read(0x9500, map, pointer: 0x9500 + 48)
        #expect(withMap.regions == sound.regions && withMap.reserves(AddressRange(0, 72)))
        let modules: [UInt32] = [0x3_0000, 0x3_1234, 0x2_0100, 0, 0x3_2000, 0x3_2000, 0, 0]
        let withModules = try read(0x9500, modules, pointer: 0x9500 + 24)
        #expect(withModules.modules == sound.modules && withModules.reserves(AddressRange(0, 32)))
        // "-- x"
        let withLine = try read(0x9500, [0x7820_2d2d, 0], pointer: 0x9500 + 16)
        #expect(withLine.commandLine == AddressRange(0, 4) && withLine.reserves(AddressRange(0, 5)))
        let withString = try read(0x9500, [0x7820_2d2d, 0], pointer: 0x2_1000 + 8)
        #expect(withString.modules[0].commandLine.isEmpty && !withString.reserves(AddressRange(0, 1)))
        let information: [UInt32] = [0b100_1101, 639, 0xfc00, 0, 0x2_0000, 2, 0x2_1000, 0, 0, 0, 0, 72, 0x9000]
        let atZero = try read(0, information, pointer: 0x9500)
        #expect(atZero.regions == sound.regions && atZero.modules == sound.modules)
        #expect(atZero.reserves(AddressRange(0, 116)))
    }

    @Test func `entries may be longer than 20 bytes`() throws {
        var image = Self.image(flags: 0b100_0101)
        image.put([28, 0, 0, 0x1000, 0, 1, 0, 0, 20, 0x2000, 0, 0x1000, 0, 3], at: 0x9000)
        image.put([56], at: 0x9500 + 44)
        #expect(
            try image.read(.multiboot, at: 0x9500).get().regions == [
                MemoryRegion(range: AddressRange(0, 0x1000), kind: .available),
                MemoryRegion(range: AddressRange(0x2000, 0x3000), kind: .acpiReclaimable),
            ])
    }

    @Test func `the two sizes count if there is no map`() throws {
        let facts = try Self.image(flags: 1).read(.multiboot, at: 0x9500).get()
        #expect(
            facts.regions == [
                MemoryRegion(range: AddressRange(0, 639 * 1024), kind: .available),
                MemoryRegion(range: AddressRange(0x10_0000, 0x10_0000 + 0xfc00 * 1024), kind: .available),
            ])
        #expect(facts.modules == [] && facts.commandLine.isEmpty)
        #expect(Self.image(flags: 0).read(.multiboot, at: 0x9500).fault == Fault(.noMemoryMap))
    }

    /// Words put at an address, and the fault they lead to.
    static let refused: [(address: Int, words: [UInt32], Fault)] = [
        (0x9500 + 20, [17], Fault(.tooManyModules, value: 17, limit: 16)),
        (0x9500 + 20, [.max], Fault(.tooManyModules, value: 0xffff_ffff, limit: 16)),
        (0x9500 + 24, [0x3_fff8], Fault(.platformStructureOutsideMemory, value: 0x3_fff8, limit: 16)),
        (0x9500 + 24, [.max], Fault(.platformStructureOutsideMemory, value: 0xffff_ffff, limit: 16)),
        (0x9500 + 48, [0x3_ffc0], Fault(.platformStructureOutsideMemory, value: 0x3_ffc0, limit: 72)),
        (0x9500 + 44, [.max], Fault(.platformStructureOutsideMemory, value: 0x9000, limit: 0xffff_ffff)),
        (0x9500 + 16, [0xffff_0000], Fault(.platformStructureOutsideMemory, value: 0xffff_0000, limit: 0x1_0000)),
        (0x2_1000, [0x3_1235, 0x3_1234], Fault(.moduleOutsideMemory, value: 0x3_1235, limit: 0x3_1234)),
        (0x2_1000, [0x3_0000, 0x4_0001], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x4_0001)),
        (0x9000, [20, 0, 0, 0x3_1000], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1234)),
        // RAM that the firmware also lists as reserved is reserved.
        (0x9018, [20, 0x3_1000, 0, 0x1000, 0, 2], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1234)),
        (0x2_1010, [0x9_f000, 0x9_fc01], Fault(.moduleOutsideMemory, value: 0x9_f000, limit: 0x9_fc01)),
        // RAM that ends at 2^64, and far past it.
        (
            0x9030, [20, 0xffff_f000, .max, 0x1000, 0, 1],
            Fault(.memoryBeyondAddresses, value: 0xffff_ffff_ffff_f000, limit: 0x1000)
        ),
        (0x9030, [20, 2, 0, .max, .max, 1], Fault(.memoryBeyondAddresses, value: 2, limit: .max)),
        (0x9000, [19], Fault(.memoryMapMalformed, value: 19, limit: 20)),
        (0x9000, [0], Fault(.memoryMapMalformed, value: 0, limit: 20)),
        (0x9018, [0], Fault(.memoryMapMalformed, value: 0, limit: 20)),
        (0x9000, [64], Fault(.memoryMapMalformed, value: 1, limit: 20)),
        (0x9500 + 44, [71], Fault(.platformStructureOutsideMemory, value: 72, limit: 71)),
    ]

    @Test(arguments: refused)
    func `malformed structures are refused`(_ change: (address: Int, words: [UInt32], fault: Fault)) {
        var image = Self.image()
        image.put(change.words, at: change.address)
        let found = image.read(.multiboot, at: 0x9500).fault
        #expect(found == change.fault)
    }

    @Test func `the information itself must be readable`() {
        for address in [0x4_0000 - 51, 0x4_0000, .max, 0x1_0000_9500] as [UInt64] {
            #expect(
                Self.image().read(.multiboot, at: address).fault
                    == Fault(.platformStructureOutsideMemory, value: address, limit: 52))
        }
        #expect(
            Self.image().read(.multiboot, at: 0x9500, origin: 0x9501).fault
                == Fault(.platformStructureOutsideMemory, value: 0x9500, limit: 52))
    }

    @Test func `a command line of 65535 bytes is taken, a longer one refused`() throws {
        var image = Self.image()
        image.put(String(repeating: "a", count: 0xffff), at: 0x2_8000)
        image.put([0x2_8000], at: 0x9500 + 16)
        image.put([0, 0], at: 0x9500 + 20)
        #expect(try image.read(.multiboot, at: 0x9500).get().commandLine.size == 0xffff)
        image.put(String(repeating: "a", count: 0x1_0000), at: 0x2_8000)
        #expect(image.read(.multiboot, at: 0x9500).fault == Fault(.commandLineTooLong, limit: 0xffff))
    }

    @Test func `sixteen modules are taken, each with its command line`() throws {
        var image = Self.image()
        image.put([16], at: 0x9500 + 20)
        for index in 0..<16 {
            let start = UInt32(0x3_0000 + index * 0x400)
            image.put([start, start + 0x100, UInt32(0x2_2000 + index * 16), 0], at: 0x2_1000 + index * 16)
            image.put("module \(index)", at: 0x2_2000 + index * 16)
        }
        let facts = try image.read(.multiboot, at: 0x9500).get()
        #expect(facts.modules.map(\.range.start) == (0..<16).map { 0x3_0000 + $0 * 0x400 })
        #expect(facts.modules.map(\.commandLine.size) == (0..<16).map { $0 < 10 ? 8 : 9 })
        image.put([17], at: 0x9500 + 20)
        #expect(image.read(.multiboot, at: 0x9500).fault == Fault(.tooManyModules, value: 17, limit: 16))
    }

    @Test func `more regions than there is room for are refused`() {
        var image = PlatformImage()
        image.put([1 << 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 129 * 24, 0x1_0000], at: 0x9500)
        for index in 0..<129 { image.put([20, UInt32(index) * 0x2000, 0, 0x1000, 0, 1], at: 0x1_0000 + index * 24) }
        #expect(image.read(.multiboot, at: 0x9500).fault == Fault(.tooManyRegions, limit: 128))
        image.put([128 * 24], at: 0x9500 + 44)
        #expect(image.read(.multiboot, at: 0x9500).fault == nil)
    }

    @Test func `a structure with one changed byte is read or refused`() {
        var (read, refused) = (0, 0)
        let sound = Self.image()
        for address in Array(0x9500..<0x9534) + Array(0x9000..<0x9048) + Array(0x2_1000..<0x2_1020) {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound.bytes[address] ^ 1] as [UInt8] {
                var image = sound
                image.bytes[address] = value
                // A crash would end the run; every result must be readable.
                guard case .success(let facts) = image.read(.multiboot, at: 0x9500) else {
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
