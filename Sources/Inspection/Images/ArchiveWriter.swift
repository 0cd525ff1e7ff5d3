// Writing of Hermit images: the archive (POSIX.1-2024, pax: "ustar Interchange Format").

/// Writes an archive: ustar, with pax headers for names that do not fit.
struct ArchiveWriter {
    /// The archive so far.
    private(set) var bytes: [UInt8] = []
    private var names: Set<String> = [], folders: Set<String> = []

    /// Adds a file with the name `path`. Throws `Failure` for a name that leads out of the archive, or is there already.
    mutating func add(_ path: String, _ file: InputFile, mode: Int) throws(Failure) {
        // As long as the object lives.
        try add(path, unsafe file.bytes.withUnsafeBytes { unsafe [UInt8]($0) }, mode: mode)
    }

    /// Adds a file of `contents`.
    mutating func add(_ path: String, _ contents: [UInt8], mode: Int = 0o644) throws(Failure) {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.isEmpty, !parts.contains(".."), !path.utf8.contains(0), !path.hasSuffix("/") else {
            throw Failure("'\(printable(path))' is no name for a file in an image")
        }
        let name = parts.joined(separator: "/")
        guard names.insert(name).inserted else { throw Failure("'\(printable(name))' is in the image already") }
        for count in 1..<parts.count { folders.insert(parts.prefix(count).joined(separator: "/")) }
        if let both = folders.first(where: names.contains) {
            throw Failure("'\(printable(both))' would be a file and a folder in the image")
        }
        if name.utf8.count > 100 {
            let record = ArchiveWriter.record("path", name)
            append(header: "pax", record, type: UInt8(ascii: "x"), mode: 0o644)
        }
        append(header: name, contents, type: UInt8(ascii: "0"), mode: mode)
    }

    /// Ends the archive.
    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    /// A record of a pax header, which begins with its own length.
    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n"
        let size = rest.utf8.count
        var length = size
        while true {
            let whole: Int = size + String(length).utf8.count
            if whole == length { break }
            length = whole
        }
        return Array("\(length)\(rest)".utf8)
    }

    private mutating func append(header name: String, _ contents: [UInt8], type: UInt8, mode: Int) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.prefix(100).enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(contents.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        header[156] = type
        put("ustar", at: 257)
        put("00", at: 263)
        put("        ", at: 148)
        var sum = 0
        for byte in header { sum += Int(byte) }
        put(octal(sum, 6), at: 148)
        header[154] = 0
        bytes += header
        bytes += contents
        bytes += [UInt8](repeating: 0, count: (512 - contents.count % 512) % 512)
    }
}
