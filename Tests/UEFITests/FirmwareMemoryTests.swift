// UEFI's memory map: the meaning of each kind after boot services, and the search for room.

import Bytes
import Memory
import TestSupport
import Testing
import UEFI

/// EFI_MEMORY_DESCRIPTOR, to be written.
struct Descriptor {
    var type: UInt32
    var start: UInt64
    var pages: UInt64
    /// EFI_MEMORY_WB and other kinds of caching, as firmware sets them for RAM.
    var attributes: UInt64 = 0xf

    func bytes(_ size: Int = 48) -> [UInt8] {
        let fields =
            littleEndian(type) + [0xaa, 0xaa, 0xaa, 0xaa] + littleEndian(start) + littleEndian(UInt64(0))
            + littleEndian(pages)
        return fields + littleEndian(attributes) + [UInt8](repeating: 0xaa, count: size - 40)
    }
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FirmwareMemoryTests {
    private func regions(_ descriptors: [Descriptor], size: Int = 48) -> [MemoryRegion] {
        let bytes = descriptors.flatMap { $0.bytes(size) }
        let memory = FirmwareMemory(ByteView(bytes.span.bytes), entrySize: UInt64(size))
        return (0..<memory.count).map { memory[$0] }
    }

    /// UEFI 2.10, table 7.10: "Memory Type Usage after ExitBootServices()".
    @Test(
        arguments: [
            .reserved, .available, .available, .available, .available, .reserved, .reserved, .available, .defective,
            .acpiReclaimable, .acpiNonVolatile, .reserved, .reserved, .reserved, .reserved, .reserved, .reserved,
        ].enumerated().map { (UInt32($0.offset), $0.element) } + [(0x8000_0000, .reserved), (.max, .reserved)]
            as [(UInt32, MemoryKind)])
    func `each kind is as specified`(_ type: UInt32, _ kind: MemoryKind) {
        #expect(MemoryKind(uefi: type, attributes: 0xf) == kind)
    }

    @Test func `RAM that cannot be cached, or has a specific purpose, is not available`() {
        for type in [1, 2, 3, 4, 7] as [UInt32] {
            #expect(MemoryKind(uefi: type, attributes: 0x7) == .reserved)
            #expect(MemoryKind(uefi: type, attributes: 0xf | 1 << 18) == .reserved)
            #expect(MemoryKind(uefi: type, attributes: 0xf | 1 << 15) == .available)
        }
    }

    @Test(arguments: [40, 48, 56, 64]) func `descriptors may be longer than their known fields`(_ size: Int) {
        #expect(
            regions(
                [Descriptor(type: 7, start: 0, pages: 0xa0), Descriptor(type: 0, start: 0x10_0000, pages: 1)],
                size: size)
                == [
                    MemoryRegion(range: AddressRange(0, 0xa_0000), kind: .available),
                    MemoryRegion(range: AddressRange(0x10_0000, 0x10_1000), kind: .reserved),
                ])
    }

    @Test func `a map that is too short has no descriptors`() {
        #expect(regions([Descriptor(type: 7, start: 0, pages: 1)], size: 40).count == 1)
        let bytes = [UInt8](repeating: 7, count: 100)
        for size in [0, 1, 8, 39] as [UInt64] {
            #expect(FirmwareMemory(ByteView(bytes.span.bytes), entrySize: size).count == 0)
        }
        #expect(FirmwareMemory(ByteView(bytes.span.bytes), entrySize: 101).count == 0)
        #expect(FirmwareMemory(ByteView(bytes.span.bytes), entrySize: .max).count == 0)
    }

    @Test func `ranges end at the last address`() {
        let all = regions([
            Descriptor(type: 7, start: 0x1000, pages: .max),
            Descriptor(type: 7, start: 0xffff_ffff_ffff_f000, pages: 2),
        ])
        #expect(all.map(\.range) == [AddressRange(0x1000, .max), AddressRange(0xffff_ffff_ffff_f000, .max)])
    }

    // MARK: Room

    private func room(_ descriptors: [Descriptor], size: UInt64 = 0x4_0000, limit: UInt64 = 1 << 31) -> UInt64? {
        let bytes = descriptors.flatMap { $0.bytes() }
        return FirmwareMemory(ByteView(bytes.span.bytes), entrySize: 48).room(
            for: size, alignment: 0x10_0000, limit: limit)
    }

    @Test func `the lowest free memory from 1 MiB on is taken, in whatever order it is listed`() {
        let high = Descriptor(type: 7, start: 0x4000_0000, pages: 0x100)
        let low = Descriptor(type: 7, start: 0x90_0000, pages: 0x100)
        let first = Descriptor(type: 7, start: 0x10_0000, pages: 0x40)
        #expect(room([high, low]) == 0x90_0000)
        #expect(room([high, first, low]) == 0x10_0000)
        #expect(room([Descriptor(type: 7, start: 0, pages: 0x400)]) == 0x10_0000)
    }

    @Test func `memory that is in use, not RAM, too small or too high is not taken`() {
        for type in [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 15] as [UInt32] {
            #expect(room([Descriptor(type: type, start: 0x10_0000, pages: 0x100)]) == nil, "\(type)")
        }
        #expect(room([Descriptor(type: 7, start: 0x10_0000, pages: 0x100, attributes: 1)]) == nil)
        #expect(room([Descriptor(type: 7, start: 0x10_0000, pages: 0x3f)]) == nil)
        #expect(room([Descriptor(type: 7, start: 0x10_1000, pages: 0x100)]) == nil)
        #expect(room([Descriptor(type: 7, start: 0x10_1000, pages: 0x140)]) == 0x20_0000)
        #expect(room([Descriptor(type: 7, start: 0x8000_0000, pages: 0x100)]) == nil)
        #expect(room([Descriptor(type: 7, start: 0x7ff0_0000, pages: 0x100)]) == 0x7ff0_0000)
        #expect(room([Descriptor(type: 7, start: 0x7ff0_0000, pages: 0x100)], size: 0x10_1000) == nil)
        #expect(room([Descriptor(type: 7, start: .max & ~0xfff, pages: .max)]) == nil)
    }
}
