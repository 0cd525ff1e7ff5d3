// Ranges of bytes in one of several files: their limits, ends of strings, and the last part of a path.

import Bytes
import TestSupport
import Testing

@testable import Linking

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FileRangeTests {
    /// A string must end inside its range; a NUL outside does not count.
    @Test func `strings end inside the range`() {
        let bytes = Array("..ab\0c\0d\0".utf8)
        let range = FileRange(start: 2, size: 5)
        let lengths: [UInt64?] = [2, 1, 0, 1, 0, nil, nil]
        for (offset, expected) in lengths.enumerated() {
            #expect(range.length(UInt64(offset), ByteView(bytes.span.bytes)) == expected, "\(offset)")
        }
        #expect(range.length(.max, ByteView(bytes.span.bytes)) == nil)
        // With one byte less, the last string has no end.
        let short = FileRange(start: 2, size: 4)
        #expect(short.length(2, ByteView(bytes.span.bytes)) == 0)
        #expect(short.length(3, ByteView(bytes.span.bytes)) == nil)
        #expect(FileRange(start: 2, size: 0).length(0, ByteView(bytes.span.bytes)) == nil)
    }

    @Test func `a range includes its last byte`() {
        let range = FileRange(start: 100, size: 8)
        for (offset, count, isInside) in [
            (0, 8, true), (0, 9, false), (8, 0, true), (8, 1, false), (9, 0, false), (7, 1, true), (1, .max, false),
            (.max, 1, false), (.max, 0, false),
        ] as [(UInt64, UInt64, Bool)] {
            #expect(range.holds(offset, count) == isInside, "\(offset) \(count)")
        }
    }

    @Test(
        arguments: [
            ("libc.so", "libc.so"), ("/lib/libc.so", "libc.so"), ("a/b/", ""), ("", ""), ("/", ""), ("a/b c/d", "b"),
            ("a b/c", "a"), (" a", ""), ("a//b", "b"),
        ]) func `a path ends with its name`(_ path: String, _ name: String)
    {
        let bytes = Array("x/".utf8) + Array(path.utf8) + Array("/y".utf8)
        let whole = FileRange(start: 2, size: UInt64(path.utf8.count))
        let part = ByteView(bytes.span.bytes).lastPart(of: whole, until: UInt8(ascii: " "))
        #expect(String(decoding: bytes[Int(part.start)..<Int(part.start + part.size)], as: UTF8.self) == name)
    }
}
