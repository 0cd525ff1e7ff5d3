// The contents of a Hermit image.

import ArgumentParser

struct FilesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "files", abstract: "Lists the contents of a Hermit image.",
        discussion: """
              loader-inspect files app.tar.gz
              loader-inspect files --json app.tar.gz | jq -r '.rows[].name'

            If several entries have one name, the last counts; the others are "replaced".

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws {
        try files.forEachInput(opensImages: false) { _, input, name, output in
            try ImageViews.files(input, to: files.destination(name, nil, output))
            return 0
        }
    }
}
