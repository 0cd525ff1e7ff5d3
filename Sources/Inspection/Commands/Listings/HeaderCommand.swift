// The listing of the ELF header.

import ArgumentParser

struct HeaderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "header", abstract: "The ELF header, field by field.",
        discussion: """
              loader-inspect header app
              loader-inspect header --json app | jq '.rows[] | select(.field == "e_machine").meaning'

            Files of either class and byte order, and for any machine.

            Exit status, the worst of all files: 0, 2 it is no ELF file, 64 the command line is wrong.
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderFieldView.list) }
}
