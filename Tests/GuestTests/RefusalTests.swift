// Files that cannot boot: one clear line, the documented status, and the same sentence on the host.

import Foundation
import Subprocess
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct RefusalTests {
    @Test func noApplication() async throws {
        let outcome = try await Guest(initrd: nil).boot()
        #expect(outcome.status == 33, outcome.comment)
        #expect(
            outcome.errors == ["no application was given; give the application as a module or as initrd"],
            outcome.comment)
    }

    /// CPU models, and the feature that each lacks although entry code and compiled code need it.
    @Test(arguments: [
        ("pentium", "a 64-bit mode, PAE, CMOV, FXSR, SSE, SSE2"), ("pentium3", "a 64-bit mode, SSE2"),
        ("qemu64,-lm", "a 64-bit mode"), ("qemu64,-pae", "PAE"), ("qemu64,-msr", "MSR"), ("qemu64,-cmov", "CMOV"),
        ("qemu64,-fxsr", "FXSR"), ("qemu64,-sse", "SSE"), ("qemu64,-sse2", "SSE2"),
        ("base,+lm,+fxsr,+sse,+sse2", "PAE, MSR, CMOV"),
    ])
    func unfitCPU(_ cpu: String, _ missing: String) async throws {
        var guest = Guest(initrd: Project.fixture("demo"))
        guest.cpu = cpu
        let outcome = try await guest.boot()
        #expect(outcome.status == 45, outcome.comment)
        let sentence = "this CPU lacks \(missing), which the loader needs; choose another model (QEMU's -cpu)"
        #expect(outcome.errors == [sentence], outcome.comment)
    }

    /// RDTSC is an invalid opcode there.
    @Test func withoutTimeStamps() async throws {
        var guest = Guest(initrd: Project.fixture("demo"), moduleArguments: "loader.kaslr")
        guest.cpu = "qemu64,-tsc"
        guest.append = "env=GREETING=hello -- one two"
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("places, by the interval timer\n"), outcome.comment)
    }

    /// The loader's PVH entry, with another number for the starter.
    @Test func startedByNobodyKnown() async throws {
        var loader = try Data(contentsOf: Guest.loaderWithoutMultiboot.get())
        let number = try #require(loader.range(of: Data([0xbf] + littleEndian(0x336e_c578 as UInt32))))
        loader.replaceSubrange(number, with: [0xbf] + littleEndian(0x1234_5678 as UInt32))
        let copy = try TemporaryFile(loader)
        let outcome = try await Guest(initrd: Project.fixture("demo"), loader: copy.url).boot()
        #expect(outcome.status == 45, outcome.comment)
        let sentence = try #require(outcome.errors.first, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
        let reason = "the loader was started by no protocol that it knows: the magic number is 0x12345678, and no "
        #expect(sentence.hasPrefix(reason + "boot_params of Linux are at 0x"), outcome.comment)
        #expect(sentence.hasSuffix("; start it with QEMU's -kernel, or as a PVH kernel"), outcome.comment)
    }

    /// A terminal that accepts nothing must not keep the machine from ending.
    @Test func stuckTerminal() async throws {
        let terminal = try StuckTerminal()
        var guest = Guest(initrd: Project.fixture("demo"))
        guest.serial = terminal.arguments
        guest.cpu = "pentium"
        let outcome = try await guest.boot()
        #expect(outcome.status == 45, outcome.comment)
        guest = Guest(initrd: nil)
        guest.serial = terminal.arguments
        let refused = try await guest.boot()
        #expect(refused.status == 33, refused.comment)
    }

    @Test func emptyFile() async throws { try await refuses(Data(), status: 33, saying: "the file is empty") }

    @Test func textFile() async throws {
        try await refuses(Data("root:x:0:0\n".utf8), status: 35, saying: "this is not an ELF file")
    }

    @Test func thirtyTwoBits() async throws {
        try await refuses(try patched(4, 1), status: 37, saying: "ELF header: EI_CLASS is 1: a 32-bit file")
    }

    @Test func bigEndian() async throws {
        try await refuses(try patched(5, 2), status: 37, saying: "ELF header: EI_DATA is 2: not little endian")
    }

    @Test func anotherMachine() async throws {
        try await refuses(try patched(18, 183), status: 37, saying: "ELF header: e_machine is 183, not 62 (x86-64)")
    }

    @Test func largerThanMemory() async throws {
        var file = try demonstration()
        let header = try #require(headers(of: file).last { file[$0] == 1 }, "no PT_LOAD segment")
        file.replaceSubrange(header + 40..<header + 48, with: bytes(1 << 32))
        try await refuses(file, status: 43, saying: "the image needs 0x", memory: "256M")
    }

    @Test func outsideRAM() async throws {
        // The demonstration application, but as ET_EXEC and with every segment 3 GiB higher.
        var file = try demonstration()
        file[16] = 2
        for header in headers(of: file) {
            let address = word(file, header + 16) + 0xc000_0000
            file.replaceSubrange(header + 16..<header + 24, with: bytes(address))
        }
        file.replaceSubrange(24..<32, with: bytes(word(file, 24) + 0xc000_0000))
        try await refuses(file, status: 43, saying: "the image must lie at 0xc0000000", memory: "256M")
    }

    /// The image goes where the module is: the names in the sentence are read from the module's new place.
    @Test func namesOfAMovedModule() async throws {
        var writer = ELFWriter(type: 2, base: 0x20_0000)
        writer.append([UInt8](repeating: 0xf4, count: 0x10_0000))
        let symbol = writer.addSymbol("nowhere_to_be_found", shndx: 0)
        writer.addNotes(hermitNote(4))
        writer.setDynamic(
            writer.symbolEntries() + writer.relaEntries([Relocation(6, at: 0x20_0800, symbol: symbol)]))
        writer.zeroFill = 0x100_0000
        try await refuses(
            Data(writer.bytes), status: 41,
            saying: "DT_RELA entry 0: undefined: 'nowhere_to_be_found', needed at 0x200800")
    }

    @Test(arguments: [1, 3, 4, 15, 16, 52, 63, 64, 65, 119, 120, 300])
    func truncated(length: Int) async throws {
        try await refuses(try demonstration().prefix(length), status: 35, saying: nil)
    }

    /// Every length up to the end of the program headers; this takes minutes, so only in a soak.
    @Test(.enabled(if: isSoak, "only in make soak"))
    func truncatedEverywhere() async throws {
        let file = try demonstration()
        let end = 64 + Int(file[56]) * 56
        for length in 1..<end { try await refuses(file.prefix(length), status: 35, saying: nil) }
    }

    // MARK: Files

    private func demonstration() throws -> Data { Data(try Data(contentsOf: Project.fixture("demo"))) }

    private func patched(_ offset: Int, _ value: UInt8) throws -> Data {
        var file = try demonstration()
        file[offset] = value
        return file
    }

    /// The file offsets of the program headers.
    private func headers(of file: Data) -> [Int] { (0..<Int(file[56])).map { 64 + $0 * 56 } }

    private func word(_ file: Data, _ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(file[offset + $1]) << UInt64(8 * $1) }
    }

    private func bytes(_ value: UInt64) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }

    // MARK: Expectations

    private func refuses(_ file: Data, status: Int32, saying start: String?, memory: String = "1G") async throws {
        let image = try TemporaryFile(Data(file))
        let outcome = try await Guest(initrd: image.url, memory: memory).boot()
        #expect(outcome.status == status, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
        let sentence = try #require(outcome.errors.first, outcome.comment)
        if let start { #expect(sentence.hasPrefix(start), outcome.comment) }

        let host = try await Self.inspect(image.url, memory: memory)
        #expect(host.sentence == sentence, "the host says something else than the guest")
        #expect(host.status == (status == 35 ? 2 : 1))
    }

    /// loader-inspect, beside the tests' own executable.
    static let tool = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("loader-inspect")

    /// The output of loader-inspect for the same file on the same machine.
    static func inspect(
        _ file: URL, modules: [String] = [], options: String = "", arguments: [String] = [], memory: String
    ) async throws -> (sentence: String?, status: Int32?) {
        let result = try await Subprocess.run(
            .path(.init(tool.path)),
            arguments: Arguments(
                ["--memory", memory, "--loader", Project.loader.path, "--loader-options", options] + arguments
                    + modules.flatMap { ["--module", $0] } + [file.path]),
            output: .string(limit: 1 << 20), error: .discarded)
        let line = result.standardOutput.split(separator: "\n").first { $0.hasPrefix("  error: ") }
        let status: Int32? = if case .exited(let code) = result.terminationStatus { Int32(code) } else { nil }
        return (line.map { String($0.dropFirst(9)) }, status)
    }
}
