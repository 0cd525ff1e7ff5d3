// gzip and deflate, with other programs that pack and unpack as witnesses.

import Bytes
import Diagnostics
import Foundation
import HermitImage
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct GzipTests {
    /// Members as Python's zlib writes them, with all levels, strategies, windows and flushes: every combination, or in a sample every
    /// seventh. Seven divides none of their numbers, so that each value has its turn.
    private static let packer = """
        import zlib, random, struct, sys
        random.seed(5)
        step, turn = int(sys.argv[1]), 0
        data = open('data', 'rb').read()
        number = 0
        def put(packed, size):
            global number
            open(f'{number}.gz', 'wb').write(packed)
            open(f'{number}.size', 'w').write(str(size))
            number += 1
        for size in [0, 1, 2, 3, 257, 258, 259, 300, 32768, 32769, 65535, 65536, len(data)]:
            for level in [0, 1, 2, 4, 6, 9]:
                for strategy in [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]:
                    for window in [25, 31]:
                        turn += 1
                        if turn % step: continue
                        packer = zlib.compressobj(level, zlib.DEFLATED, window, random.randint(1, 9), strategy)
                        packed = b''
                        if size > 2 and random.random() < .5:
                            middle = random.randrange(size)
                            flush = random.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_BLOCK])
                            packed = packer.compress(data[:middle]) + packer.flush(flush) + packer.compress(data[middle:size])
                        else:
                            packed = packer.compress(data[:size])
                        put(packed + packer.flush(), size)
        raw = zlib.compressobj(6, zlib.DEFLATED, -15)
        raw = raw.compress(data) + raw.flush()
        tail = struct.pack('<II', zlib.crc32(data), len(data))
        for flags in range(32):
            header = bytes([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255])
            if flags & 4: header += b'\\x05\\x00extra'
            if flags & 8: header += b'name\\0'
            if flags & 16: header += b'a comment\\0'
            if flags & 2: header += struct.pack('<H', zlib.crc32(header) & 0xffff)
            put(header + raw + tail, len(data))
        print(number)
        """

    @Test(.enabled(if: isInstalled("python3"), "python3 is not installed"))
    func `files packed by zlib in every way are unpacked`() async throws {
        let folder = try Folder()
        let data = [UInt8].mixed(80_000, seed: 1)
        try folder.write("data", data)
        let count = try #require(
            Int(
                try await folder.python(Self.packer, samples(7, soak: 1)).trimmingCharacters(
                    in: .whitespacesAndNewlines)))
        #expect(count > samples(140, soak: 800))
        for number in 0..<count {
            let packed = try folder.read("\(number).gz")
            let size = try #require(Int(String(decoding: try folder.read("\(number).size"), as: UTF8.self)))
            let expected = Unpacked.bytes(Array(data.prefix(size)))
            // Just enough room, and more.
            #expect(Unpacked(packed, limit: size) == expected, "file \(number), \(size) bytes")
            #expect(Unpacked(packed, limit: size + 1000) == expected, "file \(number), \(size) bytes")
            // One byte is missing: the fault has the required size.
            guard size > 0 else { continue }
            #expect(
                Unpacked(packed, limit: size - 1)
                    == .fault(Fault(.archiveTooLarge, value: UInt64(size), limit: UInt64(size - 1))), "file \(number)")
        }
    }

    /// Packs a file called `data` by `command`, and unpacks the result.
    private func check(_ command: String, count: Int = 300_000) async throws {
        let folder = try Folder()
        let data = [UInt8].mixed(count, seed: 2)
        try folder.write("data", data)
        try await folder.shell("\(command) >packed")
        #expect(Unpacked(try folder.read("packed"), limit: data.count) == .bytes(data))
    }

    @Test(arguments: ["-1", "-6", "-9", "--rsyncable", "-n", "-N"])
    func `files packed by gzip are unpacked`(_ option: String) async throws {
        try await check("gzip -c \(option) data")
    }

    @Test(
        .enabled(if: isInstalled("pigz"), "pigz is not installed"), arguments: ["-1", "-11", "-b 128 -p 4", "-i -p 2"])
    func `files packed by pigz are unpacked`(_ option: String) async throws {
        // Level 11 is zopfli's, and slow.
        try await check("pigz -c \(option) data", count: option == "-11" ? 70_000 : 300_000)
    }

    @Test(.enabled(if: isInstalled("zopfli"), "zopfli is not installed"))
    func `files packed by zopfli are unpacked`() async throws { try await check("zopfli -c data", count: 70_000) }

    @Test func `several members, and zeros after them, are unpacked`() async throws {
        let folder = try Folder()
        let data = [UInt8].mixed(30_000, seed: 3)
        try folder.write("data", data)
        try await folder.shell("gzip -c data >one; : | gzip >empty; cat one empty one >three; cat three three >six")
        let (one, three, six) = (try folder.read("one"), try folder.read("three"), try folder.read("six"))
        let zeros = [UInt8](repeating: 0, count: 1024)
        #expect(Unpacked(three, limit: 60_000) == .bytes(data + data))
        #expect(Unpacked(six + zeros, limit: 120_000) == .bytes(data + data + data + data))
        #expect(Unpacked(six, limit: 40_000) == .fault(Fault(.archiveTooLarge, value: 120_000, limit: 40_000)))
        let trailing = Unpacked(one + zeros + [1], limit: 60_000)
        #expect(trailing == .fault(Fault(.gzipTrailingBytes, .offset(UInt64(one.count + 1024)))))
        // A member cannot refer to the one before it: a match of distance 1 right at its start.
        let bad: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x03, 0x02, 0x00]
        #expect(
            Unpacked(one + bad + zeros, limit: 60_000)
                == .fault(Fault(.deflateDistance, .offset(UInt64(one.count) + 12), value: 1)))
    }

    /// Facts that need no unpacking, for files of any length.
    @Test func `a file is recognised by its first bytes, and its size read from its last`() {
        for (bytes, isGzip, size) in [
            ([], false, 0), ([0x1f], false, 0), ([0x1f, 0x8b], false, 0), ([0x1f, 0x8b, 8], false, 0),
            ([0x1f, 0x8b, 8, 0], true, 0x88b1f), ([0x1f, 0x8b, 0xff, 0xff], true, 0xffff_8b1f),
            ([0x1f, 0x8b, 0, 0], true, 0x8b1f),
            ([0x1f, 0x8c, 0, 0], false, 0x8c1f), ([0x1e, 0x8b, 0, 0, 7], false, 0x700_008b),
            ([0x8b, 0x1f, 0, 0], false, 0x1f8b),
        ] as [([UInt8], Bool, UInt64)] {
            let view = ByteView(bytes.span.bytes)
            let found = (Gzip.isGzip(view), Gzip.claimedSize(view))
            #expect(found == (isGzip, size), "\(bytes)")
        }
    }

    /// Packed so that stored blocks, names and checksums of the header begin at every bit and end at every byte: each cut is refused, and
    /// each changed bit of the sizes and checksums.
    @Test func `a stored block's sizes are checked`() {
        let data = (0..<40).map { UInt8($0 * 5) }
        let packed = ImageWriter.gzip(data)
        #expect(Unpacked(packed, limit: 40) == .bytes(data))
        // The header's ten bytes, the block's first byte, its size twice, and after the data two words.
        for bit in 0..<32 {
            let changed = packed.putting(packed[11 + bit / 8] ^ 1 << (bit % 8), at: 11 + bit / 8)
            let (size, complement) = (changed.number(UInt16.self, at: 11), changed.number(UInt16.self, at: 13))
            let fault = Fault(.deflateStoredLength, .offset(11), value: UInt64(size), limit: UInt64(complement))
            #expect(Unpacked(changed, limit: 40) == .fault(fault))
        }
        let sum = ImageWriter.checksum(data)
        for bit in 0..<64 as Range<UInt64> {
            let place = packed.count - 8 + Int(bit / 8)
            let fault =
                bit < 32
                ? Fault(.gzipChecksum, .offset(55), value: UInt64(sum), limit: UInt64(sum) ^ 1 << bit)
                : Fault(.gzipChecksum, .offset(59), value: 40, limit: 40 ^ 1 << (bit - 32))
            #expect(
                Unpacked(packed.putting(packed[place] ^ 1 << UInt8(bit % 8), at: place), limit: 40) == .fault(fault))
        }
        for length in 0..<packed.count {
            #expect(Unpacked(Array(packed.prefix(length)), limit: 40) == Self.truncated(length), "\(length)")
        }
        // A size of the block, with a correct complement, that exceeds the data.
        let long = packed.putting(41 + 8 as UInt16, at: 11).putting(~(41 + 8) as UInt16, at: 13)
        #expect(Unpacked(long, limit: 100) == Self.truncated(packed.count))
        for kind in [1 | 3 << 1, 3 << 1] as [UInt8] {
            #expect(
                Unpacked(packed.putting(kind, at: 10), limit: 40) == .fault(Fault(.deflateBlockUnknown, .offset(11))))
        }
    }

    /// The fault of a file of `length` bytes that ends too early: in its header, of ten bytes, or after that.
    private static func truncated(_ length: Int) -> Unpacked {
        length < 10
            ? .fault(Fault(.gzipTruncated, value: 10, limit: UInt64(length)))
            : .fault(Fault(.gzipTruncated, value: UInt64(length)))
    }

    /// The optional parts of the header, after its ten bytes: extra fields, a name, a comment, and a checksum.
    @Test func `headers of every form are read`() {
        let plain = ImageWriter.gzip([1, 2, 3])
        let extra: [UInt8] = [3, 0, 0, 1, 2], name = Array("name\0".utf8), comment = Array("a comment\0".utf8)
        for flags in 0..<32 as Range<UInt8> {
            var header = plain.prefix(10).map { $0 }
            header[3] = flags
            if flags & 4 != 0 { header += extra }
            if flags & 8 != 0 { header += name }
            if flags & 16 != 0 { header += comment }
            let end = header.count
            let sum = UInt16(truncatingIfNeeded: ImageWriter.checksum(header))
            if flags & 2 != 0 { header += littleEndian(sum) }
            let file = header + plain.dropFirst(10)
            #expect(Unpacked(file, limit: 3) == .bytes([1, 2, 3]), "\(flags)")
            for length in 10..<header.count {
                let found = Unpacked(Array(file.prefix(length)), limit: 3)
                // For fields of known size, the fault has their end.
                let known =
                    flags & 4 != 0 && length < 12
                    ? 12 : flags & 2 != 0 && (length >= end || flags & 24 == 0) ? end + 2 : nil
                let fault = known.map { Fault(.gzipTruncated, value: UInt64($0), limit: UInt64(length)) }
                #expect(found == .fault(fault ?? Fault(.gzipTruncated, value: UInt64(length))), "\(flags) \(length)")
            }
            guard flags & 2 != 0 else { continue }
            for bit in 0..<16 {
                let wrong = file.putting(sum ^ 1 << bit, at: end)
                let fault = Fault(
                    .gzipChecksum, .offset(UInt64(end)), value: UInt64(sum), limit: UInt64(sum ^ 1 << bit))
                #expect(Unpacked(wrong, limit: 3) == .fault(fault), "\(flags) \(bit)")
            }
        }
        // Other methods, and flags that have no meaning yet.
        for (place, value, method, flags) in [(2, 7, 7, 0), (2, 9, 9, 0), (3, 0x20, 8, 0x20), (3, 0x80, 8, 0x80)]
            as [(Int, UInt8, UInt64, UInt64)]
        {
            let fault = Fault(.gzipHeaderUnknown, .offset(0), value: method, limit: flags)
            #expect(Unpacked(plain.putting(value, at: place), limit: 3) == .fault(fault))
            let second = Fault(.gzipHeaderUnknown, .offset(UInt64(plain.count)), value: method, limit: flags)
            #expect(Unpacked(plain + plain.putting(value, at: place), limit: 6) == .fault(second))
        }
    }

    @Test func `a file that is cut off is refused`() async throws {
        let folder = try Folder()
        try folder.write("data", .mixed(5_000, seed: 4))
        try await folder.shell("gzip -9 <data >packed")
        let packed = try folder.read("packed")
        for length in stride(from: 0, to: packed.count, by: isSoak ? 1 : 7) {
            #expect(Unpacked(Array(packed.prefix(length)), limit: 6_000) == Self.truncated(length), "\(length) bytes")
        }
    }

    /// Python's zlib on the same bytes: it accepts and refuses the same, and its result is the same.
    private static let judge = """
        import zlib, struct
        cases = open('cases', 'rb').read()
        answers, position = bytearray(), 0
        while position < len(cases):
            size, = struct.unpack_from('<I', cases, position)
            rest = cases[position + 4:position + 4 + size]
            position += 4 + size
            result = b''
            try:
                while True:
                    unpacker = zlib.decompressobj(31)
                    result += unpacker.decompress(rest)
                    if not unpacker.eof: raise ValueError
                    rest = unpacker.unused_data
                    if rest[:2] != b'\\x1f\\x8b': break
                if rest.strip(b'\\0'): raise ValueError
                answers += struct.pack('<BII', 1, len(result), zlib.crc32(result))
            except Exception:
                answers += struct.pack('<BII', 0, 0, 0)
        open('answers', 'wb').write(answers)
        """

    @Test(.enabled(if: isInstalled("python3"), "python3 is not installed"))
    func `damaged files are accepted or refused as by zlib`() async throws {
        let folder = try Folder()
        try folder.write("data", .mixed(600, seed: 6))
        try await folder.shell(
            """
            gzip -9 <data >a; gzip -1 <data >b; head -c 20 data | gzip >c
            python3 -c "
            import zlib
            d = open('data', 'rb').read()
            p = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_FIXED)
            open('d', 'wb').write(p.compress(d) + p.flush())
            p = zlib.compressobj(0, zlib.DEFLATED, 31)
            open('e', 'wb').write(p.compress(d) + p.flush())
            "
            cat c d >f
            """)
        var cases: [[UInt8]] = []
        var random = Randomness(state: 7)
        for name in ["a", "b", "c", "d", "e", "f"] {
            let file = try folder.read(name)
            // Every bit of the beginning, or in a sample every third, and two bytes anywhere.
            for bit in stride(from: 0, to: min(file.count, 90) * 8, by: samples(3, soak: 1)) {
                var changed = file
                changed[bit / 8] ^= 1 << (bit % 8)
                cases.append(changed)
            }
            for _ in 0..<samples(150, soak: 2000) {
                var changed = file
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    changed[.random(in: 10..<file.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                if Bool.random(using: &random) { changed.removeLast(.random(in: 0..<9, using: &random)) }
                cases.append(changed)
            }
        }
        // Deflated noise.
        for _ in 0..<samples(300, soak: 3000) {
            let count = Int.random(in: 1...60, using: &random)
            cases.append(
                [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255] + (0..<count).map { _ in .random(in: 0...255, using: &random) })
        }
        try folder.write("cases", cases.flatMap { littleEndian(UInt32($0.count)) + $0 })
        try await folder.python(Self.judge)
        let answers = try folder.read("answers")
        try #require(answers.count == cases.count * 9)
        var accepted = 0
        for (index, file) in cases.enumerated() {
            let answer = Array(answers[index * 9..<index * 9 + 9])
            let own = Unpacked(file, limit: 100_000)
            if case .bytes = own { accepted += 1 }
            // Equal bytes have the file's checksum, which was compared.
            #expect(
                (own.rule == nil) == (answer[0] == 1),
                "case \(index): \(own.rule.map { "\($0)" } ?? "unpacked"), \(file)")
            if case .bytes(let bytes) = own { #expect(UInt32(bytes.count) == answer.number(UInt32.self, at: 1)) }
        }
        #expect(accepted > samples(15, soak: 50) && accepted < cases.count / 2, "\(accepted) of \(cases.count)")
    }

    @Test func `bombs are counted, not unpacked`() async throws {
        let folder = try Folder()
        try await folder.shell("head -c 10000000 /dev/zero | gzip -9 >bomb")
        let bomb = try folder.read("bomb")
        #expect(Unpacked(bomb, limit: 5000) == .fault(Fault(.archiveTooLarge, value: 10_000_000, limit: 5000)))
    }

    /// After a member comes another, or zeros: anything else is an error, even if it begins like one of them.
    @Test func `only members or zeros follow a member`() {
        let member = ImageWriter.gzip([1, 2, 3])
        let end = UInt64(member.count)
        let other = Unpacked.fault(Fault(.gzipTrailingBytes, .offset(end)))
        let cases: [(rest: [UInt8], Unpacked)] = [
            ([], .bytes([1, 2, 3])), ([0], .bytes([1, 2, 3])), ([0, 0, 0, 0, 0], .bytes([1, 2, 3])),
            (member, .bytes([1, 2, 3, 1, 2, 3])), ([0x1f], other), ([0x1f, 0, 8, 0], other),
            ([0x1f, 0x8a, 8, 0], other),
            ([0, 0x8b, 8, 0], .fault(Fault(.gzipTrailingBytes, .offset(end + 1)))), ([0x8b, 0x1f, 8, 0], other),
            ([0] + member, .fault(Fault(.gzipTrailingBytes, .offset(end + 1)))),
        ]
        for (rest, expected) in cases { #expect(Unpacked(member + rest, limit: 100) == expected, "\(rest)") }
        let short = Fault(.gzipTruncated, value: end + 10, limit: end + 4)
        #expect(Unpacked(member + [0x1f, 0x8b, 8, 0], limit: 100) == .fault(short))
    }
}
