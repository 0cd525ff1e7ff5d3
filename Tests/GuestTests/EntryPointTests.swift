// Files that would die at their first instruction: the host reports it, and the loader refuses them with the same sentence.

import Foundation
import Subprocess
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct EntryPointTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("demo"))

    /// The file offset of the program header whose segment contains the entry point of `file`.
    private static func entryHeader(_ file: [UInt8]) throws -> Int {
        let entry = file.number(UInt64.self, at: 24)
        let headers = (0..<Int(file.number(UInt16.self, at: 56))).map { 64 + 56 * $0 }
        return try #require(
            headers.first { at in
                file.number(UInt32.self, at: at) == 1
                    && entry &- file.number(UInt64.self, at: at + 16) < file.number(UInt64.self, at: at + 40)
            })
    }

    /// `name`, without PF_X in the segment of the entry point.
    private static func notExecutable(_ name: String) throws -> [UInt8] {
        let file = Array(try Data(contentsOf: Project.fixture(name)))
        let header = try entryHeader(file)
        return file.putting(file.number(UInt32.self, at: header + 4) & ~1, at: header + 4)
    }

    /// Both refuse `file` with a sentence that contains `words`, and exit status 1 or that of files that cannot boot here.
    private func isRefused(_ file: URL, _ words: String, options: String = "") async throws {
        var guest = Guest(initrd: file)
        guest.moduleArguments = options
        let outcome = try await guest.boot()
        #expect(outcome.status == 37, outcome.comment)
        #expect(outcome.errors.count == 1 && outcome.errors[0].contains(words), outcome.comment)
        let host = try await RefusalTests.inspect(file, options: options, memory: "1G")
        #expect(host.status == 1)
        #expect(host.sentence == outcome.errors.first, outcome.comment)
    }

    /// Both let `file` boot, with `options`.
    private func boots(_ file: URL, _ options: String = "", status: Int32 = 3) async throws {
        var guest = Guest(initrd: file)
        guest.moduleArguments = options
        let outcome = try await guest.boot()
        #expect(outcome.status == status && outcome.errors.isEmpty, outcome.comment)
        let host = try await RefusalTests.inspect(file, options: options, memory: "1G")
        #expect(host.status == 0 && host.sentence == nil)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["demo", "demo-recursive", "gen4-identity-4M"])
    func segmentWithoutExecution(_ name: String) async throws {
        let file = try TemporaryFile(Data(try Self.notExecutable(name)))
        let advice = "or say loader.no-protect"
        try await isRefused(file.url, "is in it, and it is not executable; link with an entry symbol")
        let host = try await RefusalTests.inspect(file.url, memory: "1G")
        #expect(host.sentence?.hasSuffix(advice) == true)
        // The fixture kernel checks that its pages are protected, and reports which are not.
        if name != "gen4-identity-4M" { try await boots(file.url, "loader.no-protect") }
    }

    /// Pages of older generations are not protected: the file runs, and the finding stays a warning.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["gen3-pie", "gen0-8M"])
    func segmentWithoutExecutionWhereNothingIsProtected(_ name: String) async throws {
        let file = try TemporaryFile(Data(try Self.notExecutable(name)))
        try await boots(file.url)
        try await isRefused(file.url, "is in it, and it is not executable", options: "loader.protect")
    }

    /// A CPU without NX boots it.
    @Test(.enabled(if: isBuilt, "make loader fixtures")) func segmentWithoutExecutionWithoutNX() async throws {
        let file = try TemporaryFile(Data(try Self.notExecutable("demo")))
        var guest = Guest(initrd: file.url)
        guest.cpu += ",-nx"
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        let host = try await RefusalTests.inspect(file.url, arguments: ["--without-nx"], memory: "1G")
        #expect(host.status == 0)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func zerosAfterTheBytes() async throws {
        let sound = Array(try Data(contentsOf: Project.fixture("demo")))
        var header = try Self.entryHeader(sound)
        // The segment that has zeros after its bytes.
        while sound.number(UInt64.self, at: header + 32) == sound.number(UInt64.self, at: header + 40) { header += 56 }
        let start = sound.number(UInt64.self, at: header + 16)
        let end = start + sound.number(UInt64.self, at: header + 32)
        // Without section headers, and executable.
        let zeros = sound.putting(end, at: 24).putting(0 as UInt64, at: 40).putting(7 as UInt32, at: header + 4)
        let file = try TemporaryFile(Data(zeros))
        try await isRefused(file.url, "is in it, where the file has no bytes: zeros would be executed")
    }

    /// Linkers leave 0 in e_entry if there is no entry symbol.
    @Test(.enabled(if: isBuilt, "make loader fixtures")) func noEntryPoint() async throws {
        let file = try TemporaryFile(
            Data(Array(try Data(contentsOf: Project.fixture("demo"))).putting(0 as UInt64, at: 24)))
        try await isRefused(file.url, "e_entry 0x0 points at the file's own header, which is not code")
    }

    /// Programs that split a file in two, and their arguments: the file, the program's part, the debugger's.
    static let splitters: [(program: String, arguments: @Sendable (String, String, String) -> [String])] = [
        ("objcopy", { file, _, debug in ["--only-keep-debug", file, debug] }),
        ("llvm-objcopy", { file, _, debug in ["--only-keep-debug", file, debug] }),
        ("eu-strip", { file, rest, debug in ["-f", debug, "-o", rest, file] }),
    ]

    /// The part with the debugging information, given by mistake.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"), arguments: splitters.indices,
        ["demo", "demo-recursive", "gen3-8M", "crash", "object-pic.o", "object-crash.o"])
    func debuggingInformation(_ splitter: Int, _ name: String) async throws {
        let (program, arguments) = Self.splitters[splitter]
        let folder = try Folder()
        let debug = folder.place("program.debug")
        let words = arguments(Project.fixture(name).path, folder.place("rest").path, debug.path)
        let run = try? await Subprocess.run(
            .name(program), arguments: Arguments(words), output: .discarded, error: .string(limit: 1 << 16))
        guard let run else { try Test.cancel("\(skipped("\(program) of \(name)", "it is not installed"))") }
        guard run.terminationStatus.isSuccess, Project.exists(debug) else {
            try Test.cancel("\(skipped("\(program) of \(name)", "it has nothing to split off, or can't"))")
        }
        let isObject = name.hasSuffix(".o")
        try await isRefused(
            debug, isObject ? "where the file has no bytes" : "this is the program's debugging information without")
    }

    /// Object files whose `_start` is in a section that is not code.
    @Test(.enabled(if: isBuilt, "make loader fixtures")) func objectFileWithoutCode() async throws {
        var object = ObjectFile()
        object.symbols = [ObjectSymbol(name: "_start", size: 16, info: 0x12, section: 1)]
        // mov $0xf4, %dx; mov $1, %al; out %al, %dx
        let code: [UInt8] = [0x66, 0xba, 0xf4, 0, 0xb0, 1, 0xee, 0xf4]
        object.sections = [
            ObjectSection(name: ".text", flags: 2, align: 16, bytes: code),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4)),
        ]
        for flags in [2, 3] as [UInt64] {
            object.sections[0].flags = flags
            let file = try TemporaryFile(Data(object.bytes))
            try await isRefused(file.url, "is in it, and it is not executable; link with an entry symbol")
            try await boots(file.url, "loader.no-protect")
        }
        object.sections[0].flags = 6
        let sound = try TemporaryFile(Data(object.bytes))
        try await boots(sound.url)
    }
}
