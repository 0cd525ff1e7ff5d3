// The properties that scripts rely on: exit statuses, silence, and plain text in pipes.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct StatusTests {
    @Test func statusIsTheWorstOfAllFiles() async throws {
        let folder = try Folder.withSamples()
        #expect(try await Tool.run(["application"], in: folder.url).status == 0)
        #expect(try await Tool.run(["application", "undefined"], in: folder.url).status == 1)
        #expect(try await Tool.run(["truncated", "undefined", "application"], in: folder.url).status == 2)
        // If one of several files cannot be read, such as a folder in `build/*`, the others are read nevertheless.
        let rest = try await Tool.run(["--quiet", "absent", ".", "undefined"], in: folder.url)
        #expect(rest.status == 64 && rest.output.contains("undefined: will not boot"), "\(rest.output)")
        #expect(
            rest.errors
                == "Error: cannot read absent: No such file or directory\nError: cannot read .: Is a directory\n")
        #expect(try await Tool.run([], in: folder.url).status == 64)
        #expect(try await Tool.run(["absent"], in: folder.url).status == 64)
        #expect(try await Tool.run(["--memory", "much", "application"], in: folder.url).status == 64)
        #expect(try await Tool.run(["explain", "nonsense"], in: folder.url).status == 64)
    }

    /// The worst status wins: a later file's status does not replace an earlier one's, whatever the faults.
    @Test(arguments: ["verdict", "relocations"]) func statusIsNotThatOfTheLastFile(_ view: String) async throws {
        let folder = try Folder()
        try folder.write("malformed", Sample.truncated)
        // A file for another machine: its relocations are all listed, unlike those with an undefined symbol.
        let foreign = Sample.application.putting(183 as UInt16, at: 18)
        try folder.write("foreign", view == "verdict" ? foreign : Sample.undefined)
        try folder.write("application", Sample.application)
        let files = ["absent", "malformed", "foreign", "application"]
        for (first, status) in [64, 2, 1, 0].enumerated() {
            let names = Array(files[first...])
            #expect(try await Tool.run([view] + names, in: folder.url).status == Int32(status), "\(names)")
        }
    }

    /// After an option a subcommand is taken for a file, which may exist.
    @Test func subcommandsAfterOptions() async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let misplaced = try await Tool.run(["--quiet", "map", "application"], in: folder.url)
        #expect(misplaced.status == 64 && misplaced.output.isEmpty)
        #expect(misplaced.errors.hasPrefix("Error: options follow the subcommand: loader-inspect map ...\n"))
        try folder.write("map", Sample.application)
        #expect(try await Tool.run(["--quiet", "map", "application"], in: folder.url).status == 0)
    }

    /// Tables of several files stand below their names; a single file needs no title.
    @Test(arguments: GoldenTests.views.dropFirst()) func severalFilesHaveTitles(_ view: String) async throws {
        let folder = try Folder()
        let names = ["application", "fixed\u{1b}"]
        try folder.write(names[0], Sample.application)
        try folder.write(names[1], Sample.fixed)
        var outputs: [String] = []
        for name in names { outputs.append(try await Tool.run([view, name], in: folder.url).output) }
        let both = try await Tool.run([view, names[0], "absent", names[1]], in: folder.url)
        #expect(both.output == "application:\n\(outputs[0])\nfixed?:\n\(outputs[1])")
        let json = try await Tool.run([view, "--json"] + names, in: folder.url)
        #expect(!json.output.contains(":\n"))
    }

    @Test func standardInput() async throws {
        let folder = try Folder()
        try folder.write("file", Sample.application)
        let named = try await Tool.run(["segments", "file"], in: folder.url)
        let piped = try await Tool.run(["segments", "-"], input: Sample.application)
        #expect(named.status == 0)
        #expect(named.output == piped.output)
    }

    @Test(arguments: [
        ["-", "-"], ["--module", "-", "-"], ["relocations", "--module", "-", "-"], ["boot", "--module", "-", "a"],
    ])
    func standardInputOnce(_ words: [String]) async throws {
        let folder = try Folder()
        try folder.write("a", Sample.application)
        // The reader reads nothing: writing must not end the tests by SIGPIPE.
        let run = try await Tool.run(words, in: folder.url)
        #expect(run.status == 64)
        #expect(run.errors.contains("standard input"), "\(run.errors)")
    }

    @Test func quietSaysNothingOfWhatBoots() async throws {
        let folder = try Folder.withSamples()
        let run = try await Tool.run(["--quiet", "application", "undefined", "truncated"], in: folder.url)
        #expect(!run.output.contains("application: boots\n  kind"))
        #expect(run.output.contains("undefined: will not boot\n  error: DT_RELA entry 0: "))
        #expect(run.output.contains("truncated: malformed\n  error: "))
    }

    @Test func colourOnlyWhereItIsAskedFor() async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let plain = try await Tool.run(["application"], in: folder.url)
        let colored = try await Tool.run(["--color", "always", "application"], in: folder.url)
        #expect(!plain.output.contains("\u{1b}"))
        #expect(colored.output.contains("\u{1b}[1;32mboots\u{1b}[0m"))
        let bare = colored.output.replacing(/\u{1b}\[[0-9;]*m/, with: "")
        #expect(bare == plain.output)
    }

    @Test func explanationsOfOtherSubjects() async throws {
        let signal = try await Tool.run(["explain", "139"])
        #expect(signal.output == "loader-inspect boot status 139: QEMU was ended by signal 11\n")
        // As copied from a terminal.
        let copied = try await Tool.run([
            "explain", " [LOADER] error: there is no PT_LOAD segment, so nothing to load \n",
        ])
        #expect(copied.output.hasPrefix("error noLoadSegment: "))
        for subject in ["", " ", "\n", "error: ", "139.5", "193", "nonsense \u{1b}[31m"] {
            let run = try await Tool.run(["explain", subject])
            #expect(run.status == 64 && run.output.isEmpty, "\(subject): \(run.output)")
            #expect(run.errors.hasSuffix("' is not a status, an error or a relocation type\n"))
            #expect(!run.errors.contains("\u{1b}"))
        }
    }

    @Test func everyErrorCanBeExplained() async throws {
        let run = try await Tool.run(["explain"])
        let names = run.output.split(separator: "\n").compactMap { line in
            line.hasSuffix(")") && line.contains("(status ") ? line.split(separator: " ").first.map { String($0) } : nil
        }
        #expect(names.count > 60)
        let all = try await Tool.run(["explain"] + names)
        #expect(all.status == 0)
        #expect(all.output.components(separatedBy: "  advice: ").count == names.count + 1)
        // The whole line of a failed boot works like a name.
        let folder = try Folder()
        try folder.write("undefined", Sample.undefined)
        let said = try await Tool.run(["undefined"], in: folder.url).output
        let sentence = try #require(said.split(separator: "\n").first { $0.hasPrefix("  error: ") })
        #expect(try await Tool.run(["explain", "[LOADER]" + sentence]).output.contains("error symbolUndefined: "))
    }
}
