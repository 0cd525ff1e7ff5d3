// The commands whose views list a part of a file, or of a boot.

import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import Linking

struct VerdictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verdict", abstract: "Will it boot?",
        discussion: """
              loader-inspect app
              loader-inspect --memory 64M --machine q35 app
              loader-inspect --quiet --elf-only new/*   only problems
              curl -s https://example.org/app | loader-inspect -
              loader-inspect --json app | jq -r .verdict

            "loader-inspect app" is short for "loader-inspect verdict app".

            Exit status, the worst of all files: \(ExitStatus.ofVerdicts)
            """)

    @OptionGroup var files: FileOptions
    @OptionGroup var machine: MachineOptions
    @Flag(name: .shortAndLong, help: "Only problems: nothing of files that boot without a warning.")
    var quiet = false

    /// Throws if the first file is one of `subcommands`: after an option, the parser takes a subcommand's name for a file.
    func check(_ subcommands: [String]) throws {
        guard let word = files.files.first, unsafe access(word, F_OK) != 0 else { return }
        if subcommands.contains(word) {
            throw ValidationError("options follow the subcommand: loader-inspect \(word) ...")
        }
        guard let similar = word.mostSimilar(of: subcommands) else { return }
        throw ValidationError("there is no file '\(printable(word))'; did you mean the subcommand '\(similar)'?")
    }

    func run() throws {
        var isFirst = true
        let host = try machine.host()
        try files.forEachInput(includesDamaged: true) { file, input, name, output in
            let headers = FileHeaders(file)
            var verdict = Verdict(
                file, headers, name, on: host.booting(name, input), gigabytePages: machine.gigabytePages)
            if quiet { verdict.findings.removeAll { $0.severity == .note } }
            if files.json {
                output.beginDocument()
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                output.line(String(decoding: try encoder.encode(verdict), as: UTF8.self))
            } else if !quiet || verdict.status != 0 || !verdict.findings.isEmpty {
                if !isFirst { output.line() }
                isFirst = false
                verdict.write(to: output, file: file, headers, quiet: quiet)
            }
            return verdict.status
        }
    }
}

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

struct SegmentsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "segments", abstract: "The program headers.",
        discussion: """
              loader-inspect segments app
              loader-inspect segments --json app | jq '.rows[] | select(.type == "LOAD")'

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.segments) }
}

struct SectionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sections", abstract: "The section headers.",
        discussion: """
              loader-inspect sections app.o
              loader-inspect sections --json app | jq -r '.rows[].name'

            Flags are readelf's letters: W writable, A in memory, X code, M may be merged, S strings, T thread-local.

            The numbers below "seg" are the segments that hold a section.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    @Flag(help: "All fields, with sh_link, sh_info and sh_entsize; JSON has them always.")
    var wide = false

    func run() throws {
        try files.list { (file, target) throws(Fault) in try HeaderViews.sections(file, isWide: wide, to: target) }
    }
}

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

struct DynamicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dynamic", abstract: "The dynamic section.",
        discussion: """
              loader-inspect dynamic app
              loader-inspect dynamic --json app | jq -r '.rows[] | select(.name == "NEEDED").text'

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.dynamic) }
}

struct VersionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "The versions of symbols: those defined, and those needed from other files.",
        discussion: """
              loader-inspect versions libfoo.so
              loader-inspect versions --json app | jq -r '.rows[] | select(.file == "libc.so.6").name'

            "symbols" shows each symbol's version.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws { try files.list(HeaderViews.versions) }
}

/// An address: hexadecimal with 0x, or decimal.
struct Address: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        let isHexadecimal = argument.hasPrefix("0x") || argument.hasPrefix("0X")
        let digits = isHexadecimal ? argument.dropFirst(2) : argument[...]
        // The initialiser would take a sign.
        guard digits.first?.isHexDigit == true, let parsed = UInt64(digits, radix: isHexadecimal ? 16 : 10) else {
            return nil
        }
        value = parsed
    }
}

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
        let host = try machine.host()
        host.tellAssumptions()
        try files.forEachInput { file, input, name, output in
            let rehearsal = try Rehearsal(file, on: host.booting(name, input), gigabytePages: machine.gigabytePages)
            BootViews.bootInfo(rehearsal, to: files.destination(name, nil, output))
            return 0
        }
    }
}

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
