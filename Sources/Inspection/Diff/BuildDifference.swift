// The comparison of two builds, and its text.

import Bytes

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
        output.line(before == after ? "\(before) bytes" : "\(before) to \(after) bytes, \(change.difference.signed)")
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
            output.line("\(count.type): \(count.old) to \(count.new), \(change.difference.signed)")
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
            let difference = SizeChanges.Difference(magnitude: sum, isGrowth: word == "grown" || word == "new")
            return "\(those.count) \(word) (\(difference.signed))"
        }
        output.line(": " + words.joined(separator: ", ") + ", \(changes.unchanged) as before")
        for change in changes.changes.prefix(limit) {
            let text = change.difference.signed
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
}
