// Folders of the host for the guest: virtiofs, by a daemon for each.

import CProcess
import FoundationEssentials
import Glibc

/// A folder that is shared, and the daemon that serves it.
///
/// Hermit has a driver for virtiofs, but none for 9p, for which QEMU would need no daemon.
struct SharedFolder {
    /// The folder, and the name under which the guest finds it.
    let path: String, tag: String
    /// The daemon's socket.
    let socket: String

    /// `text` is FOLDER or FOLDER:TAG; the socket will lie in `folder`. Throws `Failure`.
    init(_ text: String, socket: String) throws(Failure) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        // A folder's own name may have a colon.
        let isFolder = SharedFolder.isFolder(text)
        let given = isFolder ? text : parts.dropLast().joined(separator: ":")
        // The daemon goes elsewhere.
        path = given.hasPrefix("/") ? given : FileManager.default.currentDirectoryPath + "/" + given
        tag = isFolder ? "root" : String(parts.last ?? "")
        self.socket = socket
        guard !given.isEmpty, SharedFolder.isFolder(path) else {
            throw Failure("--share: \(printable(given.isEmpty ? text : given)) is no folder")
        }
        // Virtio 1.2, 5.11.4: the tag has 36 bytes. A comma would be QEMU's.
        guard (1...36).contains(tag.utf8.count), tag.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) })
        else {
            throw Failure("--share: a tag has 1 to 36 letters, digits, '-', '_' and '.': not '\(printable(tag))'")
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// QEMU's arguments for the share number `index`.
    func arguments(_ index: Int) -> [String] {
        [
            "-chardev", "socket,id=share\(index),path=\(socket.replacing(",", with: ",,"))", "-device",
            "vhost-user-fs-pci,chardev=share\(index),tag=\(tag),queue-size=1024",
        ]
    }

    /// The daemon's program. Throws `Failure` if there is none.
    static func daemon() throws(Failure) -> String {
        // Distributions install it outside PATH.
        let places = ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"]
        for place in places { if let program = InstalledProgram.find(place) { return program } }
        throw Failure(
            "--share needs virtiofsd: install it (apt-get install virtiofsd, or qemu-system-common before Debian 13); Hermit "
                + "cannot read 9p, which QEMU has built in")
    }

    /// Whether `program` is the daemon of QEMU 7 and older, whose options differ from those of the one in Rust.
    static func isForerunner(_ program: String) async -> Bool {
        await InstalledProgram.output(program, ["--help"])?.contains("--shared-dir") != true
    }

    /// Starts the daemon, waits until it listens; returns its process, which ends with this thread. Throws `Failure`.
    func serve(_ program: String, isForerunner: Bool, isQuiet: Bool) throws(Failure) -> pid_t {
        let words = isForerunner ? ["-o", "source=\(path.replacing(",", with: "\\,"))"] : ["--shared-dir", path]
        let silence = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(silence) }
        let child = ChildProcess.start(
            program, ["--socket-path=\(socket)"] + words, input: silence, output: silence,
            error: isQuiet ? silence : -1, isApart: true)
        guard child > 0 else { throw Failure("cannot start \(program): \(errorText(-child))", status: Failure.runner) }
        for _ in 0..<500 {
            if unsafe access(socket, F_OK) == 0 { return child }
            var status: Int32 = 0
            if unsafe waitpid(child, &status, WNOHANG) == child { break }
            usleep(10_000)
        }
        ChildProcess.end(child)
        throw Failure(
            "\(program) does not share \(printable(path)): it did not begin to listen", status: Failure.runner)
    }
}
