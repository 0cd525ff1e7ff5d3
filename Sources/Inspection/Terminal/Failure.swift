// Failures of a command whose command line is correct: one line, and an exit status.

import Glibc
import Synchronization

/// A file that cannot be read or written, or something that is missing.
struct Failure: Error {
    /// The exit status if a file cannot be read, and if it cannot be written.
    static let unreadable: Int32 = 64, unwritable: Int32 = 74
    /// The exit status if QEMU cannot be started, or fails itself.
    static let runner: Int32 = 125

    /// The message for the user.
    let message: String
    /// The exit status.
    let status: Int32

    init(_ message: String, status: Int32 = Failure.unreadable) {
        self.message = message
        self.status = status
    }

    /// The failure to read the file at `path`, with errno `number`.
    static func reading(_ path: String, _ number: Int32) -> Failure {
        // The argument parser substitutes U+FFFD for bytes that are not UTF-8.
        let isAltered = number == ENOENT && path.contains("\u{fffd}")
        let remark = isAltered ? "; a name that is not UTF-8 cannot be given: use standard input, -" : ""
        return Failure("cannot read \(path == "-" ? "standard input" : printable(path)): \(text(number))\(remark)")
    }

    /// The failure to write to `target`, with errno `number`.
    static func writing(_ target: String, _ number: Int32) -> Failure {
        Failure("cannot write \(printable(target)): \(text(number))", status: unwritable)
    }

    /// Writes it to standard error, and returns the exit status.
    func tell() -> Int32 {
        Progress.shared.tell("Error: \(message)")
        return status
    }

    private static func text(_ number: Int32) -> String {
        // strerror's text is valid until the next call.
        unsafe String(cString: strerror(number))
    }
}

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

/// The text of errno's `number`.
func errorText(_ number: Int32) -> String {
    // strerror's text is valid until the next call.
    unsafe String(cString: strerror(number))
}
