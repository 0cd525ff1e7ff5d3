// The slots of a global offset table, up to the end of the table.

@testable import Linking
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct GlobalOffsetTableTests {
    /// A table of `size` bytes.
    private func table(_ size: UInt64) -> GlobalOffsetTable {
        var layout = ObjectLayout()
        (layout.tableStart, layout.tableEnd) = (0x1000, 0x1000 + size)
        return GlobalOffsetTable(layout)
    }

    @Test func slotsFollowThreeWords() throws {
        var table = table(56)
        #expect(table.start == 0x1000)
        #expect(try table.slot(8) == 24)
        #expect(try table.slot(16) == 32)
        #expect(try table.slot(8) == 48)
        #expect(fault { _ = try table.slot(1) } == Fault(.imageTooLarge, value: 57, limit: 56))
        #expect(fault { _ = try table.slot(8) } == Fault(.imageTooLarge, value: 64, limit: 56))
        #expect(try table.slot(0) == 56)
    }

    /// Offsets have 32 bits.
    @Test func aSlotsOffsetHas32Bits() throws {
        var table = table(1 << 40)
        #expect(try table.slot((1 << 32) - 25) == 24)
        #expect(try table.slot(1) == 0xffff_ffff)
        #expect(fault { _ = try table.slot(8) } == Fault(.imageTooLarge, value: 0x1_0000_0008, limit: 1 << 40))
    }
}
