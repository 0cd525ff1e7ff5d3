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
        abstract: "Tells whether the loader boots a file, where it goes, and if not, why not.",
        usage: """
            loader-inspect [<options>] <file> ...
            loader-inspect <subcommand> ...
            """,
        discussion: """
            Runs the loader's own code on the file, on a machine as QEMU would make it.

              loader-inspect app                         will it boot in 1 GiB of RAM?
              loader-inspect --memory 64M --machine q35 app
              loader-inspect --quiet *.elf               only what is wrong
              loader-inspect relocations --base 0x200000 app
              loader-inspect load --output image.bin app
              loader-inspect diff old/app new/app        what changed?
              loader-inspect boot app                    run it in QEMU
              loader-inspect explain 41                  what does that status mean?

            Exit status, the worst of all files: \(ExitStatus.ofVerdicts)
            """,
        version: "loader-inspect \(version)",
        subcommands: [
            VerdictCommand.self, MapCommand.self, SegmentsCommand.self, SectionsCommand.self, SymbolsCommand.self,
            RelocationsCommand.self, NotesCommand.self, DynamicCommand.self, BootInfoCommand.self, PagesCommand.self,
            LoadCommand.self, DiffCommand.self, ExplainCommand.self, BootCommand.self, SymbolizeCommand.self,
            GDBScriptCommand.self,
        ],
        defaultSubcommand: VerdictCommand.self)

    /// The version, which the loader says too.
    public static let version = Version.text.string

    /// Made by the argument parser.
    public init() {}

    /// Runs the command that the command line names; ends the program where it fails.
    public static func main() async {
        do {
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
