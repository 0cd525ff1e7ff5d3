// BootInfo's bytes, generation by generation, against the layouts of hermit-entry's structures.

import Bytes
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct BootInfoTests {
    /// A value in the structure.
    struct Field {
        var offset: Int, value: UInt64, size: Int
        init(_ offset: Int, _ value: UInt64, _ size: Int = 8) {
            self.offset = offset
            self.value = value
            self.size = size
        }
    }

    /// `size` bytes, zero but for `fields`.
    static func bytes(_ size: Int, _ fields: [Field]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size)
        for field in fields {
            bytes.replaceSubrange(
                field.offset..<field.offset + field.size, with: littleEndian(field.value).prefix(field.size))
        }
        return bytes
    }

    static func info(multiboot: UInt64, tls: Bool = true) -> BootInfo {
        var info = BootInfo(imageStart: 0x40_0000, imageEnd: 0x52_3456, stack: 0x9_0000)
        if tls { info.tls = TLSInfo(start: 0x45_0000, filesz: 0x123, memsz: 0x456, align: 0x40) }
        info.serialPort = 0x3f8
        info.deviceTree = 0x8_8000
        info.commandLine = 0x8_9000
        info.commandLineSize = 77
        info.multibootInformation = multiboot
        return info
    }

    /// The bytes written at offset 16 of 16 + `size` + 16 bytes that are 0xcc before.
    static func written(
        _ info: BootInfo, _ generation: Generation, _ size: Int, alignsWideIntegers: Bool = false
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xcc, count: size + 32)
        var written = false
        do {
            var span = bytes.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0x1000)
            written = info.write(
                generation, alignsWideIntegers: alignsWideIntegers, to: &region, at: 0x1010)
        }
        #expect(written)
        #expect(bytes[..<16].allSatisfy { $0 == 0xcc })
        #expect(bytes[(16 + size)...].allSatisfy { $0 == 0xcc })
        return Array(bytes[16..<16 + size])
    }

    @Test(arguments: [.zero, .one] as [Generation])
    func `generations 0 and 1`(_ generation: Generation) {
        let fields = [
            Field(0x00, 0xc0de_cafe, 4), Field(0x04, 1, 4), Field(0x08, 0x40_0000), Field(0x10, 0),
            Field(0x18, 0x12_3456), Field(0x38, 0x9_0000), Field(0x58, 0x9500), Field(0x60, 0x8_9000), Field(0x68, 77),
            Field(0x70, 0, 4), Field(0x74, 0xffff_ffff, 4), Field(0x78, 0, 4), Field(0x84, 0x3f8, 2), Field(0x86, 1, 1),
            Field(0x88, 0xffff_ffff, 4), Field(0x8c, 0xffff_ffff, 4), Field(0x90, 0x00ff_ffff, 4),
        ]
        let tls = [Field(0x20, 0x45_0000), Field(0x28, 0x123), Field(0x30, 0x456), Field(0x98, 0x40)]
        #expect(BootInfo.size(generation) == 160)
        #expect(Self.written(Self.info(multiboot: 0x9500), generation, 160) == Self.bytes(160, fields + tls))
        #expect(Self.written(Self.info(multiboot: 0x9500, tls: false), generation, 160) == Self.bytes(160, fields))
    }

    @Test func `generation 2`() {
        let fields = [
            Field(0, 0), Field(8, 0), Field(16, 0x3f8, 2), Field(24, 0x40_0000), Field(32, 0x52_3456),
            Field(72, 0, 4), Field(80, 0x8_9000), Field(88, 77), Field(96, 0x9500),
        ]
        let tls = [Field(40, 0x45_0000), Field(48, 0x123), Field(56, 0x456), Field(64, 0x40)]
        #expect(BootInfo.size(.two) == 120)
        #expect(Self.written(Self.info(multiboot: 0x9500), .two, 120) == Self.bytes(120, fields + tls))
        #expect(Self.written(Self.info(multiboot: 0x9500, tls: false), .two, 120) == Self.bytes(120, fields))
    }

    @Test(arguments: [.three, .fourRecursive, .fourIdentity] as [Generation])
    func `generations 3 and 4`(_ generation: Generation) {
        let hardware = [
            Field(0, 0), Field(8, 0), Field(16, 0x3f8, 2), Field(24, 0x8_8000), Field(32, 0x40_0000),
            Field(40, 0x52_3456),
        ]
        let multiboot = [Field(80, 0, 4), Field(88, 0x8_9000), Field(96, 77), Field(104, 0x9500)]
        let tls = [Field(48, 0x45_0000), Field(56, 0x123), Field(64, 0x456), Field(72, 0x40)]
        #expect(BootInfo.size(generation) == 128)
        #expect(
            Self.written(Self.info(multiboot: 0x9500), generation, 128) == Self.bytes(128, hardware + multiboot + tls))
        #expect(
            Self.written(Self.info(multiboot: 0x9500, tls: false), generation, 128)
                == Self.bytes(128, hardware + multiboot))
        // Tag 3 has no payload; tag 0 with a zero address would be undefined behaviour in the kernel.
        #expect(
            Self.written(Self.info(multiboot: 0), generation, 128)
                == Self.bytes(128, hardware + tls + [Field(80, 3, 4)]))
    }

    /// No thread-local storage, serial port, device tree or command line: each of their fields is 0.
    @Test func `a BootInfo has only what it was given`() {
        var info = BootInfo(imageStart: 0x40_0000, imageEnd: 0x52_3456, stack: 0x9_0000)
        let first = [
            Field(0x00, 0xc0de_cafe, 4), Field(0x04, 1, 4), Field(0x08, 0x40_0000), Field(0x18, 0x12_3456),
            Field(0x38, 0x9_0000), Field(0x74, 0xffff_ffff, 4), Field(0x86, 1, 1), Field(0x88, 0xffff_ffff, 4),
            Field(0x8c, 0xffff_ffff, 4), Field(0x90, 0x00ff_ffff, 4),
        ]
        let image = [Field(32, 0x40_0000), Field(40, 0x52_3456)]
        #expect(Self.written(info, .one, 160) == Self.bytes(160, first))
        #expect(Self.written(info, .fourIdentity, 128) == Self.bytes(128, image + [Field(80, 3, 4)]))
        info.multibootInformation = 0x9500
        #expect(Self.written(info, .one, 160) == Self.bytes(160, first + [Field(0x58, 0x9500)]))
        #expect(Self.written(info, .fourIdentity, 128) == Self.bytes(128, image + [Field(104, 0x9500)]))
    }

    @Test func `generations 2 and 3 with 128-bit integers aligned to 16`() {
        let multiboot = [Field(80, 0, 4), Field(96, 0x8_9000), Field(104, 77), Field(112, 0x9500)]
        let two = [Field(16, 0x3f8, 2), Field(24, 0x40_0000), Field(32, 0x52_3456)]
        let three = [Field(16, 0x3f8, 2), Field(24, 0x8_8000), Field(32, 0x40_0000), Field(40, 0x52_3456)]
        for (generation, fields) in [(Generation.two, two), (.three, three)] {
            #expect(BootInfo.size(generation, alignsWideIntegers: true) == 144)
            #expect(
                Self.written(
                    Self.info(multiboot: 0x9500, tls: false), generation, 144, alignsWideIntegers: true)
                    == Self.bytes(144, fields + multiboot))
        }
    }

    /// The named fields are the written ones: one word each, in order, and no others.
    @Test(arguments: [.zero, .one, .two, .three, .fourRecursive, .fourIdentity] as [Generation], [false, true])
    func `fields by name`(_ generation: Generation, _ isAligned: Bool) {
        let size = Int(BootInfo.size(generation, alignsWideIntegers: isAligned))
        let info = Self.info(multiboot: 0x9500)
        var (fields, names, end): ([Field], [String], UInt64) = ([], [], 0)
        info.forEachField(generation, alignsWideIntegers: isAligned) { name, offset, size, value in
            #expect(offset >= end && offset % size == 0 && offset / 8 == (offset + size - 1) / 8)
            end = offset + size
            names.append("\(name)")
            fields.append(Field(Int(offset), value, Int(size)))
        }
        #expect(
            end <= size && Set(names).count == names.count
                && names.count == (size == 160 ? 27 : generation == .two ? 13 : 14))
        let bytes = Self.written(info, generation, size, alignsWideIntegers: isAligned)
        #expect(bytes == Self.bytes(size, fields))
    }

    @Test(arguments: [.zero, .one, .two, .three, .fourRecursive, .fourIdentity] as [Generation])
    func `a BootInfo that does not fit is not written`(_ generation: Generation) {
        var bytes = [UInt8](repeating: 0xcc, count: Int(BootInfo.size(generation)) - 1)
        let before = bytes
        var written = true
        do {
            var span = bytes.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0x1000)
            written = Self.info(multiboot: 1).write(generation, to: &region, at: 0x1000)
        }
        #expect(!written)
        #expect(bytes == before)
        // The handoff's GDT lies at that distance after it.
        #expect(BootInfo.size(generation) <= 0x100)
    }

    /// Only entry versions 2 and 3 have a layout that depends on the alignment of integers.
    @Test(arguments: [Generation.zero, .one, .fourRecursive, .fourIdentity])
    func `other generations do not depend on the alignment of wide integers`(_ generation: Generation) {
        for multiboot in [0, 0x9500] as [UInt64] {
            let size = Int(BootInfo.size(generation))
            #expect(BootInfo.size(generation, alignsWideIntegers: true) == UInt64(size))
            let aligned = Self.written(Self.info(multiboot: multiboot), generation, size, alignsWideIntegers: true)
            #expect(aligned == Self.written(Self.info(multiboot: multiboot), generation, size))
        }
    }
}
