// Linux's boot_params built by hand: the facts read, and the faults.

import Bytes
import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LinuxTests {
    /// boot_params at 0x7000 as Firecracker leaves them, plus an RSDP and a list of setup_data: a random seed, and two further
    /// entries of the memory map.
    static func image() -> PlatformImage {
        var image = PlatformImage()
        image.put([0xe_0000, 0], at: 0x7070)
        image.bytes[0x71e8] = 3
        image.put([0x5372_6448], at: 0x7202)
        image.bytes[0x7210] = 0xff
        image.put([0x3_0000, 0x1234], at: 0x7218)
        image.put([0x2_0000], at: 0x7228)
        image.put([11], at: 0x7238)
        image.put([0x2_1000, 0], at: 0x7250)
        image.put([0, 0, 0x9_fc00, 0, 1, 0x9_fc00, 0, 0x400, 0, 2, 0x10_0000, 0, 0x3ff0_0000, 0, 1], at: 0x72d0)
        image.put("-- one two", at: 0x2_0000)
        image.put([0x2_2000, 0, 9, 32, .max, .max], at: 0x2_1000)
        image.put([0, 0, 1, 40, 0x4000_0000, 0, 0x1000, 0, 3, 0, 1, 0x4000_0000, 0, 1], at: 0x2_2000)
        return image
    }

    private static func read(_ image: PlatformImage, at address: UInt64 = 0x7000) -> Result<Facts, Fault> {
        image.read(.linux, at: address)
    }

    @Test func `everything is read`() throws {
        let facts = try Self.read(Self.image()).get()
        #expect(facts.commandLine == AddressRange(0x2_0000, 0x2_000a))
        #expect(facts.rsdp == 0xe_0000)
        #expect(
            facts.modules == [
                Module(range: AddressRange(0x3_0000, 0x3_1234), commandLine: AddressRange(0, 0))
            ])
        #expect(
            facts.regions == [
                MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
                MemoryRegion(range: AddressRange(0x9_fc00, 0xa_0000), kind: .reserved),
                MemoryRegion(range: AddressRange(0x10_0000, 0x4000_0000), kind: .available),
                MemoryRegion(range: AddressRange(0x4000_0000, 0x4000_1000), kind: .acpiReclaimable),
                MemoryRegion(range: AddressRange(0x1_0000_0000, 0x1_4000_0000), kind: .available),
            ])
        for range in [
            AddressRange(0x7000, 0x8000), AddressRange(0x2_0000, 0x2_000b), AddressRange(0x3_0000, 0x3_1234),
        ] { #expect(facts.reserves(range), "\(range)") }
    }

    /// An address or a size of 0 means nothing, whatever lies at 0.
    @Test(arguments: [(0x7228, 1), (0x721c, 1), (0x7250, 2)] as [(Int, Int)])
    func `structures at 0 are absent`(_ field: Int, _ words: Int) throws {
        var image = Self.image()
        image.put("text", at: 0)
        image.put([UInt32](repeating: 0, count: words), at: field)
        let facts = try Self.read(image).get()
        #expect(facts.commandLine.isEmpty == (field == 0x7228))
        #expect(facts.modules.isEmpty == (field == 0x721c))
        #expect(facts.regions.count == (field == 0x7250 ? 3 : 5))
        #expect(!facts.reserves(AddressRange(0, 1)))
    }

    /// The map has as many entries as the field says.
    @Test(arguments: [1, 2, 19, 20, 21, 40, 41, 127, 128]) func `entries of the map are counted`(_ count: Int) throws {
        var image = Self.image()
        // No file and no further entries.
        image.put([0, 0], at: 0x7218)
        image.put([0, 0], at: 0x7250)
        image.bytes[0x71e8] = UInt8(count)
        // The entries do not touch.
        for index in 0..<128 as Range<UInt32> {
            image.put([index << 20, 0, 0x1000, 0, 1], at: 0x72d0 + Int(index) * 20)
        }
        let regions = try Self.read(image).get().regions
        let expected = (0..<UInt64(count)).map {
            MemoryRegion(range: AddressRange(at: $0 << 20, size: 0x1000), kind: .available)
        }
        #expect(regions == expected)
    }

    /// Kernels get no part of them.
    @Test func `boot_params are not for kernels`() throws {
        let facts = try Self.read(Self.image()).get()
        #expect(facts.reservations.allSatisfy { !$0.isFirmware })
    }

    @Test func `optional parts may be missing`() throws {
        var image = Self.image()
        for offset in [0x70, 0x218, 0x21c, 0x228, 0x250] { image.put([0], at: 0x7000 + offset) }
        let facts = try Self.read(image).get()
        #expect(facts.modules == [] && facts.commandLine.isEmpty && facts.rsdp == 0 && facts.regions.count == 3)
    }

    // MARK: UEFI

    /// The same, with a system table at 0x2_3000 that lists three configuration tables: of ACPI 1.0, of ACPI 2.0, and SEV-SNP's.
    private static func imageOfUEFI() -> PlatformImage {
        var image = Self.image()
        image.put([0, 0], at: 0x7070)
        image.put([0x3436_4c45, 0x2_3000], at: 0x71c0)
        image.put([0x2049_4249, 0x5453_5953], at: 0x2_3000)
        image.put([3, 0, 0x2_4000, 0], at: 0x2_3068)
        let tables: [[UInt32]] = [
            [0xeb9d_2d30, 0x11d3_2d88, 0x9000_169a, 0x4dc1_3f27, 0x3f77_e000, 0],
            [0x8868_e871, 0x11d3_e4f1, 0x8000_22bc, 0x8188_3cc7, 0x3f77_e014, 0],
            [0x067b_1f5f, 0x44c5_cf26, 0xd793_5485, 0x422d_9177, 0x80_d000, 1],
        ]
        image.put(tables.flatMap { $0 }, at: 0x2_4000)
        return image
    }

    @Test func `configuration tables give facts that boot_params lack`() throws {
        let facts = try Self.read(Self.imageOfUEFI()).get()
        #expect(facts.rsdp == 0x3f77_e014 && facts.confidentialBlob == 0x1_0080_d000)
        var told = Self.imageOfUEFI()
        told.put([0xe_0000, 0], at: 0x7070)
        #expect(try Self.read(told).get().rsdp == 0xe_0000)
        var old = Self.imageOfUEFI()
        old.put([0], at: 0x2_4018)
        #expect(try Self.read(old).get().rsdp == 0x3f77_e000)
    }

    /// One change each: the mark of efi_info, the table's address and signature, the number of tables, their address; and a page
    /// that was not cleared, whose efi_info is arbitrary.
    @Test(
        arguments: [
            (0x71c0, 0), (0x71c4, 0xffff_f000), (0x71d8, 1), (0x2_3000, 0), (0x2_3068, 0), (0x2_3070, 0x3_fff0),
            (0x71ec, .max),
        ] as [(Int, UInt32)])
    func `a system table that cannot be read is ignored`(_ address: Int, _ word: UInt32) throws {
        var image = Self.imageOfUEFI()
        image.put([word], at: address)
        let facts = try Self.read(image).get()
        #expect(facts.rsdp == 0 && facts.confidentialBlob == 0)
    }

    /// Memory has 256 KiB.
    @Test(arguments: [false, true]) func `configuration tables may end where memory ends`(_ isOutside: Bool) throws {
        var image = Self.imageOfUEFI()
        let size = 3 * 24
        let start = image.bytes.count - size
        image.bytes.replaceSubrange(start..., with: image.bytes[0x2_4000..<0x2_4000 + size])
        image.put([UInt32(start) + (isOutside ? 1 : 0)], at: 0x2_3070)
        let facts = try Self.read(image).get()
        #expect(facts.rsdp == (isOutside ? 0 : 0x3f77_e014))
        #expect(facts.confidentialBlob == (isOutside ? 0 : 0x1_0080_d000))
    }

    @Test func `any number of tables is survived`() throws {
        var image = Self.imageOfUEFI()
        image.put([.max, .max], at: 0x2_3068)
        #expect(try Self.read(image).get().rsdp == 0x3f77_e014)
    }

    /// Older starters leave 0 there, and others the value in the kernel's file: the largest size that the kernel accepts.
    @Test(arguments: [0, 3, 2047, .max] as [UInt32]) func `the size of the command line is its own`(
        _ size: UInt32
    ) throws {
        var image = Self.image()
        image.put([size], at: 0x7238)
        #expect(try Self.read(image).get().commandLine == AddressRange(0x2_0000, 0x2_000a))
    }

    /// zero-page.rst: if the sentinel is not 0, the starter filled in the header and the map only.
    @Test func `fields that were not cleared are not read`() throws {
        var image = Self.image()
        for offset in [0x70, 0x74, 0xc0, 0xc4, 0xc8] { image.put([0xa5a5_a5a5], at: 0x7000 + offset) }
        #expect(Self.read(image).fault?.rule == .platformStructureOutsideMemory)
        image.bytes[0x71ef] = 0xa5
        let facts = try Self.read(image).get()
        #expect(facts.rsdp == 0)
        #expect(facts.commandLine == AddressRange(0x2_0000, 0x2_000a))
        #expect(facts.modules.map(\.range) == [AddressRange(0x3_0000, 0x3_1234)])
    }

    /// Offsets in boot_params, words put there, and the fault they lead to.
    static let refused: [(offset: Int, words: [UInt32], Fault)] = [
        (0x1e8, [0], Fault(.noMemoryMap)),
        // 129 entries, and 255, for which boot_params have no room.
        (0x1e8, [129], Fault(.tooManyRegions, limit: 128)),
        (0x1e8, [255], Fault(.tooManyRegions, limit: 128)),
        (0x0c8, [1], Fault(.platformStructureOutsideMemory, value: 0x1_0002_0000, limit: 0x1_0000)),
        (0x228, [0x4_0000], Fault(.platformStructureOutsideMemory, value: 0x4_0000, limit: 0x1_0000)),
        (0x0c0, [1], Fault(.moduleOutsideMemory, value: 0x1_0003_0000, limit: 0x1_0003_1234)),
        (0x0c4, [1], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x1_0003_1234)),
        (0x0c4, [.max], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0xffff_ffff_0003_1234)),
        (0x21c, [0x1_0001], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x4_0001)),
        // RAM that the map lacks, or lists as reserved as well.
        (0x2d8, [0x3_1000], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1234)),
        (0x2e4, [0x3_1000], Fault(.moduleOutsideMemory, value: 0x3_0000, limit: 0x3_1234)),
        (0x2f8, [0xffff_f000, .max, 0x1001], Fault(.memoryBeyondAddresses, value: .max - 0xfff, limit: 0x1001)),
    ]

    @Test(arguments: refused)
    func `malformed structures are refused`(_ change: (offset: Int, words: [UInt32], fault: Fault)) {
        var image = Self.image()
        image.put(change.words, at: 0x7000 + change.offset)
        #expect(Self.read(image).fault == change.fault)
    }

    @Test func `a list of setup_data has an end`() throws {
        var image = Self.image()
        // An element that points to itself.
        image.put([0x2_1000, 0], at: 0x2_1000)
        #expect(Self.read(image).fault == Fault(.setupDataEndless, limit: 64))
        // 64 elements are read, and more refused.
        for index in 0..<65 { image.put([UInt32(0x2_4000 + index * 16 + 16), 0, 9, 0], at: 0x2_4000 + index * 16) }
        image.put([0x2_4000, 0], at: 0x7250)
        image.put([0, 0], at: 0x2_4000 + 64 * 16)
        #expect(Self.read(image).fault == Fault(.setupDataEndless, limit: 64))
        image.put([0x2_4010, 0], at: 0x7250)
        #expect(Self.read(image).fault == nil)
    }

    @Test func `a wrong size of setup_data is refused`() throws {
        var image = Self.image()
        image.put([.max], at: 0x2_200c)
        #expect(
            Self.read(image).fault == Fault(.platformStructureOutsideMemory, value: 0x2_2010, limit: 0xffff_ffff))
        // An incomplete entry does not count.
        image.put([39], at: 0x2_200c)
        #expect(try Self.read(image).get().regions.count == 4)
        // Elements that are not read may have any size.
        image.put([0, 0, 9, .max], at: 0x2_1000)
        #expect(try Self.read(image).get().regions.count == 3)
    }

    @Test func `128 regions are taken, more refused`() throws {
        var image = Self.image()
        image.put([0], at: 0x721c)
        image.bytes[0x71e8] = 128
        for index in 0..<128 { image.put([UInt32(index) * 0x2000, 0, 0x1000, 0, 1], at: 0x72d0 + index * 20) }
        #expect(Self.read(image).fault == Fault(.tooManyRegions, limit: 128))
        // No file and no further entries.
        image.put([0, 0], at: 0x7218)
        image.put([0, 0], at: 0x7250)
        #expect(try Self.read(image).get().regions.count == 128)
    }

    @Test func `boot_params themselves must be readable`() {
        for address in [0x4_0000 - 4095, 0x4_0000, .max] as [UInt64] {
            #expect(
                Self.read(Self.image(), at: address).fault
                    == Fault(.platformStructureOutsideMemory, value: address, limit: 4096))
        }
    }

    /// No register identifies Linux: any of them may hold any value.
    @Test func `a starter is recognised by its magic number, or by boot_params`() {
        let image = Self.image()
        func identify(_ magic: UInt32, _ address: UInt64) -> Result<BootProtocol, Fault> {
            let memory = PhysicalMemory(ByteView(image.bytes.span.bytes), origin: 0)
            do throws(Fault) {
                return .success(try BootProtocol(magic: magic, information: address, memory))
            } catch { return .failure(error) }
        }
        #expect(identify(0, 0x7000) == .success(.linux))
        #expect(identify(0xffff_ffff, 0x7000) == .success(.linux))
        #expect(identify(0x2bad_b002, 0x7000) == .success(.multiboot))
        #expect(identify(0x336e_c578, 0x7000) == .success(.pvh))
        for address in [0, 0x6fff, 0x7001, 0x3_f001, 0x4_0000, 0x1_0000_7000, 0x8000_0000_0000_7000, .max] as [UInt64] {
            #expect(
                identify(5, address) == .failure(Fault(.unknownBootProtocol, value: 5, limit: address)), "\(address)")
        }
    }

    @Test func `a structure with one changed byte is read or refused`() {
        var (read, refused) = (0, 0)
        let sound = Self.image()
        for address in Array(0x7000..<0x7320) + Array(0x2_1000..<0x2_1010) + Array(0x2_2000..<0x2_2038) {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound.bytes[address] ^ 1] as [UInt8] {
                var image = sound
                image.bytes[address] = value
                guard case .success(let facts) = Self.read(image) else {
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
