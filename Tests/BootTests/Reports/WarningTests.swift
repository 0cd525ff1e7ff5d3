// Warnings that do not depend on the application.

import Boot
import Bytes
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct WarningTests {
    @Test(arguments: [Verbosity.quiet, .normal, .verbose])
    func `setup_data that is not read is told`(_ verbosity: Verbosity) throws {
        let file = LinkedFileWriter().bytes
        let application = try Application(ByteView(file.span.bytes))
        for isUnread in [false, true] {
            var platform = Platform(.linux, information: 0x7000)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x800_0000), .available)
            try platform.add(Module(range: AddressRange(0x20_0000, 0x20_1000), commandLine: AddressRange(0, 0)))
            platform.hasUnreadSetupData = isUnread
            var sink = StringSink()
            Report.found(application, platform.facts, verbosity, to: &sink)
            let line =
                "\n[LOADER] warning: setup_data above 4 GiB is not read, and memory listed only there is not used\n"
            #expect(sink.text.contains(line) == (isUnread && verbosity != .quiet), "\(sink.text)")
        }
    }
}
