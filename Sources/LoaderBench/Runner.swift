// Runs other programs, and the clock.

import Foundation
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Monotonic time.
func nanoseconds() -> Double { Double(DispatchTime.now().uptimeNanoseconds) }

/// The middle one of `values`.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

/// Says on standard error what is being measured.
func note(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }

/// What a measurement needs of the machine.
struct Runner {
    /// A folder for files, which are removed.
    let folder: URL
    /// The program of timer.c.
    let timer: String

    /// Standard output of `program`.
    static func capture(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            executable(program), arguments: Arguments(arguments), output: .string(limit: 1 << 24), error: .discarded)
        return result.standardOutput
    }

    /// A path, or a name to be looked for in PATH.
    private static func executable(_ program: String) -> Executable {
        program.contains("/") ? .path(.init(program)) : .name(program)
    }

    /// Standard output of `program`, nil where it is missing or fails.
    static func attempt(_ program: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            executable(program), arguments: Arguments(arguments), output: .string(limit: 1 << 24), error: .discarded)
        guard let result, case .exited(0) = result.terminationStatus else { return nil }
        return result.standardOutput
    }

    /// How often everything is repeated in a row.
    static let opens = 5

    /// Nanoseconds of some dlopens of `file` by a process that has nothing but libc; with `isLocked` of one that maps files with
    /// all pages present, none where it may not.
    func open(_ file: String, isLocked: Bool = false) async throws -> [Double] {
        let output = await Runner.attempt(timer, [isLocked ? "locked" : "dlopen", "\(Runner.opens)", file])
        guard let output else {
            if isLocked { return [] }
            throw BenchError("dlopen of \(file) fails")
        }
        return output.split(separator: "\n").compactMap { Double($0) }
    }

    /// Nanoseconds and peak KiB of a command whose output goes to /dev/null; nil where it is missing.
    func time(_ command: [String]) async -> (nanoseconds: Double, kilobytes: Int)? {
        guard let output = await Runner.attempt(timer, ["run", "/dev/null"] + command) else { return nil }
        let words = output.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let time = Double(words[0]), let memory = Int(words[1]) else { return nil }
        return (time, memory)
    }
}

/// Why a measurement is impossible.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
