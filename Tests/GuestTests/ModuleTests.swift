// Many modules, and more modules than memory holds.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct ModuleTests {
    /// Adjacent ranges are one reservation, because kernels have room for few.
    @Test(arguments: ["gen2", "gen3", "gen4-recursive", "gen4-v0.11", "gen4-identity"], ["pie", "4M"])
    func asManyAsThereMayBe(kernel: String, place: String) async throws {
        let outcome = try await boot("\(kernel)-\(place)", [String](repeating: path("demo"), count: 15))
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(", unused modules: 15\n"), outcome.comment)
    }

    @Test(arguments: [16, 199]) func oneTooMany(further: Int) async throws {
        let outcome = try await boot("demo", [String](repeating: path("demo"), count: further))
        #expect(outcome.status == 45, outcome.comment)
        #expect(
            outcome.errors == ["there are \(further + 1) modules; at most 16 are supported; give fewer modules"],
            outcome.comment)
    }

    /// QEMU loads modules one after the other, for any size of memory.
    @Test func beyondMemory() async throws {
        let large = try TemporaryFile(Data())
        try FileHandle(forWritingTo: large.url).truncate(atOffset: 61 << 20)
        let modules = [large.url.path] + LibraryTests.libraries.map(path)
        let fitting = try await boot("libraries-exec", modules, memory: "160M")
        #expect(fitting.status == 3, fitting.comment)
        let outcome = try await boot("libraries-exec", modules, memory: "62M")
        #expect(outcome.status == 43, outcome.comment)
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(error.hasPrefix("the module at 0x"), outcome.comment)
        let rest = " is not entirely in RAM below 4 GiB; give the machine more memory, or a smaller file (strip)"
        #expect(error.hasSuffix(rest), outcome.comment)
        let host = try await RefusalTests.inspect(
            Project.fixture("libraries-exec"), modules: modules, memory: "62M")
        #expect(host.sentence?.hasSuffix(rest) == true)
    }

    @Test func optionAfterALibrary() async throws {
        let outcome = try await boot(
            "libraries-pie", [path("libtop.so") + " word", path("libbase.so"), path("libmiddle.so") + " loader.quiet"])
        #expect(outcome.status == 49, outcome.comment)
        #expect(
            outcome.errors == [
                "a loader option after another file than the application: 'loader.quiet'; give it after the application"
            ], outcome.comment)
    }

    @Test func digestOfALibrary() async throws {
        func digest(_ fixture: String) async throws -> String {
            try await sha256([Project.fixture(fixture).path])[0]
        }
        for (meant, status) in [("libmiddle.so", 3), ("libbase.so", 49)] as [(String, Int32)] {
            let middle = path("libmiddle.so") + " loader.sha256=" + (try await digest(meant))
            let outcome = try await boot("libraries-pie", [path("libtop.so"), path("libbase.so"), middle])
            #expect(outcome.status == status, outcome.comment)
            guard status != 3 else { continue }
            let sentence = try #require(outcome.errors.first, outcome.comment)
            let (found, wanted) = (try await digest("libmiddle.so").prefix(8), try await digest(meant).prefix(8))
            func hex(_ digits: Substring) -> String { "0x" + String(UInt64(digits, radix: 16)!, radix: 16) }
            #expect(
                sentence.hasPrefix(
                    "libmiddle.so: the file's SHA-256 has \(hex(found)) where that of loader.sha256= has \(hex(wanted));"
                ),
                outcome.comment)
        }
    }

    private func path(_ fixture: String) -> String { Project.fixture(fixture).path }

    private func boot(_ application: String, _ modules: [String], memory: String = "1G") async throws -> Outcome {
        var guest = Guest(initrd: Project.fixture(application), memory: memory)
        guest.modules = modules
        return try await guest.boot()
    }
}
