// loader-pack with two links of one program: the words with addresses, and refusals.

import Diagnostics
import ELF
import TestSupport
import Testing

@testable import loader_pack

@Suite(.timeLimit(.minutes(minutesPerTest))) struct PackedImageTests {
    /// A file at `base` whose bytes after the headers are set by `contents`.
    private func image(_ base: UInt64, _ contents: (UInt64) -> [UInt8]) throws -> ImageBytes {
        var writer = ELFWriter(type: 2, base: base)
        writer.append(contents(base), align: 1)
        return try ImageBytes(writer.bytes)
    }

    /// The offset of the first byte past the headers.
    private static let start = 64 + 16 * 56

    private func pack(_ difference: UInt64 = 0x1001_1000, _ contents: (UInt64) -> [UInt8]) throws -> PackedImage {
        try PackedImage(try image(0x10_0000, contents), moved: try image(0x10_0000 + difference, contents))
    }

    @Test func `words with addresses are found at any offset`() throws {
        let packed = try pack { base in
            [0x90] + littleEndian(UInt32(base + 0x123)) + [1, 2, 3] + littleEndian(base + 0xfff)
                + littleEndian(0 as UInt64)
        }
        #expect(packed.words == [UInt32(Self.start + 1), UInt32(Self.start + 8)])
    }

    /// Any last byte of an address, and carries into the bytes above.
    @Test func `every value of a word is found`() throws {
        for low in stride(from: 0 as UInt64, to: 0x1_0000, by: 0xef) {
            let packed = try pack { littleEndian(UInt32($0 + low << 4 + 0xe000)) }
            #expect(packed.words == [UInt32(Self.start)], "\(low)")
        }
    }

    @Test func `adjacent words are two`() throws {
        let packed = try pack { littleEndian(UInt32($0)) + littleEndian(UInt32($0 + 1)) }
        #expect(packed.words == [UInt32(Self.start), UInt32(Self.start + 4)])
    }

    /// The list turns the one image into the linker's other one.
    @Test func `the list turns one image into the other`() throws {
        func contents(_ base: UInt64) -> [UInt8] {
            (0..<50).flatMap { littleEndian(UInt32(base + 0x1111 * UInt64($0))) + [UInt8](repeating: 0x55, count: $0) }
        }
        let packed = try pack { contents($0) }
        let other = try image(0x4020_1000, contents)
        var moved = packed.bytes
        for word in packed.words { moved.put(moved.number(UInt32.self, at: Int(word)) + 0x4010_1000, at: Int(word)) }
        #expect(packed.words.count == 50)
        #expect(moved[Self.start...] == other.bytes[Self.start...])
    }

    @Test func `the file has the image, the number of words, and the words`() throws {
        let packed = try pack { [1] + littleEndian(UInt32($0)) }
        let file = packed.file
        let list = (packed.bytes.count + 3) & ~3
        #expect(Array(file[..<packed.bytes.count]) == packed.bytes)
        #expect(file.count == list + 8)
        #expect(file.number(UInt32.self, at: list) == 1)
        #expect(file.number(UInt32.self, at: list + 4) == UInt32(Self.start + 1))
    }

    // MARK: Refusals

    @Test func `a part of an address is refused`() throws {
        #expect(throws: PackingError.noAddress(offset: Self.start + 1)) {
            try pack { littleEndian(UInt16(truncatingIfNeeded: $0)) + littleEndian(0 as UInt64) }
        }
        #expect(throws: PackingError.noAddress(offset: Self.start)) {
            try pack { littleEndian(UInt32($0 >> 12)) + littleEndian(0 as UInt64) }
        }
        #expect(throws: PackingError.noAddress(offset: Self.start + 1)) {
            try pack { littleEndian(UInt32($0 * 2 + $0)) + littleEndian(0 as UInt64) }
        }
    }

    @Test func `a word that extends past the file is refused`() throws {
        #expect(throws: PackingError.noAddress(offset: Self.start + 1)) {
            try pack { littleEndian(UInt16(truncatingIfNeeded: $0)) }
        }
    }

    @Test func `two programs are refused`() throws {
        #expect(throws: PackingError.sizesDiffer(Self.start + 1, Self.start + 2)) {
            try PackedImage(try image(0x10_0000) { _ in [1] }, moved: try image(0x1011_1000) { _ in [1, 2] })
        }
        #expect(throws: PackingError.noAddress(offset: Self.start)) {
            try PackedImage(
                try image(0x10_0000) { _ in [1, 0, 0, 0] }, moved: try image(0x1011_1000) { _ in [2, 0, 0, 0] })
        }
    }

    @Test(arguments: [0, 0x1000_0000, 0x2000, 0x1001_1800]) func `addresses whose difference is ambiguous are refused`(
        _ difference: UInt64
    ) {
        #expect(throws: PackingError.addressesTooClose(difference)) {
            try pack(difference) { littleEndian(UInt32($0)) }
        }
    }

    @Test func `a file that is not ELF is refused`() {
        #expect(throws: PackingError.malformed(Fault(.emptyFile))) { try ImageBytes([]) }
    }
}
