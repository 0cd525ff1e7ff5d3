// Properties of an application that follow from its kernel's version.

import Boot
import Bytes
import Diagnostics
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ApplicationTests {
    /// Kernel 0.11, the first with an identity mapping, respects no reservations and uses no 1 GiB pages; later ones do both.
    @Test(arguments: [
        (0 as UInt32, 10 as UInt32, false), (0, 11, false), (0, 12, true), (0, 13, true), (1, 0, true), (1, 11, true),
    ])
    func `only newer kernels read reservations`(_ major: UInt32, _ minor: UInt32, _ reads: Bool) throws {
        for patch in [0, 20] as [UInt32] {
            var writer = ELFWriter()
            writer.append([0xf4])
            writer.addNotes(hermitNote(4) + abiTag(major, minor, patch))
            let file = writer.bytes
            let application = try Application(ByteView(file.span.bytes))
            #expect(application.readsReservations == reads)
            #expect(application.acceptsGigabytePages == reads)
            #expect((application.generation == .fourRecursive) == (major == 0 && minor == 10))
        }
    }

    /// Without a version nothing is assumed, for any forced generation.
    @Test func `a kernel without a version reads no reservations`() throws {
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(hermitNote(4))
        let file = writer.bytes
        var options = LoaderOptions()
        options.generation = .fourIdentity
        let application = try Application(ByteView(file.span.bytes), options)
        #expect(!application.readsReservations && !application.acceptsGigabytePages)
    }

    /// Only kernels with an identity mapping can read reservations, whatever their version.
    @Test(arguments: [1, 2, 3] as [UInt8]) func `a kernel of an older generation reads no reservations`(
        _ version: UInt8
    ) throws {
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(hermitNote(version) + abiTag(1, 13, 0))
        let file = writer.bytes
        let application = try Application(ByteView(file.span.bytes))
        #expect(!application.readsReservations && !application.acceptsGigabytePages)
    }

    /// Kernels put the block below TP at a multiple of its alignment. If the template does not begin at one, the reported template begins
    /// earlier, and is as much longer. Without initialised bytes there is nothing to copy.
    @Test func `a template begins at a multiple of its alignment`() throws {
        let base: UInt64 = 0x40_0000
        for (vaddr, filesz, memsz, align, told) in [
            (0x100, 0x10, 0x20, 16, (0x100, 0x10, 0x20)), (0x104, 0x10, 0x20, 16, (0x100, 0x14, 0x24)),
            (0x10f, 0, 0x20, 16, (0x100, 0, 0x2f)), (0x101, 1, 1, 1, (0x101, 1, 1)), (0x103, 5, 5, 0, (0x103, 5, 5)),
            (0x3f, 0x10, 0x10, 64, (0, 0x4f, 0x4f)), (0x41, 8, 8, 0x1000, (0, 0x49, 0x49)),
        ] as [(UInt64, UInt64, UInt64, UInt64, (UInt64, UInt64, UInt64))] {
            var writer = ELFWriter(base: base)
            writer.append([0xf4])
            writer.addNotes(hermitNote(4))
            writer.segments.append(
                Segment(7, offset: vaddr, vaddr: base + vaddr, filesz: filesz, memsz: memsz, align: align))
            let file = writer.bytes
            let application = try Application(ByteView(file.span.bytes))
            guard let tls = application.tls(bias: 0x1000) else {
                Issue.record("it has a template")
                return
            }
            #expect(tls.start == base + told.0 + 0x1000 && tls.filesz == told.1 && tls.memsz == told.2)
            #expect(tls.align == max(align, 1))
        }
        // Before the image there are no bytes for a kernel to copy.
        for (vaddr, filesz, isRefused) in [(0x20_0010, 8, true), (0x20_0010, 0, false), (0x40_0010, 8, false)]
            as [(UInt64, UInt64, Bool)]
        {
            var writer = ELFWriter(type: 2, base: 0x20_0000)
            writer.append([0xf4])
            writer.addNotes(hermitNote(4))
            writer.alignment = 0x1000
            if vaddr > 0x40_0000 { writer.zeroFill = 0x30_0000 }
            writer.segments.append(
                Segment(7, offset: 16, vaddr: vaddr, filesz: filesz, memsz: 16, align: 0x40_0000))
            let file = writer.bytes
            let found = fault { _ = try Application(ByteView(file.span.bytes)) }
            #expect(found == (isRefused ? Fault(.tlsBeforeImage, value: vaddr, limit: 0x40_0000) : nil))
        }
    }
}
