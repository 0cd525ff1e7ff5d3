// Every command on the pages is run as it stands, or listed with the reason why it is not run.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct DocumentedCommandsTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("demo"))

    /// The commands that are not run, by their beginnings, and the reasons.
    static let notRun: [(beginning: String, reason: String)] = [
        ("git clone ", "needs the network"),
        ("cd hermit-rs-template", "is a folder of what was cloned"),
        ("cargo ", "needs a Rust toolchain, and the network"),
        ("x86_64-hermit-gcc ", "needs Hermit's cross compiler"),
        ("make test", "would run this test"),
        ("make check", "is a part of make test"),
        ("make soak", "takes hours"),
        ("make fuzz ", "takes minutes"),
        ("make bench", "takes minutes"),
        (".build/release/loader-bench ", "is built by make bench"),
        ("make inspect", "builds for the release"),
        ("swift test ", "is a part of make test"),
        ("REWRITE_GOLDEN=1 ", "changes the sources"),
        ("loader-inspect boot --qemu-arg -s --qemu-arg -S app", "waits for gdb"),
        ("loader-inspect boot --gdb app", "needs gdb"),
        ("loader-inspect gdb-script app > script; gdb ", "wants a guest that waits"),
    ]

    /// Whether QEMU and the host can do KVM: with it, a loader without an application ends with status 33.
    private static func hasKVM(_ clone: Clone) async throws -> Bool {
        let machine = "-display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x04"
        let run = try await clone.run("qemu-system-x86_64 -accel kvm -cpu host \(machine) -kernel build/loader")
        return run.status == 33
    }

    private static func reason(_ command: String) -> String? {
        notRun.first { command.hasPrefix($0.beginning) }?.reason
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures has not been run"), arguments: Page.all)
    func `commands work as they stand`(_ page: Page) async throws {
        let clone = try Clone()
        if let kernel = try page.blocks.first(where: { $0.language == "asm" }) {
            try clone.write("kernel.S", kernel.lines.joined(separator: "\n") + "\n")
        }
        for command in try page.commands {
            if Self.reason(command) != nil {
                // That such a target exists can be checked all the same.
                guard command.hasPrefix("make ") else { continue }
                let run = try await clone.run(command.replacing(/^make/, with: "make -n"))
                #expect(run.status == 0, "\(page.path): \(command)\n\(run.output)")
                continue
            }
            if command.contains("-accel kvm"), try await !Self.hasKVM(clone) {
                _ = skipped("\(page.path): \(command)", "KVM does not work here")
                continue
            }
            if command.hasPrefix("qemu-img "), !isInstalled("qemu-img") {
                _ = skipped("\(page.path): \(command)", "qemu-img is not there: apt-get install qemu-utils")
                continue
            }
            // No fixed port is requested: it could be in use.
            let run = try await clone.run(
                command.replacing(/hostfwd=tcp::[0-9]+/, with: "hostfwd=tcp::0")
                    .replacing(/--port [0-9]+:/, with: "--port 0:"))
            // QEMU itself exits with 3 if the application ended well.
            let expected: Int32 = command.hasPrefix("qemu-system-x86_64 ") ? 3 : 0
            #expect(run.status == expected, "\(page.path): \(command)\nended with status \(run.status)\n\(run.output)")
        }
    }

    @Test func `every command that is not run is on a page`() throws {
        let commands = try Page.all.flatMap { try $0.commands }
        #expect(commands.count > 60)
        for (beginning, reason) in Self.notRun {
            #expect(commands.contains { $0.hasPrefix(beginning) }, "\(beginning) (\(reason)) is in no page")
        }
    }

    @Test func `commands are marked as such`() throws {
        for page in Page.all {
            for block in try page.blocks where block.language != "sh" {
                for line in block.lines {
                    let isCommand = [
                        "make ", "qemu-", "loader-inspect ", "build/loader-inspect ", "cargo ", "swift ", "gcc ",
                    ]
                    .contains(where: line.hasPrefix)
                    #expect(!isCommand, "\(page.path): '\(line)' is not in a block of ```sh")
                }
            }
        }
    }

    @Test(arguments: Page.all)
    func `targets, subcommands and options in the text are there`(_ page: Page) async throws {
        let clone = try Clone()
        let makefile = try String(contentsOf: Project.root.appendingPathComponent("Makefile"), encoding: .utf8)
        let targets = Set(makefile.matches(of: /\n([a-z][a-z-]*):[^=]/).map { String($0.1) })
        #expect(targets.count > 10)
        let known = try await clone.run("loader-inspect --help").output
        var helps: [String: String] = [:]
        for mention in try page.mentioned {
            let words = mention.split(separator: " ").dropFirst().map { String($0) }
            if mention.hasPrefix("make ") {
                for word in words where word.wholeMatch(of: /[a-z][a-z-]*/) != nil {
                    #expect(targets.contains(word), "\(page.path): \(mention)")
                }
                continue
            }
            let options = words.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }
            guard !options.isEmpty else { continue }
            let subcommand = words.first { known.contains("\n  \($0) ") } ?? "verdict"
            if helps[subcommand] == nil {
                helps[subcommand] = try await clone.run("loader-inspect \(subcommand) --help").output
            }
            let help = helps[subcommand] ?? ""
            for word in options {
                let option = word.prefix { $0 != "=" }
                #expect(help.contains(option) || option == "--version", "\(page.path): \(mention)")
            }
        }
    }

    /// Every link to a file of the project leads to a file.
    @Test(arguments: Page.all + [Page(path: "CHANGELOG.md")])
    func `links lead to files and headings`(_ page: Page) throws {
        let folder = Project.root.appendingPathComponent(page.path).deletingLastPathComponent()
        for match in try page.lines.joined(separator: "\n").matches(of: /\]\(([^)]+)\)/) {
            let link = String(match.1).components(separatedBy: "#")
            guard !link[0].contains("://") else { continue }
            let file =
                link[0].isEmpty
                ? Project.root.appendingPathComponent(page.path) : folder.appendingPathComponent(link[0])
            #expect(Project.exists(file), "\(page.path): \(match.1)")
            guard link.count == 2, Project.exists(file) else { continue }
            let headings = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter {
                $0.hasPrefix("#")
            }
            .map { heading in
                heading.drop { "# ".contains($0) }.lowercased().filter {
                    $0.isLetter || $0.isNumber || " -_".contains($0)
                }
                .replacingOccurrences(of: " ", with: "-")
            }
            #expect(headings.contains(link[1]), "\(page.path): \(match.1)")
        }
    }

    @Test func `the index of docs names every page`() throws {
        let index = try Page(path: "docs/README.md").lines.joined(separator: "\n")
        for page in Page.all where page.path.hasPrefix("docs/") && page.path != "docs/README.md" {
            #expect(index.contains("](\(page.path.dropFirst(5)))"), "\(page.path)")
        }
    }

    /// Every source file that the text names exists.
    @Test(arguments: Page.all)
    func `sources that are named are there`(_ page: Page) throws {
        for line in try page.lines {
            for match in line.matches(of: /`((?:Sources|Tests|Fixtures|Fuzz|docs)[A-Za-z0-9_\/.-]*)`/) {
                #expect(
                    Project.exists(Project.root.appendingPathComponent(String(match.1))), "\(page.path): \(match.1)")
            }
        }
    }

    /// Each status has the same meaning on the page and in the tool.
    @Test func `exit statuses are the tool's`() async throws {
        let clone = try Clone()
        let rows = try Page(path: "docs/exit-statuses.md").lines.compactMap {
            $0.wholeMatch(of: /\| ([0-9]+) \| (0x[0-9a-f]+|[01]) \| (.+) \|/)
        }
        #expect(rows.count == 11)
        for row in rows {
            let status = try #require(Int(row.1))
            #expect(Int(row.2.drop { $0 == "0" || $0 == "x" }, radix: 16) ?? 0 == (status - 1) / 2)
            // For the application's own statuses the page speaks of Hermit, the tool of applications in general.
            guard status > 3 else { continue }
            let output = try await clone.run("loader-inspect explain \(status)").output
            #expect(output.hasPrefix("QEMU status \(status): \(row.3)\n"), "\(output)")
        }
    }

    /// Each option on the page exists.
    @Test func `options are the loader's`() async throws {
        let clone = try Clone()
        let values = ["N": "4-identity", "ADDRESS": "0x600000", "DIGITS": "$(sha256sum app | head -c 64)"]
        var count = 0
        for line in try Page(path: "docs/options.md").lines where line.hasPrefix("| `loader.") {
            for match in line.components(separatedBy: "|")[1].matches(of: /`(loader\.[a-z0-9-]+)(?:=([A-Z]+))?`/) {
                let value = match.2.map { "=" + (values[String($0)] ?? "") } ?? ""
                // BootInfo's layout is an option for old generations only.
                let application = match.1.hasSuffix("align16") ? "build/fixtures/gen2-pie" : "app"
                let run = try await clone.run("loader-inspect --loader-options \(match.1)\(value) \(application)")
                #expect(run.status == 0, "\(match.0): \(run.output)")
                count += 1
            }
        }
        #expect(count == 10)
    }

    /// The output on a page is compared with the command's, line by line, except for ellipses.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures has not been run"),
        arguments: [
            ("README.md", "[LOADER] version", "make run"),
            ("docs/loader-inspect.md", "app: boots", "loader-inspect app"),
        ])
    func `the output on a page is the command's`(_ example: (page: String, beginning: String, command: String))
        async throws
    {
        let blocks = try Page(path: example.page).blocks.filter { $0.lines.first?.hasPrefix(example.beginning) == true }
        let lines = try #require(blocks.first).lines
        let run = try await Clone().run(example.command)
        let printed = Set(run.output.replacingOccurrences(of: "\r", with: "").components(separatedBy: "\n"))
        for line in lines where !line.hasSuffix("…") {
            #expect(printed.contains(line), "\(example.page): '\(line)' is not in\n\(run.output)")
        }
    }

    @Test func `the README is short`() throws {
        #expect(try Page(path: "README.md").lines.count <= 171)
    }

    /// The newest part of the changelog describes the version that is built here.
    @Test func `the changelog knows the version`() async throws {
        let words = try await Clone().run("loader-inspect --version").output.split { " \n".contains($0) }
        let version = try #require(words.last)
        let newest = try #require(try Page(path: "CHANGELOG.md").lines.first { $0.hasPrefix("## ") })
        #expect(newest.split { " ,".contains($0) }.contains(version), "\(newest): \(words)")
    }
}
