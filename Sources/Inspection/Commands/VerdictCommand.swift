// The verdict on files.

import ArgumentParser
import Bytes
import FoundationEssentials
import Glibc

struct VerdictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verdict", abstract: "Will it boot?",
        discussion: """
              loader-inspect app
              loader-inspect --memory 64M --machine q35 app
              loader-inspect --quiet --elf-only new/*   only problems
              curl -s https://example.org/app | loader-inspect -
              loader-inspect --json app | jq -r .verdict

            "loader-inspect app" is short for "loader-inspect verdict app".

            Exit status, the worst of all files: \(ExitStatus.ofVerdicts)
            """)

    @OptionGroup var files: FileOptions
    @OptionGroup var machine: MachineOptions
    @Flag(name: .shortAndLong, help: "Only problems: nothing of files that boot without a warning.")
    var quiet = false

    /// Throws if the first file is one of `subcommands`: after an option, the parser takes a subcommand's name for a file.
    func check(_ subcommands: [String]) throws {
        guard let word = files.files.first, unsafe access(word, F_OK) != 0 else { return }
        if subcommands.contains(word) {
            throw ValidationError("options follow the subcommand: loader-inspect \(word) ...")
        }
        guard let similar = word.mostSimilar(of: subcommands) else { return }
        throw ValidationError("there is no file '\(printable(word))'; did you mean the subcommand '\(similar)'?")
    }

    func run() throws {
        var isFirst = true
        let host = try machine.host()
        try files.forEachInput(includesDamaged: true) { file, input, name, output in
            let headers = FileHeaders(file)
            var verdict = Verdict(
                file, headers, name, on: host.booting(name, input), gigabytePages: machine.gigabytePages)
            if quiet { verdict.findings.removeAll { $0.severity == .note } }
            if files.json {
                output.beginDocument()
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                output.line(String(decoding: try encoder.encode(verdict), as: UTF8.self))
            } else if !quiet || verdict.status != 0 || !verdict.findings.isEmpty {
                if !isFirst { output.line() }
                isFirst = false
                verdict.write(to: output, file: file, headers, quiet: quiet)
            }
            return verdict.status
        }
    }
}
