// The listing of section headers.

import ArgumentParser
import Diagnostics

struct SectionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sections", abstract: "The section headers.",
        discussion: """
              loader-inspect sections app.o
              loader-inspect sections --json app | jq -r '.rows[].name'

            Flags are readelf's letters: W writable, A in memory, X code, M may be merged, S strings, T thread-local.

            The numbers below "seg" are the segments that hold a section.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    @Flag(help: "All fields, with sh_link, sh_info and sh_entsize; JSON has them always.")
    var wide = false

    func run() throws {
        try files.list { (file, target) throws(Fault) in try HeaderViews.sections(file, isWide: wide, to: target) }
    }
}
