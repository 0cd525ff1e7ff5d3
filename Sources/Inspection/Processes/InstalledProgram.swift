// Programs that are installed: symbolizers, and those that make disks and CDs.

import FoundationEssentials
import Glibc
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Programs that are installed.
enum InstalledProgram {
    /// The path of the program with the name `name`, from PATH; nil if it is not there.
    static func find(_ name: String) -> String? {
        if name.contains("/") { return isExecutable(name) ? name : nil }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first(where: isExecutable)
    }

    /// Whether `path` is a file that may be executed; folders have that permission as well.
    private static func isExecutable(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return unsafe access(path, X_OK) == 0
    }

    /// The standard output of the program at `path`; nil if it fails.
    static func output(_ path: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            .path(FilePath(path)), arguments: Arguments(arguments), output: .string(limit: 1 << 26), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}

extension InstalledProgram {
    /// The program with the name `name`, also in the folders of root's PATH. Throws a `Failure` that names its `packages`.
    static func require(_ name: String, _ packages: String) throws(Failure) -> String {
        guard let program = find(name) ?? find("/usr/sbin/" + name) ?? find("/sbin/" + name) else {
            throw Failure("there is no \(name) in PATH: install it (apt-get install \(packages))")
        }
        return program
    }

    /// Runs a program of `packages` with 1980, when FAT's time begins, as its time. It reads the file `input`: a pipe that it did not read
    /// to the end would end this program. Throws a `Failure` if it is missing or fails.
    static func run(
        _ name: String, _ arguments: [String], _ packages: String, input: String = "/dev/null"
    ) async throws {
        let program = try require(name, packages)
        let file = try FileDescriptor.open(FilePath(input), .readOnly)
        let result = try await Subprocess.run(
            .path(FilePath(program)), arguments: Arguments(arguments),
            environment: .inherit.updating(["SOURCE_DATE_EPOCH": "315532800", "TZ": "UTC"]),
            input: .fileDescriptor(file, closeAfterSpawningProcess: true),
            output: .discarded, error: .string(limit: 1 << 16))
        guard result.terminationStatus.isSuccess else {
            let lines = (result.standardError).split(separator: "\n").prefix(1).joined()
            throw Failure("\(name) failed: \(printable(lines))")
        }
    }
}
