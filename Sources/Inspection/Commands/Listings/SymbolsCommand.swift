// The listing of symbols.

import ArgumentParser
import Diagnostics

struct SymbolsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "symbols", abstract: "All symbol tables.",
        discussion: """
              loader-inspect symbols app | grep main
              loader-inspect symbols --sort size app | head     the largest
              loader-inspect symbols --json app | jq '.rows | max_by(.size)'

            In a file without section headers the symbols are those that the dynamic section names.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    @Option(help: "The key to sort by; by default in the order of the tables.")
    var sort = SymbolOrder.file

    func run() throws {
        try files.list { (file, target) throws(Fault) in try HeaderViews.symbols(file, by: sort, to: target) }
    }
}
