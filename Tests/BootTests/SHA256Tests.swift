// SHA-256, compared with sha256sum and the standard's examples.

import Memory
@testable import Boot
import Firmware
import Bytes
import Commands
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SHA256Tests {
    private static func digest(_ bytes: [UInt8]) -> FileDigest { FileDigest(of: ByteView(bytes.span.bytes)) }

    private static func parse(_ digits: String) -> FileDigest? {
        let bytes = Array(digits.utf8)
        return FileDigest(hexadecimal: ByteView(bytes.span.bytes))
    }

    /// sha256sum's digest of each of `files`.
    private static func witness(_ files: [[UInt8]]) async throws -> [String] {
        let folder = try Folder()
        return try await sha256(try files.enumerated().map { try folder.write(String($0), $1).path })
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `the standard's examples`(text: String, digits: String) throws {
        let expected = try #require(Self.parse(digits))
        #expect(Self.digest(Array(text.utf8)) == expected)
    }

    @Test func `every length up to four blocks, and a long one`() async throws {
        var state: UInt32 = 1
        let bytes = (0..<100_003).map { _ -> UInt8 in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: state >> 24)
        }
        let parts = (Array(0...260) + [bytes.count]).map { Array(bytes.prefix($0)) }
        for (part, digits) in zip(parts, try await Self.witness(parts)) {
            let expected = try #require(Self.parse(digits))
            #expect(Self.digest(part) == expected, "\(part.count) bytes")
        }
    }

    /// From 512 MiB on the number of bits takes more than 32 of its 64 bits. Only the padding is checked: the bytes before it
    /// are not read.
    @Test(arguments: [0, 55, 56, 63, 64, 1 << 29 - 1, 1 << 29, 1 << 29 + 119, 1 << 32 + 60, 5 << 29 + 64])
    func `the padding ends with the number of bits`(_ count: Int) throws {
        let size = count + 1
        let memory = try #require(
            mmap(nil, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
        try #require(memory != MAP_FAILED)
        defer { munmap(memory, size) }
        let message = Message(bytes: ByteView(UnsafeRawBufferPointer(start: memory, count: count).bytes))
        let padded = message.paddedSize
        #expect(padded % 64 == 0 && padded >= UInt64(count) + 9 && padded < UInt64(count) + 9 + 64)
        let bits = UInt64(count) * 8
        #expect(message.word(at: padded - 8) == UInt32(bits >> 32))
        #expect(message.word(at: padded - 4) == UInt32(truncatingIfNeeded: bits))
        for offset in stride(from: UInt64(count) & ~3, to: padded - 8, by: 4) {
            let one: UInt32 = offset == UInt64(count) & ~3 ? 0x8000_0000 >> (8 * (UInt32(count % 4))) : 0
            #expect(message.word(at: offset) == one)
        }
    }

    @Test func `every digit counts`() async throws {
        let digits = Array(try await Self.witness([[1, 2, 3]])[0])
        let digest = Self.digest([1, 2, 3])
        for index in digits.indices {
            var changed = digits
            changed[index] = digits[index] == "0" ? "1" : "0"
            let other = try #require(Self.parse(String(changed)))
            #expect(other != digest)
            // The fault has the part that differs, which need not be the first.
            let part = index / 8 * 8..<index / 8 * 8 + 8
            let difference = digest.difference(from: other)
            #expect(difference.own == UInt32(String(digits[part]), radix: 16))
            #expect(difference.other == UInt32(String(changed[part]), radix: 16))
        }
    }

    /// The first fault in the options of modules with these bytes and strings.
    private func reading(_ modules: [(string: String, bytes: [UInt8])]) -> Fault? {
        fault {
            var memory: [UInt8] = []
            var platform = Platform(.multiboot, information: 0)
            for module in modules {
                let string = AddressRange(at: 0x1000 + UInt64(memory.count), size: UInt64(module.string.utf8.count))
                memory += Array(module.string.utf8) + [0]
                let file = AddressRange(at: 0x1000 + UInt64(memory.count), size: UInt64(module.bytes.count))
                memory += module.bytes
                try platform.add(Module(range: file, commandLine: string))
            }
            var options = LoaderOptions()
            try options.read(&platform, PhysicalMemory(ByteView(memory.span.bytes), origin: 0x1000))
        }
    }

    /// For modules after the first the digest is the only option; any other is an error, known or not.
    @Test(arguments: ["loader.quiet", "loader.base=0x400000", "loader.base=x", "loader.nonsense", "loader."])
    func `options are for the first module`(_ option: String) {
        let misplaced = Fault(.optionMisplaced, nameOffset: 2 + 3 + 2)
        #expect(reading([("a", [1, 2, 3]), ("b \(option)", [4])]) == misplaced)
        let third = Fault(.optionMisplaced, nameOffset: 2 + 3 + 2 + 1 + 4)
        #expect(reading([("a", [1, 2, 3]), ("b", [4]), ("c x \(option) y", [5])]) == third)
    }

    @Test func `a file with another digest is refused, whichever module it is`() async throws {
        let (first, second) = (Array("no ELF file".utf8), Array("no library".utf8))
        let digests = try await Self.witness([first, second])
        let (ofFirst, ofSecond) = ("loader.sha256=\(digests[0])", "loader.sha256=\(digests[1])")
        #expect(reading([("a x \(ofFirst) y", first), ("b", second), ("c z \(ofSecond)", second)]) == nil)
        #expect(reading([("a \(ofFirst) \(ofFirst)", first)]) == nil)
        for (index, strings) in [
            ["a \(ofSecond)", "b \(ofSecond)"], ["a \(ofFirst)", "b \(ofFirst)"],
            ["a \(ofFirst) \(ofSecond)", "b"], ["a", "b \(ofFirst) loader.nonsense"],
        ].enumerated() {
            let refused = try #require(reading([(strings[0], first), (strings[1], second)]))
            let found = try #require(UInt64(digests[index % 2].prefix(8), radix: 16))
            let wanted = try #require(UInt64(digests[1 - index % 2].prefix(8), radix: 16))
            #expect(refused == Fault(.digestDiffers, value: found, limit: wanted).of(file: index % 2))
        }
    }
}
