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

/// The median of `values`.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
}

/// Writes the current measurement to standard error.
func note(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }

/// The commands that measurements need.
struct Runner {
    /// A folder for temporary files.
    let folder: URL
    /// The program of timer.c.
    let timer: String

    /// Standard output of `program`.
    static func capture(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            executable(program), arguments: Arguments(arguments), output: .string(limit: 1 << 24), error: .discarded)
        return result.standardOutput
    }

    /// The executable for a path, or for a name to be looked up in PATH.
    private static func executable(_ program: String) -> Executable {
        program.contains("/") ? .path(.init(program)) : .name(program)
    }

    /// Standard output of `program`; nil if it is missing or fails.
    static func attempt(_ program: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            executable(program), arguments: Arguments(arguments), output: .string(limit: 1 << 24), error: .discarded)
        guard let result, case .exited(0) = result.terminationStatus else { return nil }
        return result.standardOutput
    }

    /// The number of repetitions in a row.
    static let opens = 5

    /// The nanoseconds of several dlopens of `file` by a process that has loaded only libc; with `isLocked`, by one that maps files with
    /// all pages present, and none if it may not.
    func open(_ file: String, isLocked: Bool = false) async throws -> [Double] {
        let output = await Runner.attempt(timer, [isLocked ? "locked" : "dlopen", "\(Runner.opens)", file])
        guard let output else {
            if isLocked { return [] }
            throw BenchError("dlopen of \(file) fails")
        }
        return output.split(separator: "\n").compactMap { Double($0) }
    }

    /// The nanoseconds and the peak KiB of a command whose output goes to /dev/null; nil if it is missing.
    func time(_ command: [String]) async -> (nanoseconds: Double, kilobytes: Int)? {
        guard let output = await Runner.attempt(timer, ["run", "/dev/null"] + command) else { return nil }
        let words = output.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let time = Double(words[0]), let memory = Int(words[1]) else { return nil }
        return (time, memory)
    }
}

/// The reason why a measurement is impossible.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
