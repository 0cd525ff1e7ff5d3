// A folder for files that QEMU needs while it runs: links to files whose names it cannot read, sockets, a changed loader.

import FoundationEssentials
import Glibc

/// A temporary folder that is made when it is needed, and is gone with this object.
final class RunFolder {
    private var path: String?
    private var copies = 0

    deinit { remove() }

    /// The path of the folder. Throws `Failure`.
    func made() throws(Failure) -> String {
        if let path { return path }
        let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        // Its own path must be free of odd characters, and of commas, which end a word of QEMU's; a socket's path has 107 bytes.
        let isFit = !parent.isEmpty && parent.utf8.count < 60 && !RunFolder.isOdd(parent) && !parent.contains(",")
        var template = Array(((isFit ? parent : "/tmp") + "/loader-inspect-XXXXXX").utf8CString)
        // It writes over the X, and nothing else.
        let made = unsafe mkdtemp(&template) != nil
        guard made else { throw .writing(parent, errno) }
        let path = template.dropLast().map { UInt8(bitPattern: $0) }
        self.path = String(decoding: path, as: UTF8.self)
        return String(decoding: path, as: UTF8.self)
    }

    /// Removes it, and its contents.
    func remove() {
        guard let path else { return }
        try? FileManager.default.removeItem(atPath: path)
        self.path = nil
    }

    /// Keeps it after the end of this program.
    func keep() { path = nil }

    /// Whether QEMU, or a reader of the loader's command lines, would take `path` for something else: it has white space, quotes, controls,
    /// or bytes that are not UTF-8.
    static func isOdd(_ path: String) -> Bool {
        path.unicodeScalars.contains {
            $0.value <= 0x20 || $0.value == 0x7f || "'\"\\\u{fffd}".unicodeScalars.contains($0)
        }
    }

    /// `path`, or the path of a link to it if QEMU could not read that. The link keeps the file's name, without the odd characters.
    func name(for path: String) throws(Failure) -> String {
        guard RunFolder.isOdd(path) else { return path }
        let name = path.split(separator: "/").last ?? "file"
        let plain = String(
            String.UnicodeScalarView(name.unicodeScalars.map { RunFolder.isOdd(String($0)) ? "_" : $0 }))
        let folder = try made()
        // Two files may have names that are alike.
        for number in 0..<1000 {
            let link = number == 0 ? "\(folder)/\(plain)" : "\(folder)/\(number)/\(plain)"
            if number > 0 { _ = unsafe mkdir("\(folder)/\(number)", 0o700) }
            if RunFolder.link(to: path, at: link) {
                guard unsafe access(link, F_OK) == 0 else { throw .reading(path, errno) }
                return link
            }
            guard errno == EEXIST else { throw .writing(link, errno) }
        }
        throw .writing(folder, EEXIST)
    }

    /// The path of a copy of `file`, which has none. Throws `Failure`.
    func file(_ file: InputFile) throws(Failure) -> String {
        let folder = try made()
        copies += 1
        let path = "\(folder)/file\(copies)"
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .writing(path, errno) }
        defer { close(descriptor) }
        // The bytes are only read, and do not leave the closure.
        let number = unsafe file.bytes.withUnsafeBytes { unsafe write($0, to: descriptor) }
        if number != 0 { throw .writing(path, number) }
        return path
    }

    /// Makes a link at `link` to the file at `path`; false if that fails.
    private static func link(to path: String, at link: String) -> Bool {
        var target = Array(path.utf8CString)
        if path.contains("\u{fffd}") {
            // The argument parser's in the place of bytes that are not UTF-8: the name as it was given is among the arguments.
            for word in CommandLine.arguments.indices where CommandLine.arguments[word] == path {
                // As many strings as there are arguments, each with its end.
                guard let raw = unsafe CommandLine.unsafeArgv[word] else { continue }
                target = unsafe Array(UnsafeBufferPointer(start: raw, count: strlen(raw) + 1))
            }
        }
        if !path.hasPrefix("/") {
            let folder = FileManager.default.currentDirectoryPath + "/"
            target.insert(contentsOf: folder.utf8.map { CChar(bitPattern: $0) }, at: 0)
        }
        return unsafe symlink(target, link) == 0
    }
}
