// Other programs that tests run: compilers, linkers and their results.

import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Runs `command`, a program by its name or path and its arguments; returns whether it succeeded, and its output, errors last.
public func run(_ command: [String]) async throws -> (succeeded: Bool, output: String) {
    let program = command[0]
    let result = try await Subprocess.run(
        program.contains("/") ? .path(FilePath(program)) : .name(program),
        arguments: Arguments(Array(command.dropFirst())),
        output: .string(limit: 1 << 24), error: .string(limit: 1 << 24))
    return (result.terminationStatus.isSuccess, result.standardOutput + result.standardError)
}

/// A command that failed.
public struct CommandFailure: Error, CustomStringConvertible {
    /// The command, and its output.
    public let description: String

    /// A failure that says `description`.
    public init(description: String) { self.description = description }
}

/// Runs `command`; throws `CommandFailure` with its output if it fails.
public func make(_ command: [String]) async throws {
    let result = try await run(command)
    guard result.succeeded else {
        throw CommandFailure(description: "\(command.joined(separator: " "))\n\(result.output)")
    }
}

/// The SHA-256 of each of the files at `paths`, by sha256sum: 64 hexadecimal digits in lower case.
public func sha256(_ paths: [String]) async throws -> [String] {
    let result = try await run(["sha256sum", "--"] + paths)
    guard result.succeeded else { throw CommandFailure(description: "sha256sum: \(result.output)") }
    return result.output.split(separator: "\n").map { String($0.prefix(64)) }
}
