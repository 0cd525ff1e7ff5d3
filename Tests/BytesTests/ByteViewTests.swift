// Checked reading.

import Bytes
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ByteViewTests {
    static let bytes: [UInt8] = Array(0..<32)

    @Test func `bytes are inside if they do not pass the end, and only then`() {
        let view = ByteView(Self.bytes.span.bytes)
        for (offset, size, inside) in [
            (0, 32, true), (32, 0, true), (31, 1, true), (0, 33, false), (32, 1, false), (33, 0, false),
            (.max, 0, false), (.max, .max, false), (1, .max, false),
        ] as [(UInt64, UInt64, Bool)] {
            let contains = view.contains(offset, size)
            #expect(contains == inside)
            let fault = fault {
                _ = try ByteView(Self.bytes.span.bytes).slice(at: offset, size: size, else: .notELF, .header)
            }
            let (end, overflow) = offset.addingReportingOverflow(size)
            #expect(fault == (inside ? nil : Fault(.notELF, .header, value: overflow ? .max : end, limit: 32)))
        }
    }

    @Test func `bytes equal others only if all of them are inside`() {
        let view = ByteView(([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2] as [UInt8]).span.bytes)
        for (left, right, count, isSame) in [
            (0, 9, 8, true), (0, 9, 9, false), (9, 0, 9, false), (0, 18, 2, true), (0, 18, 3, false), (18, 0, 3, false),
            (1, 10, 3, true), (0, 1, 1, false), (20, 20, 0, true), (21, 0, 0, false), (0, .max, 1, false),
            (.max, 0, 2, false), (0, 0, .max, false), (3, 3, 17, true), (3, 3, 18, false),
        ] as [(UInt64, UInt64, UInt64, Bool)] {
            let found = view.areSame(left, right, count: count)
            #expect(found == isSame, "\(left), \(right), \(count)")
        }
    }

    @Test func `bytes equal a text only if all of them are inside`() {
        let view = ByteView(Array("one\0two".utf8).span.bytes)
        for (text, offset, isThere, isString) in [
            ("one", 0, true, true), ("on", 0, true, false), ("one\0two", 0, true, false),
            ("one\0twos", 0, false, false),
            ("two", 4, true, false), ("two", 5, false, false), ("one", 4, false, false), ("onE", 0, false, false),
            ("", 7, true, false), ("", 3, true, true), ("", 8, false, false), ("one", .max, false, false),
            ("one", .max - 2, false, false),
        ] as [(Text, UInt64, Bool, Bool)] {
            let found = (view.holds(text, at: offset), view.holds(string: text, at: offset))
            #expect(found == (isThere, isString), "\(text.count) bytes at \(offset)")
        }
        let same = (view.isSame(as: "one\0two"), view.isSame(as: "one"), view.isSame(as: "one\0two\0"))
        #expect(same == (true, false, false))
    }

    /// Bytes next to a page without access: no reader touches it, for any arguments.
    @Test(arguments: [true, false]) func `nothing outside the bytes is read`(_ atEnd: Bool) {
        let guarded = GuardedBytes()
        for size in 0...24 as ClosedRange<UInt64> {
            let bytes = (0..<size).map { UInt8(1 + $0 % 5) }
            let view = guarded.view(of: bytes, atEnd: atEnd)
            let far: [UInt64] = [1 << 12, 1 << 32, .max - 8, .max]
            for offset in Array(0...size + 9) + far {
                let words = (view.byte(at: offset), view.word32(at: offset), view.word64(at: offset))
                #expect((words.0 != nil) == (offset < size))
                #expect((words.1 != nil) == (offset < size && size - offset >= 4))
                #expect((words.2 != nil) == (offset < size && size - offset >= 8))
                let found = (view.distance(to: 0x77, from: offset), view.stringLength(at: offset, limit: .max))
                #expect(found.0 == nil && found.1 == nil)
                for other in Array(0...size + 1) + far {
                    for count in Array(0...size + 1) + far {
                        func fits(_ start: UInt64) -> Bool { start <= size && count <= size - start }
                        let isSame = view.areSame(offset, other, count: count)
                        let expected =
                            fits(offset) && fits(other)
                            && bytes[Int(offset)..<Int(offset + count)] == bytes[Int(other)..<Int(other + count)]
                        guard isSame == expected else {
                            Issue.record("\(size): \(offset) \(other) \(count)")
                            return
                        }
                    }
                }
            }
        }
    }

    @Test func `words are little endian and need not be aligned`() throws {
        let view = ByteView(Self.bytes.span.bytes)
        let words = (view.word32(at: 3), view.word64(at: 5), view.byte(at: 31))
        #expect(words.0 == 0x0605_0403)
        #expect(words.1 == 0x0c0b_0a09_0807_0605)
        #expect(words.2 == 31)
        let last = (view.word32(at: 28), view.word64(at: 24))
        #expect(last.0 == 0x1f1e_1d1c)
        #expect(last.1 == 0x1f1e_1d1c_1b1a_1918)
        let after = (view.word32(at: 29), view.word64(at: 25), view.byte(at: 32))
        #expect(after.0 == nil)
        #expect(after.1 == nil)
        #expect(after.2 == nil)
        let far = (view.word32(at: .max), view.word64(at: .max - 3), view.byte(at: .max))
        #expect(far.0 == nil)
        #expect(far.1 == nil)
        #expect(far.2 == nil)
    }

    @Test func `a record's fields`() throws {
        let record = try ByteView(Self.bytes.span.bytes).record(at: 3, size: 20, else: .notELF, .none)
        let fields = (record.u8(1), record.u16(2), record.u32(3), record.u64(4))
        #expect(fields.0 == 4)
        #expect(fields.1 == 0x0605)
        #expect(fields.2 == 0x0908_0706)
        #expect(fields.3 == 0x0e0d_0c0b_0a09_0807)
    }

    @Test func `strings end at their NUL, within the limit and the bytes`() {
        let text: [UInt8] = [0x61, 0x62, 0, 0x63, 0x64]
        let view = ByteView(text.span.bytes)
        let lengths = [
            view.stringLength(at: 0, limit: 10), view.stringLength(at: 2, limit: 10),
            view.stringLength(at: 0, limit: 2),
            view.stringLength(at: 0, limit: 1), view.stringLength(at: 3, limit: 10),
            view.stringLength(at: 9, limit: 10),
        ]
        #expect(lengths == [2, 0, 2, nil, nil, nil])
    }

    /// The last entry of a table ends with its bytes, whatever the size of an entry.
    @Test func `entries lie one after the other`() {
        let view = ByteView(Self.bytes.span.bytes)
        for size in [1, 2, 4, 8, 16, 32] {
            for index in 0..<32 / size {
                let entry = view.entry(index, size: size)
                let (first, last) = (entry.u8(0), entry.u8(size - 1))
                #expect(first == UInt8(index * size) && last == UInt8(index * size + size - 1))
            }
            let last = view.entry(at: 32 - size, size: size).u8(0)
            #expect(last == UInt8(32 - size))
        }
        let words = view.entry(at: 3, size: 17)
        let fields = (words.u16(15), words.u32(13), words.u64(9))
        #expect(fields == (0x1312, 0x1312_1110, 0x1312_1110_0f0e_0d0c))
    }

    /// A violated precondition stops the program: nothing is read outside the bytes, nor outside a record.
    @Test func `a read out of bounds stops the program`() async {
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).part(at: 31, size: 2) }
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).part(at: .max, size: 2) }
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).entry(at: 0, size: -1) }
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).entry(at: 0, size: 33) }
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).entry(at: -1, size: 4) }
        await #expect(processExitsWith: .failure) { _ = ByteView(ByteViewTests.bytes.span).entry(4, size: 8) }
        await #expect(processExitsWith: .failure) {
            _ = ByteView(ByteViewTests.bytes.span).entry(0, size: 8).u32(5)
        }
        await #expect(processExitsWith: .failure) {
            _ = ByteView(ByteViewTests.bytes.span).entry(1, size: 8).u8(-1)
        }
    }

    /// Eight bytes are examined together: a search byte by byte gives the same, from every offset, up to every limit, with any bytes
    /// between. Their highest bits, and neighbouring values, must not count.
    @Test func `a byte is found at the same place as by a search of every byte`() {
        var random = SeededGenerator(seed: 21)
        let guarded = GuardedBytes()
        let near: [[UInt8]] = [
            [0, 1, 0x80, 0xff, 0x7f], [0x20, 0x21, 0x1f, 0xa0, 0x20], [0xff, 0xfe, 0x7f, 0, 0xff],
        ]
        for size in 0...26 {
            for values in near {
                let bytes = (0..<size).map { _ in values.randomElement(using: &random)! }
                let view = guarded.view(of: bytes)
                for wanted in values + [0x55] {
                    for offset in 0...size + 1 {
                        for limit in [0, 1, 2, 6, 7, 8, 9, 15, 16, size - offset - 1, size - offset, 100, .max]
                        where limit >= 0 {
                            let end = limit < size - offset ? offset + limit + 1 : size
                            let expected =
                                offset < end ? bytes[offset..<end].firstIndex(of: wanted).map { $0 - offset } : nil
                            let found = view.distance(to: wanted, from: UInt64(offset), limit: UInt64(limit))
                            guard found == expected.map({ UInt64($0) }) else {
                                Issue.record("\(bytes) \(wanted) from \(offset), limit \(limit)")
                                return
                            }
                        }
                    }
                }
            }
        }
    }
}
