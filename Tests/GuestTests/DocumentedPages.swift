// The project's pages and the commands on them, and a folder in which the commands run as in a clone.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// A page with commands.
struct Page: CustomTestStringConvertible, Sendable {
    /// Its path from the project's root.
    let path: String
    var testDescription: String { path }

    /// Its lines.
    var lines: [String] {
        get throws {
            try String(contentsOf: Project.root.appendingPathComponent(path), encoding: .utf8)
                .components(separatedBy: "\n")
        }
    }

    /// All pages of the project.
    static let all: [Page] = {
        let docs = (try? FileManager.default.contentsOfDirectory(atPath: Project.root.path + "/docs")) ?? []
        return ["README.md", "CONTRIBUTING.md", "SECURITY.md", "Fixtures/README.md"].map(Page.init)
            + docs.filter { $0.hasSuffix(".md") || $0.hasSuffix(".1") }.sorted().map { Page(path: "docs/" + $0) }
    }()

    /// The blocks between fences, with the word after the first fence.
    var blocks: [(language: String, lines: [String])] {
        get throws {
            var blocks: [(language: String, lines: [String])] = []
            var isInside = false
            for line in try lines {
                if line.hasPrefix("```") {
                    if !isInside { blocks.append((String(line.dropFirst(3)), [])) }
                    isInside.toggle()
                } else if isInside {
                    blocks[blocks.count - 1].lines.append(line)
                }
            }
            return blocks
        }
    }

    /// The text in backquotes on `line`.
    private static func code(in line: String) -> [String] {
        let parts = line.components(separatedBy: "`")
        return parts.indices.filter { $0 % 2 == 1 && $0 < parts.count - 1 }.map {
            parts[$0].replacingOccurrences(of: "\\|", with: "|")
        }
    }

    /// The commands, in order: the lines of ```sh blocks, lines that begin with a prompt, and the rows of tables whose heading is a
    /// command with an ellipsis, which stands for the row's text.
    var commands: [String] {
        get throws {
            if path.hasSuffix(".1") { return try manualCommands }
            var commands = Page.joined(try blocks.filter { $0.language == "sh" }.flatMap { $0.lines + [""] })
            for block in try blocks where block.language != "sh" {
                commands += Page.joined(block.lines.filter { $0.hasPrefix("$ ") }.map { String($0.dropFirst(2)) })
            }
            var headings: [String] = []
            for line in try lines {
                guard line.hasPrefix("|") else {
                    headings = []
                    continue
                }
                let cells = line.replacingOccurrences(of: "\\|", with: "\u{1}").components(separatedBy: "|")
                if headings.isEmpty {
                    headings = cells
                } else {
                    for (heading, cell) in zip(headings, cells) {
                        let command = Page.code(in: heading).first { $0.contains(" …") }
                        guard let command, let words = Page.code(in: cell).first else { continue }
                        commands.append(
                            command.replacingOccurrences(of: "…", with: words)
                                .replacingOccurrences(of: "\u{1}", with: "|"))
                    }
                }
            }
            return commands
        }
    }

    /// The examples of a manual page.
    private var manualCommands: [String] {
        get throws {
            let examples = try lines.compactMap { line -> String? in
                let line = line.hasPrefix(".Dl ") ? String(line.dropFirst(4)) : line
                if line.hasPrefix("$ ") { return String(line.dropFirst(2)) }
                return line.hasPrefix("    ") ? line : nil
            }
            return Page.joined(examples.map { $0.replacingOccurrences(of: "\\e", with: "\\") })
        }
    }

    /// Text in backquotes that begins with the name of one of the project's programs.
    var mentioned: [String] {
        get throws {
            var isInside = false
            return try lines.flatMap { line -> [String] in
                if line.hasPrefix("```") { isInside.toggle() }
                return isInside ? [] : Page.code(in: line)
            }.filter { $0.hasPrefix("make ") || $0.hasPrefix("loader-inspect ") }
        }
    }

    /// Commands, each on one line: joined at a backslash, a pipe or an open quote, without comments.
    private static func joined(_ lines: [String]) -> [String] {
        var commands: [String] = []
        var command = ""
        for line in lines where !(command.isEmpty && (line.isEmpty || line.hasPrefix("#"))) {
            command += command.isEmpty || command.hasSuffix("\n") ? line : "\n" + line
            if command.hasSuffix("\\") {
                command.removeLast()
                command += " "
            } else if command.count(where: { $0 == "'" }) % 2 == 0, !command.hasSuffix("|") {
                commands.append(command.replacingOccurrences(of: " \n", with: " "))
                command = ""
            }
        }
        return command.isEmpty ? commands : commands + [command]
    }
}

/// A folder like a clone after a complete build, with an application called `app`; removed with its last reference.
final class Clone {
    private let folder: Folder
    var url: URL { folder.url }

    init() throws {
        folder = try Folder()
        let files = FileManager.default
        for name in ["build", "bin", "old", "new"] {
            try files.createDirectory(at: folder.place(name), withIntermediateDirectories: true)
        }
        let tool = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("loader-inspect")
        for name in try files.contentsOfDirectory(atPath: Project.root.path)
        where !name.hasPrefix(".build") && name != "build" && name != ".git" {
            try link(name, to: Project.root.appendingPathComponent(name))
        }
        for name in ["loader", "loader.efi", "fixtures"] {
            try link("build/" + name, to: Project.root.appendingPathComponent("build/" + name))
        }
        try link("build/loader-inspect", to: tool)
        try link("bin/loader-inspect", to: tool)
        // Everything counts as built: targets that build are not made again.
        try write(
            "bin/make",
            """
            #!/bin/sh
            PATH=${PATH#*:}
            exec make -o deps -o bench-deps -o loader -o inspect -o fixtures "$@"

            """)
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: url.path + "/bin/make")
        for name in ["app", "a.elf", "old/app", "new/app"] { try link(name, to: Project.fixture("demo")) }
        try write("main.c", "int variable = 1, *pointer = &variable;\n")
    }

    private func link(_ name: String, to file: URL) throws {
        try FileManager.default.createSymbolicLink(at: url.appendingPathComponent(name), withDestinationURL: file)
    }

    func write(_ name: String, _ text: String) throws { try folder.write(name, text) }

    /// Runs `command` by a shell, for at most ten minutes; returns its exit status and its output.
    func run(_ command: String) async throws -> (status: Int32, output: String) {
        let path = url.appendingPathComponent("bin").path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
        let result = try await Subprocess.run(
            .name("timeout"), arguments: ["600", "sh", "-c", "exec </dev/null 2>&1\n" + command],
            environment: .inherit.updating(["PATH": path, "HOME": url.path]),
            workingDirectory: FilePath(url.path), output: .string(limit: 1 << 26), error: .discarded)
        guard case .exited(let status) = result.terminationStatus else { return (-1, result.standardOutput) }
        return (Int32(status), result.standardOutput)
    }
}
