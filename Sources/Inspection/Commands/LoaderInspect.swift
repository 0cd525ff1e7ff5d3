// The command line: will this file boot, where, how, and if not, why not?

import Memory
public import ArgumentParser
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc

/// `loader-inspect`
public struct LoaderInspect: AsyncParsableCommand {
    /// Name, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "loader-inspect",
        abstract: "Shows whether the loader boots a file, where it goes, and if not, why not.",
        usage: """
            loader-inspect [<options>] <file> ...
            loader-inspect <subcommand> ...
            """,
        discussion: """
            Runs the loader's own code on the file, on a machine like QEMU's.

              loader-inspect app                         will it boot in 1 GiB of RAM?
              loader-inspect --memory 64M --machine q35 app
              loader-inspect --quiet *.elf               only problems
              loader-inspect relocations --base 0x200000 app
              loader-inspect load --output image.bin app
              loader-inspect diff old/app new/app        what changed?
              loader-inspect boot app                    run it in QEMU
              loader-inspect explain 41                  what does that status mean?
              loader-inspect files app.tar.gz            contents of the image

            Exit status, the worst of all files: \(ExitStatus.ofVerdicts)
            """,
        version: "loader-inspect \(version)",
        subcommands: [
            VerdictCommand.self, MapCommand.self, HeaderCommand.self, SegmentsCommand.self, SectionsCommand.self,
            SymbolsCommand.self,
            RelocationsCommand.self, NotesCommand.self, DynamicCommand.self, VersionsCommand.self, BootInfoCommand.self,
            PagesCommand.self,
            LoadCommand.self, SizesCommand.self, DiffCommand.self, ExplainCommand.self, BootCommand.self,
            DiskCommand.self,
            SymbolizeCommand.self, GDBScriptCommand.self, FilesCommand.self, ImageCommand.self,
        ],
        defaultSubcommand: VerdictCommand.self)

    /// The version, which is also the loader's.
    public static let version = Version.text.string

    /// Made by the argument parser.
    public init() {}

    /// Throws if help is requested for an unknown subcommand: the argument parser would print the whole program's.
    private static func checkHelp(_ words: [String]) throws {
        guard words.count > 1, words[0] == "help", !words[1].hasPrefix("-") else { return }
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard !names.contains(words[1]), words[1] != "help" else { return }
        let similar = words[1].mostSimilar(of: names).map { "; did you mean '\($0)'?" } ?? ""
        throw ValidationError("there is no subcommand '\(printable(words[1]))'\(similar)")
    }

    /// Runs the command that the command line names; ends the program if it fails.
    public static func main() async {
        do {
            let words = Array(CommandLine.arguments.dropFirst())
            if words.count == 2, words[0] == "--generate-completion-script",
                let shell = CompletionShell(rawValue: words[1])
            {
                return Output(color: .never).writeAll(Completions.script(completionScript(for: shell), for: shell))
            }
            try checkHelp(words)
            var command = try parseAsRoot()
            if let verdict = command as? VerdictCommand {
                try verdict.check(configuration.subcommands.compactMap { $0.configuration.commandName })
            }
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            exit(withError: ExitCode(failure.tell()))
        } catch { exit(withError: error) }
    }
}
