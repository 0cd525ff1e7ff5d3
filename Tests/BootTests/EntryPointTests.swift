// Valid entry points: the first and the last, and their neighbours.

@testable import Boot
import Bytes
import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct EntryPointTests {
    /// The fault of an application of 0x400 bytes and as many zeros, linked at `base` and entered at `entry`.
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

    /// The file's header cannot be entered if it is loaded.
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

    /// A page that parts share is executable if one of them is, even if it is not the entry point's part.
    @Test(
        arguments: [
            (0x1ff0, 5), (0x1ff8, 5), (0x1ff9, 5), (0x1ff9, 4), (0x2000, 5), (0x2000, 7), (0x2010, 5), (0x2010, 6),
            (0x2ff8, 5),
            (0x3000, 5),
        ] as [(UInt64, UInt32)])
    func `the entry point's page is executable`(_ start: UInt64, _ flags: UInt32) {
        // The entry point is at 0x2008 in a data segment, which begins on the next segment's last page or ends on its first.
        var writer = ELFWriter()
        writer.append([UInt8](repeating: 0xf4, count: 0x100))
        writer.hasLoadSegment = false
        writer.addNotes(hermitNote(4))
        let code = Segment(1, offset: 0x40, vaddr: start, filesz: 8, flags: flags)
        let data = Segment(1, offset: 0x40, vaddr: 0x2008, filesz: 8, flags: 6)
        let isFirst = start < 0x2008
        writer.segments.insert(contentsOf: isFirst ? [code, data] : [data, code], at: 0)
        writer.entry = 0x2008
        let file = writer.bytes
        let found = fault {
            let application = try Application(ByteView(file.span.bytes))
            try application.requireExecutableEntry()
        }
        // The code's bytes are on the page, or not.
        let isShared = flags & 1 != 0 && start < 0x3000 && start + 8 > 0x2000
        let part: UInt64 = isFirst ? 1 : 0
        #expect(found == (isShared ? nil : Fault(.entryNotExecutable, .programHeader(part), value: 0x2008)))
    }

    /// If pages have the permissions of their segments, an entry point that is not executable is refused; otherwise it boots.
    @Test func `an entry point that is not executable boots without protection`() throws {
        var writer = ELFWriter()
        writer.append([UInt8](repeating: 0xf4, count: 0x100))
        writer.hasLoadSegment = false
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 0))
        writer.segments.insert(Segment(1, offset: 0, vaddr: 0, filesz: 0x400, flags: 6), at: 0)
        let file = writer.bytes + [UInt8](repeating: 0, count: 0x400)
        for (line, hasNoExecute, isRefused) in [
            ("", true, true), ("loader.protect", true, true), ("loader.no-protect", true, false),
            ("loader.protect", false, false),
        ] {
            let found = fault {
                let handoff = Handoff(
                    loader: AddressRange(0x10_0000, 0x12_0000), codeEnd: 0x11_0000, hasGigabytePages: false,
                    hasNoExecute: hasNoExecute)
                _ = try BootedMachine([(0x5000, Array(line.utf8)), (0x40_0000, file)], handoff) { () throws(Fault) in
                    var platform = Platform(.pvh, information: 0x9500)
                    try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
                    try platform.memoryMap.add(AddressRange(0x10_0000, 0x400_0000), .available)
                    let module = AddressRange(at: 0x40_0000, size: UInt64(file.count))
                    try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
                    if !line.isEmpty { platform.commandLine = AddressRange(at: 0x5000, size: UInt64(line.utf8.count)) }
                    return platform
                }
            }
            let refused = Fault(.entryNotExecutable, .programHeader(0), value: writer.entry)
            #expect(found == (isRefused ? refused : nil), "\(line)")
        }
    }
}
