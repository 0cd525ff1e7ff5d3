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
        let host = try machine.host()
        host.tellAssumptions()
        try files.forEachInput { file, input, name, output in
            let rehearsal = try Rehearsal(file, on: host.booting(name, input), gigabytePages: machine.gigabytePages)
            BootViews.pages(rehearsal, to: files.destination(name, nil, output))
            return 0
        }
    }
}
