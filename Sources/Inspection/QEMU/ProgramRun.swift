// Programs of others that make what is booted.

import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

extension InstalledProgram {
    /// The program called `name`, also where only root's PATH leads. Throws a `Failure` that names the `packages` it comes from.
    static func require(_ name: String, _ packages: String) throws(Failure) -> String {
        guard let program = find(name) ?? find("/usr/sbin/" + name) ?? find("/sbin/" + name) else {
            throw Failure("there is no \(name) in PATH: install it (apt-get install \(packages))")
        }
        return program
    }

    /// Runs a program of `packages`, and has it believe that it is 1980, when FAT's time begins. It reads the file `input`; a pipe that
    /// it does not read to the end would end this program. Throws a `Failure` where it is not there or fails.
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
