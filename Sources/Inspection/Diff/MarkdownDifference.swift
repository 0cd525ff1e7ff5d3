// A comparison as a summary in Markdown, for build servers.

extension BuildDifference {
    /// Writes the comparison as a section of a Markdown page, with at most `limit` sections and as many symbols.
    func writeMarkdown(to output: Output, limit: Int) {
        output.line("### \(code(new.file)) \(new.verdict)")
        output.line()
        output.line("| | old | new | change |")
        output.line("|---|--:|--:|--:|")
        row("verdict", old.verdict, new.verdict, old.verdict == new.verdict ? "" : "changed", to: output)
        size("file, bytes", old.size, new.size, to: output)
        if let before = old.imageSize, let after = new.imageSize { size("image, bytes", before, after, to: output) }
        for fact in loader.facts where fact.name != "image size" && fact.name != "verdict" {
            row(fact.name, fact.old ?? "none", fact.new ?? "none", "changed", to: output)
        }
        for count in loader.relocations { size("relocations \(count.type)", count.old, count.new, to: output) }
        for (findings, word) in [(loader.findingsNew, "new"), (loader.findingsGone, "gone")] where !findings.isEmpty {
            output.line()
            for finding in findings { output.line("- \(word) \(finding.severity): \(escaped(finding.sentence))") }
        }
        list("sections", sections, limit, to: output)
        if let crates { list("crates", crates, limit, to: output) }
        list("symbols", symbols, limit, to: output)
    }

    private func list(_ title: String, _ changes: SizeChanges, _ limit: Int, to output: Output) {
        guard !changes.changes.isEmpty else { return }
        output.line()
        let count = changes.changes.count
        output.line("<details><summary>\(count) \(title) changed, \(changes.unchanged) as before</summary>")
        output.line()
        output.line("| \(title) | old | new | change |")
        output.line("|---|--:|--:|--:|")
        for change in changes.changes.prefix(limit) {
            let name = change.name.isEmpty ? "(no name)" : code(change.name)
            let sizes = [change.old, change.new].map { size in size.map { "\($0)" } ?? "" }
            output.line("| \(name) | \(sizes[0]) | \(sizes[1]) | \(signed(change)) |")
        }
        if count > limit { output.line("| and \(count - limit) more | | | |") }
        output.line()
        output.line("</details>")
    }

    private func size(_ name: String, _ old: UInt64, _ new: UInt64, to output: Output) {
        row(name, "\(old)", "\(new)", signed(SizeChanges.Change(name: "", old: old, new: new)), to: output)
    }

    private func row(_ name: String, _ old: String, _ new: String, _ change: String, to output: Output) {
        output.line("| \(name) | \(escaped(old)) | \(escaped(new)) | \(change) |")
    }

    private func signed(_ change: SizeChanges.Change) -> String {
        change.difference.magnitude == 0 ? "" : change.difference.signed
    }

    /// `text` as code in a table's cell, in which a bar would end the cell and a backquote the code.
    private func code(_ text: String) -> String {
        "`" + printable(text).replacing("`", with: "'").replacing("|", with: "\\|") + "`"
    }

    /// `text` with the characters escaped that Markdown or HTML would interpret.
    private func escaped(_ text: String) -> String {
        printable(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("|", with: "\\|")
            .replacing("*", with: "\\*").replacing("_", with: "\\_").replacing("`", with: "\\`")
    }
}
