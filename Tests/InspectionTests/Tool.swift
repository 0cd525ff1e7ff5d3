// Runs loader-inspect as users do.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// The result of a run.
struct Run {
    var status: Int32
    var output: String
    var errors: String
}

/// The program, from the folder of this test's executable.
enum Tool {
    static let root = Project.root
    static let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("loader-inspect")

    /// Runs it with `arguments` in `folder`; `input` goes to its standard input.
    static func run(_ arguments: [String], in folder: URL? = nil, input: [UInt8] = []) async throws -> Run {
        try await run(program: program.path, arguments, in: folder, input: input)
    }

    /// Runs another program, by its name or path.
    static func run(
        program: String, _ arguments: [String], in folder: URL? = nil, input: [UInt8] = []
    ) async throws -> Run {
        var command = [program] + arguments
        let inputs = try Folder()
        if !input.isEmpty {
            let file = try inputs.write("input", input)
            // By way of cat: writing to a pipe that is closed early would end the tests by SIGPIPE.
            command = ["/bin/sh", "-c", #"file=$1; shift; cat "$file" | "$@""#, "sh", file.path] + command
        }
        let result = try await Subprocess.run(
            command[0].contains("/") ? .path(.init(command[0])) : .name(command[0]),
            arguments: Arguments(Array(command.dropFirst())), workingDirectory: folder.map { FilePath($0.path) },
            input: .none, output: .string(limit: 1 << 26), error: .string(limit: 1 << 20))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): Int32(code)
            case .signaled(let code): 128 + Int32(code)
            }
        return Run(status: status, output: result.standardOutput, errors: result.standardError)
    }

    /// Runs a shell command on a terminal of its own (Python's pty); returns the terminal's input.
    static func terminal(_ command: String, in folder: Folder) async throws -> String {
        let script = """
            import os, pty, sys
            output = os.open("terminal", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            def read(descriptor):
                data = os.read(descriptor, 65536)
                os.write(output, data)
                return data
            sys.exit(os.waitstatus_to_exitcode(pty.spawn(["/bin/sh", "-c", sys.argv[1]], read)))
            """
        let run = try await run(
            program: "python3", ["-c", script, "tool='\(program.path)'; TERM=xterm; export TERM; " + command],
            in: folder.url)
        #expect(run.status == 0, "\(run.errors)")
        return try String(contentsOf: folder.url.appendingPathComponent("terminal"), encoding: .utf8)
    }

    /// Runs another program; nil if it is missing or fails.
    static func other(_ name: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            .name(name), arguments: Arguments(arguments), output: .string(limit: 1 << 26), error: .discarded)
        guard let result, case .exited(0) = result.terminationStatus else { return nil }
        return result.standardOutput
    }
}

extension Folder {
    /// A folder with all samples, under their names.
    static func withSamples() throws -> Folder {
        let folder = try Folder()
        for sample in Sample.all { try folder.write(sample.name, sample.bytes) }
        return folder
    }

    /// Runs a shell script in it, where `tool` is the program's path.
    func shell(_ script: String) async throws -> Run {
        try await Tool.run(program: "sh", ["-c", "tool='\(Tool.program.path)'; \(script)"], in: url)
    }
}
