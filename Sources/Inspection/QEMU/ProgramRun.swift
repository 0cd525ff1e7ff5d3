// External programs that make disks and CDs.

import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

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
