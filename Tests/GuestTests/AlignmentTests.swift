// Kernels of entry versions 2 and 3 by other compilers: the file names the compiler, or the exception report names the option.

import Commands
import Foundation
import Subprocess
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct AlignmentTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("gen2-align16-pie"))

    /// A copy of the fixture `name` with `comment` in `.comment`.
    private static func fixture(_ name: String, _ comment: String) async throws -> TemporaryFile {
        let text = try TemporaryFile(Data(comment.utf8 + [0]))
        let copy = try TemporaryFile(Data())
        let words = [
            "--remove-section=.comment", "--add-section=.comment=\(text.url.path)", Project.fixture(name).path,
            copy.url.path,
        ]
        let run = try? await Subprocess.run(
            .name("llvm-objcopy"), arguments: Arguments(words), output: .discarded, error: .string(limit: 1 << 16))
        guard let run else {
            try Test.cancel("\(skipped("\(name) with another .comment", "there is no llvm-objcopy"))")
        }
        try #require(run.terminationStatus.isSuccess, "\(run.standardError)")
        return copy
    }

    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            ("gen2-align16-pie", "1.78.0", "", true), ("gen3-align16-8M", "1.77.2", "", true),
            ("gen2-align16-pie", "1.76.0", "", false), ("gen2-align16-pie", "1.76.0", "loader.align16", true),
            ("gen2-pie", "1.76.0", "", true), ("gen3-pie", "1.80.0", "", false),
            ("gen3-pie", "1.80.0", "loader.no-align16", true), ("gen4-recursive-pie", "1.80.0", "", true),
        ])
    func theCompilerDecides(_ name: String, _ version: String, _ options: String, _ runs: Bool) async throws {
        let file = try await Self.fixture(name, "rustc version \(version) (0123456789 2024-01-01)")
        var guest = Guest(initrd: file.url, memory: "64M")
        guest.moduleArguments = options
        let outcome = try await guest.boot()
        #expect((outcome.status == 3) == runs, outcome.comment)
        let said = "128-bit integers aligned as by rustc "
        let isAligned = !name.hasPrefix("gen4") && options.isEmpty && version >= "1.77"
        #expect(outcome.serial.contains(said) == isAligned, outcome.comment)
    }

    /// The first steps of a kernel that takes a null pointer for the address of the machine's description.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            (2, 0, "", "loader.align16"), (3, 0x18, "", "loader.align16"), (3, 0x10, "", nil), (4, 0, "", nil),
            (2, 0x18, "loader.align16", "loader.no-align16"),
        ] as [(UInt8, UInt8, String, String?)])
    func theReportSuggests(_ version: UInt8, _ address: UInt8, _ options: String, _ wanted: String?) async throws {
        var writer = ELFWriter()
        // xor %eax, %eax; mov ADDRESS(%rax), %rax
        writer.append([0x31, 0xc0, 0x48, 0x8b, 0x40, address, 0xf4])
        writer.addNotes(hermitNote(version))
        let file = try TemporaryFile(Data(writer.bytes))
        var guest = Guest(initrd: file.url, memory: "64M")
        guest.moduleArguments = options
        let outcome = try await guest.boot()
        #expect(outcome.status == 47, outcome.comment)
        let lines = outcome.serial.split(separator: "\n").filter { $0.contains(" built die so: say loader.") }
        #expect(lines.count == (wanted == nil ? 0 : 1), outcome.comment)
        if let wanted { #expect(lines.first?.hasSuffix("say \(wanted)") == true, outcome.comment) }
    }

    /// Notes in sections only, without PT_NOTE, as some linker scripts leave them: the contract is read from them.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["demo", "demo-recursive", "gen3-pie", "gen1-8M"])
    func notesInSectionsOnly(_ name: String) async throws {
        var file = Array(try Data(contentsOf: Project.fixture(name)))
        for index in 0..<Int(file.number(UInt16.self, at: 56)) where file.number(UInt32.self, at: 64 + 56 * index) == 4
        {
            // PT_NULL.
            file.put(0 as UInt32, at: 64 + 56 * index)
        }
        let copy = try TemporaryFile(Data(file))
        let outcome = try await Guest(initrd: copy.url, memory: "256M").boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(", by notes that are in no PT_NOTE segment"), outcome.comment)
        let host = try await RefusalTests.inspect(copy.url, memory: "256M")
        #expect(host.status == 0)
    }
}
