// Warnings about the firmware's information and about the application.

import Boot
import Bytes
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct WarningTests {
    @Test(arguments: [Verbosity.quiet, .normal, .verbose])
    func `unread setup_data is reported`(_ verbosity: Verbosity) throws {
        let file = LinkedFileWriter().bytes
        let application = try Application(ByteView(file.span.bytes))
        for isUnread in [false, true] {
            var platform = Platform(.linux, information: 0x7000)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x800_0000), .available)
            try platform.add(Module(range: AddressRange(0x20_0000, 0x20_1000), commandLine: AddressRange(0, 0)))
            platform.hasUnreadSetupData = isUnread
            var sink = TextCollector()
            Report.found(application, platform.facts, verbosity, to: &sink)
            let line =
                "\n[LOADER] warning: setup_data above 4 GiB is not read, and memory listed only there is not used\n"
            #expect(sink.text.contains(line) == (isUnread && verbosity != .quiet), "\(sink.text)")
        }
    }

    /// Each object whose size in the library differs from that in the application.
    @Test(arguments: [([8, 8], 0), ([8, 16], 1), ([4, 8], 1), ([4, 16], 2)] as [([UInt64], Int)])
    func `copies of another size are counted`(_ sizes: [UInt64], _ count: Int) throws {
        var kernel = LinkedFileWriter(), library = LinkedFileWriter()
        kernel.needed = "one.so"
        for (index, size) in sizes.enumerated() {
            let place = 0x4000 + UInt64(index) * 0x10
            kernel.symbols.append(LinkedSymbol(name: "object\(index)", value: place, size: 8, shndx: 1))
            kernel.rela.append(LinkedRelocation(offset: place, type: 5, symbol: UInt32(index) + 1))
            library.symbols.append(LinkedSymbol(name: "object\(index)", value: place, size: size, shndx: 1))
        }
        var image = ImageWriter(kernel.bytes)
        image.files.append(("one.so", library.bytes))
        let warning =
            "\n[LOADER] warning: R_X86_64_COPY: objects of another size in the library than in the application: "
        let said = try ImageOpeningTests.boot(image.archive).said
        #expect(said.contains("\(warning)\(count); link it again\n") == (count > 0), "\(said)")
        #expect(said.contains(warning) == (count > 0), "\(said)")
    }

    /// The oldest kernels align thread-local storage to 16 bytes, and ignore larger alignments.
    @Test(
        arguments: [("0", 16, false), ("0", 32, true), ("0", 0x1000, true), ("1", 32, false), ("2", 32, false)]
            as [(String, UInt64, Bool)])
    func `an ignored alignment of thread-local storage is reported`(
        _ generation: String, _ alignment: UInt64, _ isTold: Bool
    ) throws {
        var kernel = LinkedFileWriter()
        let line = "loader.generation=\(generation)"
        let warning = "\n[LOADER] warning: kernels before 0.3.54 ignore the alignment of thread-local storage, "
        #expect(try !ImageOpeningTests.boot(kernel.bytes, line: line).said.contains(warning))
        kernel.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 16, align: alignment)
        let said = try ImageOpeningTests.boot(kernel.bytes, line: line).said
        #expect(said.contains("\(warning)\(alignment)\n") == isTold && said.contains(warning) == isTold, "\(said)")
    }
}
