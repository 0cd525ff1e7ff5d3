// The changes between two builds: sizes, and the loader's work.

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

/// Two builds of one application, compared. Its members, encoded, are the JSON of `diff`.
struct BuildDifference: Encodable {
    /// One of the two files.
    struct Side: Encodable {
        let file: String
        let verdict: String
        let status: Int32
        let size: UInt64
        /// The image's bytes in memory, if it boots.
        let imageSize: UInt64?

        init(_ verdict: Verdict) {
            file = verdict.file
            self.verdict = verdict.verdict
            status = verdict.status
            size = verdict.size
            imageSize = verdict.plan?.imageSize
        }
    }

    let schema = JSONSchema.name
    let view = "diff"
    let machine: String
    let old: Side, new: Side
    let loader: BootChanges
    let segments: SizeChanges, sections: SizeChanges, symbols: SizeChanges
    /// Left out if neither file has Rust functions.
    let crates: SizeChanges?

    init(_ oldVerdict: Verdict, _ oldFile: ByteView, _ newVerdict: Verdict, _ newFile: ByteView) {
        machine = newVerdict.machine
        old = Side(oldVerdict)
        new = Side(newVerdict)
        loader = BootChanges(from: oldVerdict, to: newVerdict)
        segments = SizeChanges(from: .segments(oldFile), to: .segments(newFile))
        sections = SizeChanges(from: .sections(oldFile), to: .sections(newFile))
        symbols = SizeChanges(from: .symbols(oldFile), to: .symbols(newFile))
        let all = SizeChanges(from: .crates(oldFile), to: .crates(newFile))
        crates = all.unchanged == 0 && all.changes.isEmpty ? nil : all
    }

    // MARK: Text

    /// Writes the comparison as text, with at most `limit` parts of each kind.
    func write(to output: Output, limit: Int) {
        write("old", old, to: output)
        write("new", new, to: output)
        write("file size", old.size, new.size, to: output)
        if let before = old.imageSize, let after = new.imageSize { write("image size", before, after, to: output) }
        output.line()
        output.write("what the loader would do differently", .bold)
        output.line(loader.isEmpty ? ": nothing" : "")
        write(loader, to: output)
        write("segments", segments, limit, to: output)
        write("sections", sections, limit, to: output)
        if let crates { write("crates", crates, limit, to: output) }
        write("symbols", symbols, limit, to: output)
    }

    private func write(_ label: String, _ side: Side, to output: Output) {
        output.label(label, "")
        output.write(printable(side.file) + ": ", .bold)
        output.line(side.verdict, side.status == 0 ? .green : .red)
    }

    private func write(_ label: String, _ before: UInt64, _ after: UInt64, to output: Output) {
        let change = SizeChanges.Change(name: "", old: before, new: after)
        output.label(label, "")
        output.line(before == after ? "\(before) bytes" : "\(before) to \(after) bytes, \(signed(change.difference))")
    }

    private func write(_ changes: BootChanges, to output: Output) {
        for fact in changes.facts where fact.name != "image size" {
            output.label(fact.name, "", style: .bold)
            output.write("- ", .red)
            output.wrap(fact.old ?? "none", indent: 17)
            output.write(String(repeating: " ", count: 15))
            output.write("+ ", .green)
            output.wrap(fact.new ?? "none", indent: 17)
        }
        for (index, count) in changes.relocations.enumerated() {
            output.label(index == 0 ? "relocations" : "", "", style: .bold)
            let change = SizeChanges.Change(name: "", old: count.old, new: count.new)
            output.line("\(count.type): \(count.old) to \(count.new), \(signed(change.difference))")
        }
        for (findings, mark, style) in [(changes.findingsGone, "- ", Style.green), (changes.findingsNew, "+ ", .red)] {
            for finding in findings {
                output.label("\(finding.severity)", "", style: .bold)
                output.write(mark, finding.severity == .note ? .cyan : style)
                output.wrap(finding.sentence, indent: 17)
            }
        }
    }

    private func write(_ title: String, _ changes: SizeChanges, _ limit: Int, to output: Output) {
        output.line()
        output.write(title, .bold)
        guard !changes.changes.isEmpty else {
            output.line(changes.unchanged == 0 ? ": none" : ": all \(changes.unchanged) as before")
            return
        }
        let words = ["grown", "shrunk", "new", "gone"].compactMap { word -> String? in
            let those = changes.changes.filter { $0.word == word }
            guard !those.isEmpty else { return nil }
            let sum = those.reduce(0 as UInt64) { $0.addingClamped($1.difference.magnitude) }
            return "\(those.count) \(word) (\(signed((sum, word == "grown" || word == "new"))))"
        }
        output.line(": " + words.joined(separator: ", ") + ", \(changes.unchanged) as before")
        for change in changes.changes.prefix(limit) {
            let text = signed(change.difference)
            output.write("  " + String(repeating: " ", count: max(0, 10 - text.count)))
            output.write(text, change.difference.magnitude == 0 ? .dim : change.difference.isGrowth ? .red : .green)
            for size in [change.old, change.new] {
                let number = size.map { "\($0)" } ?? "-"
                output.write(" " + String(repeating: " ", count: max(0, 10 - number.count)) + number)
            }
            output.line("  " + (change.name.isEmpty ? "(no name)" : printable(change.name)))
        }
        let more = changes.changes.count - min(limit, changes.changes.count)
        if more > 0 { output.line("  and \(more) more (--all shows them)") }
    }

    private func signed(_ difference: (magnitude: UInt64, isGrowth: Bool)) -> String {
        difference.magnitude == 0 ? "0" : (difference.isGrowth ? "+" : "-") + "\(difference.magnitude)"
    }
}

extension UInt64 {
    /// The sum, or the largest number if it does not fit.
    func addingClamped(_ other: UInt64) -> UInt64 { adding(other) ?? .max }
}
