// Two builds are compared.

import AnyELF
import ArgumentParser
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compares two builds: sizes, and what the loader would do.",
        discussion: """
              loader-inspect diff old/app new/app
              loader-inspect diff --all old/app new/app       every symbol
              git show HEAD~:app | loader-inspect diff - app  against another version
              loader-inspect diff --fail-above 16K old/app new/app
              loader-inspect diff --markdown old/app new/app >summary.md
              loader-inspect diff --json old/app new/app | jq '.symbols.changes[0]'

            Symbols are compared by name, without the hash at the end of Rust's mangled names.

            Exit status, which is that of the new file, whatever changed: 0 it boots, 1 it will not boot, 2 it is malformed, 64 the \
            command line is wrong; with --fail-above, 3 if it boots, but the file or its image has grown by more.
            """)
    @Flag(help: "JSON, one document (docs/loader-inspect-json.md); it is complete without --all.")
    var json = false
    @Flag(help: "Everything that changed, not only the largest differences.")
    var all = false
    @Flag(help: "Markdown, as code hosts show it with a change.")
    var markdown = false
    @Option(help: "The most that file and image may grow: bytes (4096 or 4K), or a percentage of the old size (2%).")
    var failAbove: Growth?
    @Option(help: "Colour; NO_COLOR is respected.")
    var color = ColorChoice.auto
    @OptionGroup var machine: MachineOptions
    @Argument(help: "The old file; - is standard input.", completion: .file())
    var old: String
    @Argument(help: "The new file; - is standard input.", completion: .file())
    var new: String

    mutating func validate() throws {
        if json, markdown { throw ValidationError("--json and --markdown exclude each other") }
        if old == "-", new == "-" { throw ValidationError("only one of the two files can be standard input") }
    }

    func run() throws {
        Progress.shared.show(old)
        defer { Progress.shared.show(nil) }
        let before = try InputFile.opening(old, includesDamaged: true)
        Progress.shared.show(new)
        let after = try InputFile.opening(new, includesDamaged: true)
        Progress.shared.show("comparing")
        let host = try machine.host()
        func side(_ file: InputFile, _ name: String) -> Verdict {
            let view = ByteView(file.bytes)
            return Verdict(
                view, FileHeaders(view), name, on: host.booting(name, file), gigabytePages: machine.gigabytePages)
        }
        let difference = BuildDifference(
            side(before, old), ByteView(before.bytes), side(after, new), ByteView(after.bytes))
        let output = Output(color: color)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            output.line(String(decoding: try encoder.encode(difference), as: UTF8.self))
        } else if markdown {
            difference.writeMarkdown(to: output, limit: all ? .max : 10)
        } else {
            difference.write(to: output, limit: all ? .max : 10)
        }
        output.flush()
        if difference.new.status != 0 { throw ExitCode(difference.new.status) }
        if let failAbove, let sentence = difference.exceeds(failAbove) {
            Progress.shared.tell("\(printable(new)): \(sentence), more than --fail-above \(failAbove.text)")
            throw ExitCode(3)
        }
    }
}
