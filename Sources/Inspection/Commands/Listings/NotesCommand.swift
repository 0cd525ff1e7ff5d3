// The listing of notes.

import ArgumentParser

struct NotesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notes", abstract: "The notes, and their meaning.",
        discussion: """
              loader-inspect notes app                   which entry version, which kernel?
              loader-inspect notes --json app | jq -r '.rows[].meaning'

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(NoteView.list) }
}
