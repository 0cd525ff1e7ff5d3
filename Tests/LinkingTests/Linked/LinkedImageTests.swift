// Validating and loading images, compared with bytes that the test computes.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

/// `file`, loaded and relocated: in the suite, `load` is a segment.
private func loadedFile(_ file: [UInt8]) -> Loaded { load(file) }

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LinkingTests {
    /// A file without the writer's own segment and with these.
    static func file(_ segments: [Segment], type: UInt16 = 3, entry: UInt64 = 0x1000, size: Int = 0x400) -> [UInt8] {
        var writer = ELFWriter(type: type)
        writer.hasLoadSegment = false
        writer.segments = segments
        writer.entry = entry
        var bytes = writer.bytes
        while bytes.count < size { bytes.append(UInt8(truncatingIfNeeded: bytes.count * 7 + 1)) }
        return bytes
    }

    static let load = Segment(1, offset: 0, vaddr: 0x1000, filesz: 0x100)

    /// Notes are read from the first PT_NOTE on, at any program header, with any number of others after it.
    @Test func `the first PT_NOTE is known, also as the first of all program headers`() throws {
        let note = Segment(4, offset: 0x100, vaddr: 0x1100, filesz: 0)
        let cases: [([Segment], Int?)] = [
            ([note, Self.load, note], 0), ([Self.load, note, note], 1), ([Self.load], nil),
        ]
        for (segments, first) in cases {
            let file = Self.file(segments)
            #expect(try LinkedImage(ByteView(file.span.bytes)).properties.firstNote == first)
        }
    }

    /// The largest alignment of all PT_LOAD segments and of the thread-local template, in any order.
    @Test func `the image has the largest alignment of its parts`() throws {
        let alignments: [UInt64] = [0, 1, 16, 0x1000, 0x20_0000]
        for first in alignments {
            for second in alignments {
                for template in alignments {
                    var segments = [Self.load, Segment(1, offset: 0, vaddr: 0x40_0000, filesz: 0x100)]
                    (segments[0].align, segments[1].align) = (first, second)
                    let tls = Segment(7, offset: 0, vaddr: 0x1000, filesz: 8, align: template)
                    for place in 0...2 {
                        var all = segments
                        all.insert(tls, at: place)
                        let file = Self.file(all)
                        let image = try LinkedImage(ByteView(file.span.bytes))
                        #expect(image.alignment == max(first, second, template, 1))
                        #expect(image.properties.threadLocalAlignment == max(template, 1))
                    }
                }
            }
        }
    }

    /// More program headers than 16 bits can count: section header 0 has their number. The last one is the PT_LOAD.
    @Test func `seventy thousand program headers are read`() throws {
        let count = 70_000
        var file = [UInt8](repeating: 0, count: 64 + 56 * count + 64)
        let small = Self.file([Self.load])
        file.replaceSubrange(0..<64, with: small[..<64])
        file.replaceSubrange(64 + 56 * (count - 1)..<64 + 56 * count, with: small[64..<120])
        file.put(UInt64(64), at: 32)
        file.put(UInt16(0xffff), at: 56)
        file.put(UInt64(64 + 56 * count), at: 40)
        file.put(UInt16(64), at: 58)
        file.put(UInt16(1), at: 60)
        file.put(UInt32(count), at: 64 + 56 * count + 44)
        let image = try LinkedImage(ByteView(file.span.bytes))
        #expect(image.programHeaders.count == count)
        #expect(image.linkStart == 0)
        #expect(image.size == 0x1100)
        let more = file.putting(UInt32(count + 2), at: 64 + 56 * count + 44)
        let refused = fault { _ = try LinkedImage(ByteView(more.span.bytes)) }
        #expect(
            refused
                == Fault(
                    .programHeadersBeyondFile, .header, value: 64 + 56 * UInt64(count + 2), limit: UInt64(file.count)))
    }

    /// Segments as `objcopy --only-keep-debug` leaves them: without bytes in the file, at an offset past its end.
    @Test(arguments: [0x400, 0x401, 1 << 40, .max] as [UInt64])
    func `a segment of any kind without bytes may point anywhere`(_ offset: UInt64) throws {
        let empty = Segment(1, offset: offset, vaddr: 0x2000, filesz: 0, memsz: 0x100)
        let others = [2, 4, 6, 7, 0x6474_e551, 0x6474_e552, 0x6474_e553].map { type in
            Segment(type, offset: offset, vaddr: 0x2000, filesz: 0, memsz: type == 7 ? 0x20 : 0)
        }
        let file = Self.file([Self.load, empty] + others)
        let result = loadedFile(file)
        #expect(result.fault == nil && result.guardsAreIntact)
        #expect(result.bytes[0x2000..<0x2100].allSatisfy { $0 == 0 })
        #expect(result.bytes.count == 0x2100)
        let first = loadedFile(
            Self.file([Segment(1, offset: offset, vaddr: 0x1000, filesz: 0, memsz: 0x100)]))
        #expect(first.fault == nil && first.bytes.count == 0x1100)
        // A library's interpreter is ignored; an application's is reported, even without a name.
        let interpreted = Self.file([Self.load, Segment(3, offset: offset, vaddr: 0x2000, filesz: 0)])
        let refused = fault { _ = try LinkedImage(ByteView(interpreted.span.bytes)) }
        #expect(refused == Fault(.needsInterpreter, .programHeader(1), nameOffset: 0))
    }

    static let refused: [([UInt8], Fault)] = [
        (ELFWriter(type: 1).bytes, Fault(.objectFile, .header)),
        (file([]), Fault(.noProgramHeaders, .header)),
        (file([Segment(4, offset: 0, vaddr: 0, filesz: 0)]), Fault(.noLoadSegment, .header)),
        (file([Segment(1, offset: 0, vaddr: 0, filesz: 0)]), Fault(.noLoadSegment, .header)),
        (
            file([load, Segment(1, offset: 0, vaddr: 0x10ff, filesz: 1)]),
            Fault(.segmentsOverlap, .programHeader(1), value: 0x10ff, limit: 0x1100)
        ),
        (
            file([load, Segment(1, offset: 0, vaddr: 0xf00, filesz: 1)]),
            Fault(.segmentsOverlap, .programHeader(1), value: 0xf00, limit: 0x1100)
        ),
        (
            file([Segment(1, offset: 0x300, vaddr: 0x1000, filesz: 0x101)], size: 0x400),
            Fault(.segmentBeyondFile, .programHeader(0), value: 0x401, limit: 0x400)
        ),
        (
            file([load, Segment(1, offset: 0, vaddr: 0x2000, filesz: 2, memsz: 1)]),
            Fault(.segmentFileSizeExceedsMemory, .programHeader(1), value: 2, limit: 1)
        ),
        (
            file([load, Segment(1, offset: 0, vaddr: .max, filesz: 1, memsz: 1)]),
            Fault(.segmentAddressOverflow, .programHeader(1), value: .max, limit: 1)
        ),
        (
            file([Segment(1, offset: 0, vaddr: 0x1000, filesz: 1, align: 6)]),
            Fault(.segmentAlignment, .programHeader(0), value: 6)
        ),
        (file([load], entry: 0xfff), Fault(.entryOutsideImage, .header, value: 0xfff)),
        (file([load], entry: 0x1100), Fault(.entryOutsideImage, .header, value: 0x1100)),
        (
            file([load, Segment(1, offset: 0, vaddr: 0x3000, filesz: 0x10)], entry: 0x2000),
            Fault(.entryOutsideImage, .header, value: 0x2000)
        ),
        (
            file([load, Segment(3, offset: 0x123, vaddr: 0x1000, filesz: 4)]),
            Fault(.needsInterpreter, .programHeader(1), nameOffset: 0x123)
        ),
        (
            file([load, Segment(2, offset: 0, vaddr: 0, filesz: 0), Segment(2, offset: 0, vaddr: 0, filesz: 0)]),
            Fault(.duplicateSegmentType, .programHeader(2), value: 2)
        ),
        (
            file([load, Segment(7, offset: 0, vaddr: 0, filesz: 0), Segment(7, offset: 0, vaddr: 0, filesz: 0)]),
            Fault(.duplicateSegmentType, .programHeader(2), value: 7)
        ),
        (
            file([load, Segment(7, offset: 0, vaddr: 0x10f0, filesz: 0x11)]),
            Fault(.tlsOutsideImage, .programHeader(1), value: 0x10f0)
        ),
        (
            file([load, Segment(7, offset: 0, vaddr: 0xfff, filesz: 1)]),
            Fault(.tlsOutsideImage, .programHeader(1), value: 0xfff)
        ),
        (
            file([load, Segment(7, offset: 0, vaddr: 0x1000, filesz: 1, align: 12)]),
            Fault(.segmentAlignment, .programHeader(1), value: 12)
        ),
    ]

    @Test(arguments: refused) func `files that break a rule are refused`(_ file: [UInt8], _ expected: Fault) {
        #expect(fault { _ = try LinkedImage(ByteView(file.span.bytes)) } == expected)
    }

    /// A program after `objcopy --only-keep-debug`: its code section has no bytes.
    @Test func `a file of debugging information is recognised by the section of its entry point`() {
        /// Section headers after the file: none, then one of another address, then that of the entry point.
        func file(_ type: UInt32, _ address: UInt64, entrySize: UInt16 = 64, hasTable: Bool = true) -> [UInt8] {
            var bytes = Self.file([Self.load], entry: 0x1080)
            let start = bytes.count
            bytes += [UInt8](repeating: 0, count: 3 * 64)
            for (index, address) in [0x2000, address].enumerated() {
                let header = start + 64 * (index + 1)
                bytes.put(index == 0 ? 8 : type, at: header + 4)
                bytes.put(2 as UInt64, at: header + 8)
                bytes.put(address, at: header + 16)
                bytes.put(0x80 as UInt64, at: header + 32)
            }
            if hasTable { bytes.put(UInt64(start), at: 40) }
            bytes.put(entrySize, at: 58)
            bytes.put(3 as UInt16, at: 60)
            return bytes
        }
        func refusal(_ file: [UInt8], _ role: LinkedImage.Role = .application) -> Fault? {
            fault { _ = try LinkedImage(ByteView(file.span.bytes), as: role) }
        }
        let told = Fault(.debuggingInformationOnly, .sectionHeader(2), value: 0x1080)
        for (file, fault) in [
            (file(8, 0x1080), told), (file(8, 0x1001), told), (file(8, 0x1000), nil), (file(8, 0x1081), nil),
            (file(1, 0x1080), nil), (file(8, 0x1080, entrySize: 63), nil), (file(8, 0x1080, hasTable: false), nil),
        ] { #expect(refusal(file) == fault) }
        #expect(refusal(file(8, 0x1080), .library) == nil)
    }

    @Test func `a position-independent image starts at a multiple of 2 MiB, a fixed one where it is linked`() throws {
        let segments = [
            Segment(1, offset: 0, vaddr: 0x20_1000, filesz: 0x100, align: 0x1000),
            Segment(1, offset: 0, vaddr: 0x20_2000, filesz: 0x10, memsz: 0x123, align: 0x4000),
        ]
        let dynamic = Self.file(segments, entry: 0x20_1000)
        let image = try LinkedImage(ByteView(dynamic.span.bytes))
        let facts = (image.linkStart, image.size, image.alignment, image.isFixed, image.linkEnd)
        #expect(facts == (0x20_0000, 0x2123, 0x4000, false, 0x20_2123))
        let fixed = Self.file(segments, type: 2, entry: 0x20_1000)
        let other = try LinkedImage(ByteView(fixed.span.bytes))
        let otherFacts = (other.linkStart, other.size, other.alignment, other.isFixed, other.linkEnd)
        #expect(otherFacts == (0x20_1000, 0x1123, 0x4000, true, 0x20_2123))
    }

    @Test func `a TLS template may end where its segment ends`() {
        let file = Self.file([Self.load, Segment(7, offset: 0xf0, vaddr: 0x10f0, filesz: 0x10, memsz: 0x1000)])
        #expect(fault { _ = try LinkedImage(ByteView(file.span.bytes)) } == nil)
        let empty = Self.file([Self.load, Segment(7, offset: 0, vaddr: 0x9999, filesz: 0, memsz: 0x10)])
        #expect(fault { _ = try LinkedImage(ByteView(empty.span.bytes)) } == nil)
    }

    @Test func `random segments are copied, and everything else is cleared`() {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var segments: [Segment] = []
            var address = UInt64.random(in: 0..<0x3000, using: &random)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let filesz = UInt64.random(in: 0...0x200, using: &random)
                let memsz =
                    filesz + [0, 0, UInt64.random(in: 0...0x300, using: &random)].randomElement(using: &random)!
                segments.append(
                    Segment(
                        1, offset: UInt64.random(in: 0...0x200, using: &random), vaddr: address, filesz: filesz,
                        memsz: memsz))
                address += memsz + [0, UInt64.random(in: 0...0x100, using: &random)].randomElement(using: &random)!
            }
            let real = segments.filter { $0.memsz > 0 }
            guard let first = real.first, let last = real.last else { continue }
            let type: UInt16 = [2, 3].randomElement(using: &random)!
            let file = Self.file(segments, type: type, entry: first.vaddr)
            let start = type == 2 ? first.vaddr : 0
            var expected = [UInt8](repeating: 0, count: Int(last.vaddr + last.memsz - start))
            for segment in real {
                for index in 0..<Int(segment.filesz) {
                    expected[Int(segment.vaddr - start) + index] = file[Int(segment.offset) + index]
                }
            }
            let result = loadOnly(file)
            #expect(result.fault == nil)
            #expect(result.bytes == expected)
            #expect(result.guardsAreIntact)
        }
    }

    @Test func `memory that is too small is reported`() throws {
        let file = Self.file([Self.load])
        let view = ByteView(file.span.bytes)
        let image = try LinkedImage(view)
        var memory = [UInt8](repeating: 0xcc, count: 0x10ff)
        var found: Fault?
        do throws(Fault) {
            var span = memory.mutableSpan
            var region = ByteRegion(span.mutableBytes, at: 0)
            try image.load(into: &region)
        } catch { found = error }
        #expect(found == Fault(.imageTooLarge, value: 0x1100, limit: 0x10ff))
    }
}

/// Loads without relocating.
private func loadOnly(_ file: [UInt8]) -> Loaded { load(file, relocating: false) }
