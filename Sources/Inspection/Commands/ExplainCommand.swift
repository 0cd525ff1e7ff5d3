// Explanations of statuses, errors and relocation types.

import ArgumentParser

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Explains an exit status, an error or a relocation type.",
        discussion: """
              loader-inspect explain 41
              loader-inspect explain segmentsOverlap
              loader-inspect explain GLOB_DAT
              loader-inspect explain "there is no PT_LOAD segment"
              loader-inspect explain "[LOADER] error: there is no PT_LOAD segment"

            Exit status: 0, 64 nothing is known of one of the subjects.
            """)
    @Argument(help: "A status, an error's name or sentence, a relocation's name or number; without it, lists them all.")
    var subjects: [String] = []

    func run() throws {
        let output = Output(color: .never)
        for line in subjects.isEmpty ? Explanation.everything() : [] { output.line(line) }
        for subject in subjects {
            let lines = Explanation.of(subject)
            guard !lines.isEmpty else {
                let similar = subject.mostSimilar(of: Explanation.names).map { "; did you mean '\($0)'?" } ?? ""
                throw Failure("'\(printable(subject))' is not a status, an error or a relocation type\(similar)")
            }
            for line in lines { output.line(line) }
        }
    }
}
