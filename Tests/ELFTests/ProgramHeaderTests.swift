// Program headers: their fields, and the rules of segments.

import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProgramHeaderTests {
    /// The first program header of a file whose single segment is `segment`.
    static func read(_ segment: Segment) throws -> ProgramHeader {
        var writer = ELFWriter()
        writer.hasLoadSegment = false
        writer.segments = [segment]
        let file = writer.bytes
        let view = ByteView(file.span.bytes)
        return try ProgramHeaders(view, FileHeader(view))[0]
    }

    @Test func `every field is read from its offset`() throws {
        var file = ELFWriter().bytes
        file.put(UInt32(0x1111_1111), at: 64)
        file.put(UInt32(0x2222_2222), at: 68)
        for field in 0..<6 { file.put(UInt64(0x3333_0000 + field), at: 72 + field * 8) }
        let view = ByteView(file.span.bytes)
        let header = try ProgramHeaders(view, FileHeader(view))[0]
        #expect(header.type == 0x1111_1111)
        #expect(header.flags == 0x2222_2222)
        #expect(header.offset == 0x3333_0000)
        #expect(header.vaddr == 0x3333_0001)
        #expect(header.paddr == 0x3333_0002)
        #expect(header.filesz == 0x3333_0003)
        #expect(header.memsz == 0x3333_0004)
        #expect(header.align == 0x3333_0005)
    }

    /// A segment of a file of 100 bytes, and the fault it leads to.
    static let cases: [(Segment, Fault?)] = [
        (Segment(1, offset: 0, vaddr: 0, filesz: 100), nil),
        (Segment(1, offset: 100, vaddr: 0, filesz: 0), nil),
        (
            Segment(1, offset: 0, vaddr: 0, filesz: 101),
            Fault(.segmentBeyondFile, .programHeader(7), value: 101, limit: 100)
        ),
        // No bytes are read from there.
        (Segment(1, offset: 101, vaddr: 0, filesz: 0), nil),
        (Segment(1, offset: .max, vaddr: 0, filesz: 0, memsz: 50), nil),
        (
            Segment(1, offset: 100, vaddr: 0, filesz: 1),
            Fault(.segmentBeyondFile, .programHeader(7), value: 101, limit: 100)
        ),
        (
            Segment(1, offset: .max, vaddr: 0, filesz: 1),
            Fault(.segmentBeyondFile, .programHeader(7), value: .max, limit: 100)
        ),
        (
            Segment(1, offset: 1, vaddr: 0, filesz: .max),
            Fault(.segmentBeyondFile, .programHeader(7), value: .max, limit: 100)
        ),
        (
            Segment(1, offset: 0, vaddr: 0, filesz: 50, memsz: 49),
            Fault(.segmentFileSizeExceedsMemory, .programHeader(7), value: 50, limit: 49)
        ),
        (Segment(1, offset: 0, vaddr: .max - 50, filesz: 50), nil),
        (
            Segment(1, offset: 0, vaddr: .max - 50, filesz: 50, memsz: 51),
            Fault(.segmentAddressOverflow, .programHeader(7), value: .max - 50, limit: 51)
        ),
        (Segment(1, offset: 0, vaddr: 0, filesz: 1, align: 0), nil),
        (Segment(1, offset: 0, vaddr: 0, filesz: 1, align: 1 << 63), nil),
        (
            Segment(1, offset: 0, vaddr: 0, filesz: 1, align: 3),
            Fault(.segmentAlignment, .programHeader(7), value: 3)
        ),
        (
            Segment(1, offset: 0, vaddr: 0, filesz: 1, align: .max),
            Fault(.segmentAlignment, .programHeader(7), value: .max)
        ),
    ]

    @Test(arguments: cases) func `the rules of segments are checked`(_ segment: Segment, _ expected: Fault?) throws {
        let header = try Self.read(segment)
        #expect(fault { try header.validate(index: 7, fileCount: 100) } == expected)
    }

    /// An address belongs to the first PT_LOAD segment whose memory contains it; other segments do not count.
    @Test func `a segment contains its first byte and its last one, and none beyond`() throws {
        var writer = ELFWriter()
        writer.hasLoadSegment = false
        writer.segments = [
            Segment(2, offset: 0, vaddr: 0, filesz: 0, memsz: .max),
            Segment(1, offset: 0, vaddr: 0x1000, filesz: 1, memsz: 16),
            Segment(1, offset: 0, vaddr: 0x100f, filesz: 0, memsz: 17),
            Segment(1, offset: 0, vaddr: .max - 3, filesz: 0, memsz: 4),
        ]
        let file = writer.bytes
        let view = ByteView(file.span.bytes)
        let headers = try ProgramHeaders(view, FileHeader(view))
        var found: [Int?] = []
        for address in [0xfff, 0x1000, 0x100f, 0x1010, 0x101f, 0x1020, .max - 4, .max - 3, .max, 0] as [UInt64] {
            found.append(headers.segment(at: address))
        }
        #expect(found == [nil, 1, 1, 2, 2, nil, nil, 3, 3, nil])
        let types = (0..<headers.count).map { headers.type($0) }
        #expect(types == [2, 1, 1, 1])
    }

    @Test func `flags allow executing and writing`() throws {
        for flags in 0...7 as ClosedRange<UInt32> {
            let header = try Self.read(Segment(1, offset: 0, vaddr: 0, filesz: 1, flags: flags))
            #expect(header.isExecutable == (flags & 1 != 0) && header.isWritable == (flags & 2 != 0))
        }
    }
}
