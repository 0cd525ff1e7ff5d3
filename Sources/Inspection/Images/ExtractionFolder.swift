// Extraction of Hermit images: files that stay in one folder.

import Glibc

/// The folder to which files are extracted. No link in it is followed, so nothing is written outside it.
final class ExtractionFolder {
    private let path: String
    private let descriptor: Int32

    /// Opens the folder at `path`; makes it if it does not exist. Throws `Failure`.
    init(_ path: String) throws(Failure) {
        self.path = path
        _ = unsafe mkdir(path, 0o777)
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .writing(path, errno) }
    }

    deinit { close(descriptor) }

    /// Makes the folder `name` in it, and that folder's parents.
    func make(_ name: String) throws(Failure) { close(try folder(name.split(separator: "/"), name)) }

    /// Writes the file `name`, which must not be there.
    func write(_ bytes: RawSpan, to name: String, isExecutable: Bool) throws(Failure) {
        let parts = name.split(separator: "/")
        let folder = try folder(parts.dropLast(), name)
        defer { close(folder) }
        let file = unsafe openat(
            folder, String(parts[parts.count - 1]), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
            isExecutable ? 0o777 : 0o666)
        guard file >= 0 else { throw .writing("\(path)/\(name)", errno) }
        // The bytes are only read, and do not leave the closure.
        let number = unsafe bytes.withUnsafeBytes { unsafe Inspection.write($0, to: file) }
        guard close(file) == 0 || number != 0 else { throw .writing("\(path)/\(name)", errno) }
        if number != 0 { throw .writing("\(path)/\(name)", number) }
    }

    /// Opens the folder that `parts` lead to, step by step, and makes the missing ones.
    private func folder(_ parts: some Sequence<Substring>, _ name: String) throws(Failure) -> Int32 {
        var current = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        for part in parts {
            _ = unsafe mkdirat(current, String(part), 0o777)
            let next = unsafe openat(current, String(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let number = errno
            close(current)
            guard next >= 0 else { throw .writing("\(path)/\(name)", number) }
            current = next
        }
        return current
    }
}
