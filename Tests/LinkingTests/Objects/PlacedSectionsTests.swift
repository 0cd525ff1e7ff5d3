// Places for sections, one after the other, up to 2^47.

@testable import Linking
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct PlacedSectionsTests {
    private static let limit: UInt64 = 1 << 47

    /// Start address, size and alignment of a section; its address, or the fault about its size.
    @Test(
        arguments: [
            (0x10, 8, 0, 0x10, nil), (0x10, 8, 1, 0x10, nil), (0x10, 8, 16, 0x10, nil), (0x11, 8, 16, 0x20, nil),
            (0x10, 0, 0x1000, 0x1000, nil), (0x10, 0, 1 << 46, 1 << 46, nil), (0x10, 0, limit, limit, nil),
            (0x10, 1, limit, nil, 1), (0x10, 0, limit << 1, nil, limit << 1),
            (0x10, limit, limit << 1, nil, limit << 1),
            (0, limit, 1, 0, nil), (0x10, limit, 1, nil, limit), (0x10, limit - 0x10, 1, 0x10, nil),
            (0x10, limit - 0xf, 1, nil, limit - 0xf), (0, limit + 1, 1, nil, limit + 1), (0x10, .max, 8, nil, .max),
            (0x10, 8, 1 << 63, nil, 1 << 63), (0x10, .max, 1 << 63, nil, .max), (limit, 0, 8, limit, nil),
            (limit - 1, 0, 1, limit - 1, nil), (limit - 1, 1, 1, limit - 1, nil), (limit - 1, 1, 2, nil, 1),
        ] as [(UInt64, UInt64, UInt64, UInt64?, UInt64?)])
    func places(_ from: UInt64, _ size: UInt64, _ alignment: UInt64, _ start: UInt64?, _ tooLarge: UInt64?) {
        var cursor = PlacementCursor()
        (cursor.address, cursor.alignment) = (from, 4)
        var found: UInt64?
        let fault = fault { found = try cursor.place(size, alignment, else: .commonAlignment, .sectionHeader(7)) }
        #expect(found == start)
        #expect(fault == tooLarge.map { Fault(.sectionTooLarge, .sectionHeader(7), value: from, limit: $0) })
        #expect(cursor.address == (start.map { $0 + size } ?? from))
        #expect(cursor.alignment == (start == nil ? 4 : max(alignment, 4)))
    }

    @Test(arguments: [3, 5, 6, 24, 0x1001, .max] as [UInt64]) func alignmentsArePowersOfTwo(_ alignment: UInt64) {
        var cursor = PlacementCursor()
        #expect(
            fault { _ = try cursor.place(1, alignment, else: .commonAlignment, .sectionHeader(7)) }
                == Fault(.commonAlignment, .sectionHeader(7), value: alignment))
    }
}
