// The listing of mapped pages.

import ArgumentParser

struct PagesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pages", abstract: "Lists the pages that are mapped when the kernel is entered.",
        discussion: """
              loader-inspect pages app
              loader-inspect pages --memory 64G --gigabyte-pages app
              loader-inspect pages --loader-options loader.no-protect app

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var files: FileOptions
    @OptionGroup var machine: MachineOptions

    func run() throws {
        try machine.rehearse(files) { rehearsal, target in BootViews.pages(rehearsal, to: target) }
    }
}
