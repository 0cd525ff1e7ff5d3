// The kernel in docs/kernels.md: its code is assembled, linked and booted.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

@Suite(.built, .timeLimit(.minutes(minutesPerTest))) struct DocumentTests {
    @Test func `the kernel of the page boots, linked, as an object file, and with C`() async throws {
        let folder = try Folder()
        try folder.write("kernel.S", #require(try Self.blocks("asm").first))
        try folder.write("main.c", "int variable = 1, *pointer = &variable;\n")
        let commands = try Self.blocks("sh")
        try #require(commands.count == 2)

        try await Self.run(commands[0], in: folder.url)
        try await Self.boot(folder.place("kernel"), relocations: 0)
        try await Self.boot(folder.place("kernel.o"), relocations: 0)
        try await Self.run(commands[1], in: folder.url)
        try await Self.boot(folder.place("kernel"), relocations: 1)
    }

    /// The text between ```LANGUAGE and ```, for each block.
    private static func blocks(_ language: String) throws -> [String] {
        let page = try String(contentsOf: Project.root.appendingPathComponent("docs/kernels.md"), encoding: .utf8)
        return page.components(separatedBy: "\n```\(language)\n").dropFirst().map {
            $0.components(separatedBy: "\n```")[0] + "\n"
        }
    }

    /// Runs `commands`, except for calls of the tool, which need not be installed.
    private static func run(_ commands: String, in folder: URL) async throws {
        let lines = commands.split(separator: "\n").filter { !$0.hasPrefix("loader-inspect ") }
        let result = try await Subprocess.run(
            .name("sh"), arguments: ["-ec", lines.joined(separator: "\n")], workingDirectory: FilePath(folder.path),
            output: .discarded, error: .string(limit: 1 << 16))
        #expect(result.terminationStatus == .exited(0), "\(commands)\(result.standardError)")
    }

    private static func boot(_ kernel: URL, relocations: Int) async throws {
        for start in Start.allCases {
            let guest = Guest(initrd: kernel, loader: try start.loader(), append: "hello, world")
            let outcome = try await guest.boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains("\n[LOADER] \(relocations) relocation"), outcome.comment)
            // By PVH only the device tree has the command line.
            #expect(outcome.serial.hasSuffix(start == .pvh ? "\n\n" : " hello, world\n"), outcome.comment)
        }
    }
}
