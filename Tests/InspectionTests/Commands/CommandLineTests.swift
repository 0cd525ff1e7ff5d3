// Command lines that are nearly right, and files that they must not overwrite.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct CommandLineTests {
    private let folder: Folder

    init() throws { folder = try Folder.withSamples() }

    // MARK: Output

    /// An input may have other names by links, and the two outputs may be one file.
    @Test(arguments: [
        "load --output application application", "load -o link application", "load -o hard application",
        "load -o application --base 0x200000 link", "load --memory-dump application application",
        "load --module fixed -o fixed application", "map -o drawing.svg application",
        "load -o new --memory-dump new application",
    ])
    func nothingInUseIsWrittenOver(_ words: String) async throws {
        let run = try await folder.shell(
            """
            ln -s application link; ln application hard; ln application drawing.svg
            cp application before; cp fixed other
            $tool \(words)
            status=$?; cmp application before && cmp fixed other && exit $status
            """)
        #expect(run.status == 64, "\(run)")
        #expect(run.errors.contains("is in use by this command already, and would be lost"), "\(run.errors)")
    }

    @Test func aDashIsStandardOutput() async throws {
        let run = try await folder.shell(
            """
            set -e
            $tool load -o image --memory-dump dump application 2>errors >report
            $tool load -o - application 2>told | cmp - image
            $tool load --memory-dump - application 2>told | cmp - dump
            grep -q '^image 0x' told && ! grep -q '^image 0x' errors
            $tool map -o map.svg application
            $tool map -o - application | cmp - map.svg
            """)
        #expect(run.status == 0, "\(run)")
        #expect(try await folder.shell("$tool load -o - --memory-dump - application").status == 64)
    }

    // MARK: Misspelt words

    @Test(arguments: [
        ("sgements application", "there is no file 'sgements'; did you mean the subcommand 'segments'?"),
        ("relocation application", "there is no file 'relocation'; did you mean the subcommand 'relocations'?"),
        ("--quiet segments application", "options follow the subcommand: loader-inspect segments ..."),
        ("help sgements", "there is no subcommand 'sgements'; did you mean 'segments'?"),
        ("help xyz", "there is no subcommand 'xyz'\n"),
        (
            "explain segmentsOverlp",
            "'segmentsOverlp' is not a status, an error or a relocation type; did you mean 'segmentsOverlap'?"
        ),
        ("explain globdat", "did you mean 'GLOB_DAT'?"),
        ("explain 4711", "'4711' is not a status, an error or a relocation type\n"),
    ])
    func whatWasMeant(_ words: String, _ answer: String) async throws {
        let run = try await Tool.run(words.split(separator: " ").map { String($0) }, in: folder.url)
        #expect(run.status == 64 && run.output.isEmpty)
        #expect(run.errors.contains(answer), "\(run.errors)")
    }

    /// A file may have any name.
    @Test func filesAreFiles() async throws {
        let run = try await folder.shell(
            "cp application sgements && $tool sgements && cp application segments && $tool segments")
        #expect(run.status != 0 && run.output.hasPrefix("sgements: boots\n"), "\(run)")
        #expect(try await folder.shell("cp application Application && $tool Application").status == 0)
        #expect(
            try await folder.shell("$tool applicatoin").errors
                == "Error: cannot read applicatoin: No such file or directory\n"
        )
    }

    /// Status 1 always comes with a reason.
    @Test(arguments: ["undefined", "--module fixed undefined", "--json undefined"])
    func whyRelocationsFail(_ words: String) async throws {
        let run = try await Tool.run(["relocations"] + words.split(separator: " ").map { String($0) }, in: folder.url)
        #expect(run.status == 1)
        #expect(run.errors.hasSuffix("undefined: 1 relocation cannot be applied\n"), "\(run.errors)")
    }

    // MARK: Options without effect

    @Test func whatHasNoEffectIsSaid() async throws {
        try folder.write("text", Array("no library\n".utf8))
        let words = [
            "--module", "text", "--module", "fixed", "--loader-options", "generation=2 loader.quiet", "application",
        ]
        let run = try await Tool.run(words, in: folder.url)
        #expect(run.status == 0)
        let text = run.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for sentence in [
            "warning 'generation=2' has no effect: options for the loader begin with loader.",
            "warning module text is not a shared object for x86-64, so the loader leaves it alone",
            "warning module fixed is a program, not a shared object, so the loader leaves it alone",
        ] { #expect(text.contains(sentence), "\(run.output)") }
        #expect(!text.contains("loader.quiet' has no effect"))
        let application = try await Tool.run(["--module", "application", "application"], in: folder.url)
        #expect(application.output.contains("nothing needs module application"), "\(application.output)")
        let relocations = try await Tool.run(["relocations", "--module", "text", "application"], in: folder.url)
        #expect(relocations.errors == "text is not a shared object for x86-64, so no symbol is found there\n")
    }

    /// EI_CLASS, EI_DATA and e_machine.
    @Test(arguments: [
        (2, 1, 183, "e_machine 183 is AArch64"), (2, 1, 243, "e_machine 243 is RISC-V"),
        (1, 1, 3, "e_machine 3 is i386"),
        (2, 2, 21, "e_machine 21 is 64-bit PowerPC"), (1, 1, 40, "e_machine 40 is ARM, 32 bits"),
        (2, 1, 0x1234, "e_machine is 4660, the number of no known machine"),
    ])
    func otherMachinesHaveNames(_ fileClass: Int, _ data: Int, _ machine: Int, _ sentence: String) async throws {
        var bytes = Sample.application
        bytes[4] = UInt8(fileClass)
        bytes[5] = UInt8(data)
        bytes[data == 1 ? 18 : 19] = UInt8(machine & 0xff)
        bytes[data == 1 ? 19 : 18] = UInt8(machine >> 8)
        try folder.write("other", bytes)
        let run = try await Tool.run(["other"], in: folder.url)
        #expect(run.status != 0 && run.output.contains("note         \(sentence);"), "\(run.output)")
    }

    // MARK: Completions

    @Test func bashCompletesFiles() async throws {
        let run = try await Tool.run(
            program: "bash",
            [
                "-c", "\"$0\" --generate-completion-script bash >script && . ./script && complete -p loader-inspect",
                Tool.program.path,
            ],
            in: folder.url)
        #expect(run.output.contains("-o default"), "\(run)")
    }

    @Test(.enabled(if: isInstalled("fish"), "fish is not installed")) func fishCompletesFiles() async throws {
        let run = try await folder.shell(
            "$tool --generate-completion-script fish >script; fish -c 'source script; complete -C \"loader-inspect \"'")
        #expect(run.output.contains("application\n") && run.output.contains("segments\t"), "\(run)")
    }

    @Test(.enabled(if: isInstalled("zsh"), "zsh is not installed")) func zshTakesTheScript() async throws {
        let run = try await folder.shell(
            "$tool --generate-completion-script zsh >script; grep -A1 -c _files script; zsh -n script")
        #expect(run.status == 0, "\(run)")
        let script = try String(contentsOf: folder.url.appendingPathComponent("script"), encoding: .utf8)
        #expect(script.contains("subcommands && ret=0\n        _files && ret=0\n"))
    }
}
