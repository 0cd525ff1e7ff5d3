// Valid entry points: the first and the last, and those next to them.

import Boot
import Bytes
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct EntryPointTests {
    /// What an application of 0x400 bytes and as many zeros, linked at `base`, is refused with, if it is entered at `entry`.
    private func refusal(base: UInt64, entry: UInt64) -> Fault? {
        var writer = ELFWriter(type: 2, base: base)
        writer.addNotes(hermitNote(4))
        writer.append([UInt8](repeating: 0xf4, count: Int(base + 0x400 - writer.next)), align: 1)
        writer.zeroFill = 0x400
        writer.entry = entry
        let file = writer.bytes
        return fault { _ = try Application(ByteView(file.span.bytes)) }
    }

    @Test(arguments: [0, 0x40_0000] as [UInt64]) func `code is entered after the header and before the zeros`(
        _ base: UInt64
    ) {
        let header = { Fault(.entryInHeader, .header, value: base + $0) }
        let zeros = { Fault(.entryWithoutBytes, .programHeader(0), value: base + $0) }
        let outside = { Fault(.entryOutsideImage, .header, value: base &+ $0) }
        let cases: [(UInt64, Fault?)] = [
            (0, header(0)), (1, header(1)), (63, header(63)), (64, nil), (65, nil), (0x3ff, nil), (0x400, zeros(0x400)),
            (0x7ff, zeros(0x7ff)), (0x800, outside(0x800)), (.max, outside(.max)),
        ]
        for (offset, expected) in cases {
            #expect(refusal(base: base, entry: base &+ offset) == expected, "\(offset)")
        }
    }

    /// Only where the header is loaded can it be entered.
    @Test func `bytes at a segment's start are code if they are not the file's first`() {
        for (offset, isHeader) in [(0, true), (63, true), (64, false), (65, false)] as [(UInt64, Bool)] {
            var writer = ELFWriter()
            writer.append([UInt8](repeating: 0xf4, count: 0x100))
            writer.hasLoadSegment = false
            writer.addNotes(hermitNote(4))
            writer.segments.insert(Segment(1, offset: offset, vaddr: 0x1000, filesz: 0x100), at: 0)
            writer.entry = 0x1000
            let file = writer.bytes
            let found = fault { _ = try Application(ByteView(file.span.bytes)) }
            #expect(found == (isHeader ? Fault(.entryInHeader, .header, value: 0x1000) : nil), "\(offset)")
        }
    }
}
