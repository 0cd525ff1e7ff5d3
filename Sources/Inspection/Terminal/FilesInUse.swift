// Bytes are written to files, but not to those that the program uses already.

import Glibc
import Synchronization

/// The regular files that the program has read or written, under whatever name: none of them may be overwritten.
enum FilesInUse {
    private struct Identity: Hashable {
        let device, number: UInt
    }
    private static let known = Mutex<Set<Identity>>([])

    /// Adds the file with that `status`; false if it is already there.
    @discardableResult static func insert(_ status: stat) -> Bool {
        guard status.st_mode & S_IFMT == S_IFREG else { return true }
        return known.withLock { $0.insert(Identity(device: status.st_dev, number: status.st_ino)).inserted }
    }
}

/// Writes `bytes` to the file at `path`, which need not exist; `-` is standard output. Throws `Failure.writing`, and a `Failure` if the
/// program has read the file, or written something else to it.
func write(_ bytes: RawSpan, toFileAt path: String) throws(Failure) {
    guard path != "-" else {
        // The bytes are only read, and do not leave the closure.
        let number = unsafe bytes.withUnsafeBytes { unsafe write($0, to: 1) }
        if number != 0 { throw .writing("standard output", number) }
        return
    }
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .writing(path, errno) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, FilesInUse.insert(status) else {
        close(descriptor)
        throw Failure(
            "\(printable(path)) is in use by this command already, and would be lost: name another file for the output")
    }
    if status.st_mode & S_IFMT == S_IFREG, ftruncate(descriptor, 0) != 0 {
        let number = errno
        close(descriptor)
        throw .writing(path, number)
    }
    // The bytes are only read, and do not leave the closure.
    let number = unsafe bytes.withUnsafeBytes { unsafe write($0, to: descriptor) }
    // Some file systems report only on closing that there was no space.
    guard close(descriptor) == 0 || number != 0 else { throw .writing(path, errno) }
    if number != 0 { throw .writing(path, number) }
}

/// Writes `bytes` to `descriptor`, and returns errno, or 0 if all were written.
func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    var rest = unsafe bytes[...]
    while unsafe !rest.isEmpty {
        // The pointer and the count are those of `rest`.
        let count = unsafe write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0, errno != EINTR { return errno }
        unsafe rest = rest.dropFirst(max(count, 0))
    }
    return 0
}
