// The listing of relocations.

import ArgumentParser
import Boot
import Bytes
import Linking

struct RelocationsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relocations", abstract: "Every relocation, and the value it stores.",
        discussion: """
              loader-inspect relocations app
              loader-inspect relocations --base 0x200000 app     the values at that address
              loader-inspect relocations --module libfoo.so app   with a shared object
              loader-inspect relocations --json app.o | jq '.rows[].symbol'

            S symbol value, A addend, P place, B load bias, Z symbol size, TP thread pointer, G offset of the symbol's \
            slot in GOT, the global offset table, L address of the function.

            Exit status, the worst of all files: 0, 1 a relocation cannot be applied, 2 a file is malformed, 64 the \
            command line is wrong.
            """)
    @OptionGroup var files: FileOptions
    @Option(help: "The address of the image's first byte; by default its link address, and 0 for an object file.")
    var base: Address?
    @Option(
        name: .customLong("module"), help: "A shared object that the file needs; repeatable.", completion: .file())
    var modules: [String] = []

    func run() throws {
        let modules = try modules.map { (path: $0, input: try InputFile($0)) }
        for module in modules {
            guard let sentence = Finding.notLibrary(module.input) else { continue }
            Progress.shared.tell("\(printable(module.path)) \(sentence), so no symbol is found there")
        }
        try files.forEachInput { file, input, name, output in
            let faults = try list(file, input, name, modules, output)
            guard faults > 0 else { return 0 }
            output.flush()
            Progress.shared.tell("\(printable(name)): \(counted(faults, "relocation")) cannot be applied")
            return 1
        }
    }

    /// Lists the relocations of `file`; returns how many of them cannot be applied.
    private func list(
        _ file: ByteView, _ input: InputFile, _ name: String, _ modules: [(path: String, input: InputFile)],
        _ output: Output
    ) throws -> Int {
        if PlainRelocationView.isFor(file) {
            try PlainRelocationView.list(file, to: files.destination(name, input, output))
            return 0
        }
        if let base, let contents = try? ApplicationFile(file, as: .library) {
            try contents.check(base: base.value, of: name)
        }
        if !modules.isEmpty {
            return try LinkRelocationView.list(
                file, name, with: modules, base: base?.value, to: output, json: files.json)
        }
        let destination = files.destination(name, input, output)
        return ObjectImage.isObjectFile(file)
            ? try ObjectRelocationView.list(file, base: base?.value ?? 0, to: destination)
            : try RelocationView.list(file, base: base?.value, to: destination)
    }
}
