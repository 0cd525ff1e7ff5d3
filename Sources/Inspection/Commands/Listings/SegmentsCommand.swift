// The listing of program headers.

import ArgumentParser

struct SegmentsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "segments", abstract: "The program headers.",
        discussion: """
              loader-inspect segments app
              loader-inspect segments --json app | jq '.rows[] | select(.type == "LOAD")'

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.segments) }
}
