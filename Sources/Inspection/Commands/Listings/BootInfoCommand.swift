// The listing of BootInfo.

import ArgumentParser

struct BootInfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bootinfo", abstract: "BootInfo, as the kernel would find it.",
        discussion: """
              loader-inspect bootinfo app
              loader-inspect bootinfo --machine q35 --command-line "-- one two" app
              loader-inspect bootinfo --loader-options loader.generation=2 app

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var files: FileOptions
    @OptionGroup var machine: MachineOptions

    func run() throws {
        try machine.rehearse(files) { rehearsal, target in BootViews.bootInfo(rehearsal, to: target) }
    }
}
