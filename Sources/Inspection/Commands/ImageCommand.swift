// Hermit images are made and extracted.

import ArgumentParser

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Makes a Hermit image, or extracts one.",
        discussion: """
              loader-inspect image create --kernel app --arg one --output app.tar.gz
              loader-inspect image extract --output folder app.tar.gz

            Exit status: 0, 1 the kernel does not boot, 2 a file is malformed, 64 the command line is wrong, 74 nothing can be \
            written.
            """,
        subcommands: [ImageCreateCommand.self, ImageExtractCommand.self])
}
