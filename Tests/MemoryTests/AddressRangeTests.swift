// Ranges of addresses, up to the last one.

import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AddressRangeTests {
    @Test func `a range never ends before it starts`() {
        #expect(AddressRange(5, 3) == AddressRange(5, 5))
        #expect(AddressRange(5, 3).isEmpty)
        #expect(AddressRange(at: .max - 1, size: 5) == AddressRange(.max - 1, .max))
        #expect(AddressRange(at: 3, size: 4).end == 7)
        #expect(AddressRange(3, 7).size == 4)
    }

    @Test func `ranges overlap where they share an address`() {
        let range = AddressRange(10, 20)
        for (other, overlaps, contains) in [
            (AddressRange(0, 10), false, false), (AddressRange(0, 11), true, false),
            (AddressRange(20, 30), false, false),
            (AddressRange(19, 30), true, false), (AddressRange(12, 13), true, true), (AddressRange(10, 20), true, true),
            (AddressRange(0, 30), true, false), (AddressRange(15, 15), false, true),
        ] {
            #expect(range.overlaps(other) == overlaps)
            #expect(other.overlaps(range) == overlaps)
            #expect(range.contains(other) == contains)
        }
    }

    @Test func `rounding stops at the end of the address space`() {
        #expect(AddressRange(0x1fff, 0x2001).roundedOutward(to: 0x1000) == AddressRange(0x1000, 0x3000))
        #expect(AddressRange(0x1000, 0x2000).roundedOutward(to: 0x1000) == AddressRange(0x1000, 0x2000))
        #expect(
            AddressRange(0x1000, .max - 1).roundedOutward(to: 0x1000) == AddressRange(0x1000, 0xffff_ffff_ffff_f000))
        #expect((0x1001 as UInt64).aligned(to: 0x1000) == 0x2000)
        #expect((0x1000 as UInt64).aligned(to: 0x1000) == 0x1000)
        #expect((0xffff_ffff_ffff_f001 as UInt64).aligned(to: 0x1000) == nil)
    }
}
