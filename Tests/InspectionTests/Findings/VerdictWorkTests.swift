// The work of a verdict: gdb counts the calls of the tool's functions.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct VerdictWorkTests {
    /// The number of calls of each of the functions called `names`, mangled as `nm` lists them, in a run with the arguments `words`.
    private func calls(of names: [String], by words: [String], in folder: Folder) async throws -> [Int] {
        let commands =
            names.map { "break '\($0)'" } + [
                "python", "for each in gdb.breakpoints(): each.ignore_count = 1 << 30", "end",
            ]
            + ["run", "python", "for each in gdb.breakpoints(): print('calls', each.hit_count)", "end"]
        let script = try folder.write("script", commands.joined(separator: "\n") + "\n").path
        let run = try await Tool.run(
            program: "gdb", ["-q", "-nx", "-batch", "-x", script, "--args", Tool.program.path] + words, in: folder.url)
        return run.output.matches(of: /calls ([0-9]+)/).compactMap { Int($0.1) }
    }

    @Test(.enabled(if: isInstalled("gdb", "nm"), "gdb or nm is not there"))
    func `a verdict reads the application once, and lists its relocations once`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let symbols = try await Tool.run(program: "nm", [Tool.program.path]).output.split { " \n".contains($0) }
        // Every initialiser of each.
        for type in ["$s4Boot11ApplicationV", "$s7Linking17ListedRelocationsV"] {
            let names = symbols.filter { $0.hasPrefix(type) && $0.hasSuffix("fC") }.map { String($0) }
            try #require(!names.isEmpty, "\(type) has no initialiser")
            let calls = try await calls(of: names, by: ["app"], in: folder)
            #expect(calls.count == names.count && calls.reduce(0, +) == 1, "\(names): \(calls)")
        }
    }
}
