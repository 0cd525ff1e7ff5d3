// The listing of symbols' versions.

import ArgumentParser

struct VersionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "The versions of symbols: those defined, and those needed from other files.",
        discussion: """
              loader-inspect versions libfoo.so
              loader-inspect versions --json app | jq -r '.rows[] | select(.file == "libc.so.6").name'

            "symbols" shows each symbol's version.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.versions) }
}
