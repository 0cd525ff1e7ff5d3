// The listing of the dynamic section.

import ArgumentParser

struct DynamicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dynamic", abstract: "The dynamic section.",
        discussion: """
              loader-inspect dynamic app
              loader-inspect dynamic --json app | jq -r '.rows[] | select(.name == "NEEDED").text'

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.dynamic) }
}
