// Facts about an application that follow from its kernel's version.

import Boot
import Bytes
import HermitEntry
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ApplicationTests {
    /// Kernel 0.11, the first with an identity mapping, heeds no reservations and takes no page of 1 GiB; those after it do both.
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

    /// Without a version nothing is assumed, whatever generation is forced.
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
}
