// Failures of a command whose command line is correct: one line, and an exit status.

import Glibc

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
        return Failure("cannot read \(path == "-" ? "standard input" : printable(path)): \(errorText(number))\(remark)")
    }

    /// The failure to write to `target`, with errno `number`.
    static func writing(_ target: String, _ number: Int32) -> Failure {
        Failure("cannot write \(printable(target)): \(errorText(number))", status: unwritable)
    }

    /// Writes it to standard error, and returns the exit status.
    func tell() -> Int32 {
        Progress.shared.tell("Error: \(message)")
        return status
    }
}

/// The text of errno's `number`.
func errorText(_ number: Int32) -> String {
    // strerror's text is valid until the next call.
    unsafe String(cString: strerror(number))
}
