// The manual page and the help are complete, and their examples work.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ManualTests {
    /// The argument parser's description of a command (its `--experimental-dump-help`), as far as the tests need it.
    private struct Description: Decodable, Sendable { let command: Command }
    private struct Command: Decodable, Sendable {
        let commandName: String
        let discussion: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }
    private struct Argument: Decodable, Sendable {
        struct Name: Decodable, Sendable {
            let kind: String
            let name: String
        }
        let kind: String
        let names: [Name]?
        let shouldDisplay: Bool
        let abstract: String?
    }

    private static let description = Task {
        let run = try await Tool.run(["--experimental-dump-help"])
        return try JSONDecoder().decode(Description.self, from: Data(run.output.utf8)).command
    }

    private func described() async throws -> Command { try await Self.description.value }

    /// All subcommands; nested ones by both words.
    private func all() async throws -> [(words: [String], command: Command)] {
        (try await described().subcommands ?? []).flatMap { command in
            [([command.commandName], command)]
                + (command.subcommands ?? []).filter { $0.commandName != "help" }.map {
                    ([command.commandName, $0.commandName], $0)
                }
        }
    }

    private let page =
        (try? String(contentsOf: Tool.root.appendingPathComponent("docs/loader-inspect.1"), encoding: .utf8)) ?? ""

    @Test func thePageNamesEverySubcommandAndOption() async throws {
        let lines = Set(page.split(separator: "\n").map { String($0) })
        let subcommands = try await all().map(\.command)
        #expect(subcommands.count >= 16)
        let items = page.split(separator: "\n").filter { $0.hasPrefix(".It ") }
        for command in subcommands {
            #expect(lines.contains(".It Cm \(command.commandName)"), "\(command.commandName)")
            for argument in command.arguments ?? [] where argument.shouldDisplay {
                for name in argument.names ?? [] {
                    let macro = name.kind == "long" ? "Fl Fl \(name.name)" : "Fl \(name.name)"
                    let isThere = items.contains { item in
                        item.dropFirst(4).components(separatedBy: " , ").contains { ($0 + " ").hasPrefix(macro + " ") }
                    }
                    #expect(isThere, "\(command.commandName): \(name.name)")
                }
            }
        }
    }

    /// The page names only existing subcommands and options.
    @Test func thePageNamesNothingElse() async throws {
        let subcommands = try await all().map(\.command)
        let options = Set(subcommands.flatMap { $0.arguments ?? [] }.flatMap { $0.names ?? [] }.map(\.name))
        for item in page.split(separator: "\n") where item.hasPrefix(".It ") {
            for match in item.matches(of: /Fl (?:Fl )?([a-z-]+)/) {
                #expect(options.contains(String(match.1)), "\(item)")
            }
            if let match = item.wholeMatch(of: /\.It Cm ([a-z-]+)/) {
                #expect(subcommands.contains { $0.commandName == match.1 }, "\(item)")
            }
        }
    }

    @Test func theVersionIsThatOfThePage() async throws {
        for words in [["--version"], ["verdict", "--version"], ["boot", "--version"]] {
            let run = try await Tool.run(words)
            #expect(run.status == 0 && run.errors.isEmpty, "\(words)")
            #expect(run.output.wholeMatch(of: /loader-inspect [0-9]+\.[0-9]+\.[0-9]+\n/) != nil, "\(run.output)")
            #expect(page.contains("\n.Os \(run.output)"))
        }
    }

    @Test func thePageNamesEveryExitStatus() async throws {
        let everything = try await Tool.run(["explain"]).output
        let statuses = everything.split(separator: "\n").compactMap { $0.firstMatch(of: /^ +([0-9]+)\ \ /) }.map {
            String($0.1)
        }.filter { $0 != "1" && $0 != "3" }
        #expect(statuses.count >= 9)
        for status in statuses + ["0", "1", "2", "64", "74", "124", "125"] {
            #expect(page.contains("\n.It \(status)\n"), "\(status)")
            #expect(try await Tool.run(["explain", status]).output.contains("status \(status): "))
        }
        for (_, command) in try await all() where command.commandName != "help" {
            let text = try #require(command.discussion, "\(command.commandName)")
            let sentence = try #require(text.range(of: "Exit status"), "\(command.commandName)")
            for status in ["0", "64"] {
                #expect(text[sentence.upperBound...].contains(status), "\(command.commandName)")
            }
        }
    }

    @Test(.enabled(if: isInstalled("groff"), "there is no groff")) func thePageIsWellFormed() async throws {
        let run = try await Tool.run(
            program: "groff", ["-mdoc", "-Tutf8", "-ww", "-z", Tool.root.path + "/docs/loader-inspect.1"])
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    }

    /// Examples of --help work as they stand, and fit a terminal.
    @Test func examplesOfTheHelpWork() async throws {
        let folder = try Folder()
        for name in ["build", "old", "new"] {
            try FileManager.default.createDirectory(
                at: folder.url.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try folder.write("build/loader", Sample.fixed)
        try folder.write("build/loader.efi", Array("MZ".utf8))
        for name in ["app", "new/app", "a.elf", "libfoo.so"] {
            try folder.write(name, Sample.application)
        }
        try folder.write("app.o", Sample.object)
        try folder.write("app.debug", Sample.application)
        try folder.write("log", Array("panic at 0x200000\n".utf8))
        try folder.write("old/app", Sample.built)
        var count = 0
        try folder.write("app.tar.gz", ImageWriter(Sample.application).packed)
        try folder.write("my.conf", [1])
        for (words, command) in try await all() where command.commandName != "help" {
            // No existing file is overwritten.
            try? FileManager.default.removeItem(at: folder.url.appendingPathComponent("folder"))
            let help = try await Tool.run(words + ["--help"]).output
            #expect(help.split(separator: "\n").filter { !$0.hasPrefix("USAGE") }.allSatisfy { $0.count <= 80 })
            let examples = help.split(separator: "\n").filter { $0.hasPrefix("  loader-inspect ") }
            #expect(!examples.isEmpty, "\(command.commandName)")
            for example in examples {
                // The text after a wide gap explains the command; redirections and pipes are tested elsewhere.
                let line = String(example.dropFirst(2)).components(separatedBy: "   ")[0]
                    .components(separatedBy: "  against")[0].components(separatedBy: " | ")[0]
                    .components(separatedBy: "; ")[0].components(separatedBy: " > ")[0]
                let program = line.replacing(/^loader-inspect/, with: "'\(Tool.program.path)'")
                // No guest is started. Most examples do not read standard input, and a pipe would fail if they did not read it.
                let run = try await Tool.run(
                    program: "sh", ["-c", "OVMF=/dev/null QEMU=/bin/true \(program) < app"], in: folder.url)
                // /bin/true ends like QEMU when it is told to quit, which is no success.
                // The sample has no debugging information.
                let isBoot = line.contains(" boot ") && !line.contains("--dry-run")
                let status: Int32 = isBoot || line.contains("--by unit") ? 1 : 0
                #expect(run.status == status, "\(line): \(run.status) \(run.errors)")
                count += 1
            }
        }
        #expect(count > 35)
    }

    @Test func completionScripts() async throws {
        for (shell, mark) in [("bash", "complete "), ("zsh", "#compdef loader-inspect"), ("fish", "complete ")] {
            let run = try await Tool.run(["--generate-completion-script", shell])
            #expect(run.status == 0)
            #expect(run.output.contains(mark))
            for command in try await described().subcommands ?? [] { #expect(run.output.contains(command.commandName)) }
        }
    }
}
