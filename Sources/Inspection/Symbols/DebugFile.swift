// The file with a stripped file's symbols and lines: by build ID, by .gnu_debuglink, or as it was given.

import AnyELF
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import HermitImage

/// The file with another file's symbols and lines.
struct DebugFile {
    /// The path, and the bytes.
    let path: String, input: InputFile
    /// A warning; empty if there is none.
    var remark = ""

    /// The one of `file` at `path`: `given`, the file itself if it has symbols, or the one that it names. `name` is its name in messages if
    /// that is not its path. Throws `Failure` if `given` cannot be read, or is of another build.
    static func of(
        _ file: InputFile, path: String, given: String?, calling name: String? = nil
    ) throws(Failure) -> DebugFile {
        let name = printable(name ?? path)
        let own = DebugLinks(ByteView(file.bytes))
        if let given {
            let input = try InputFile(given)
            let other = DebugLinks(ByteView(input.bytes))
            guard own.buildID == nil || other.buildID == nil || own.buildID == other.buildID else {
                throw Failure("\(printable(given)) is from a different build than \(name): their build IDs differ")
            }
            return DebugFile(path: given, input: input)
        }
        let names = AddressSymbols(ByteView(file.bytes))
        if names.isComplete, names.hasLines { return DebugFile(path: path, input: file) }
        for candidate in own.candidates(for: path) {
            guard unsafe access(candidate, R_OK) == 0, let input = try? InputFile(candidate) else { continue }
            let other = DebugLinks(ByteView(input.bytes))
            let isSame =
                own.buildID != nil && own.buildID == other.buildID
                || own.buildID == nil && own.checksum == DebugLinks.checksum(ByteView(input.bytes))
            if isSame {
                return DebugFile(path: candidate, input: input, remark: "symbols are those of \(printable(candidate))")
            }
        }
        let remark =
            names.isComplete
            ? ""
            : "\(name) is stripped, so there are few names or none: give --debug-file FILE, if there is one"
        return DebugFile(path: path, input: file, remark: remark)
    }
}

extension DebugLinks {
    /// The paths where debuggers look, for the file at `path`.
    func candidates(for path: String) -> [String] {
        var paths: [String] = []
        if let buildID { paths.append("/usr/lib/debug/.build-id/\(buildID.prefix(2))/\(buildID.dropFirst(2)).debug") }
        // A name is no path.
        if let name, !name.contains("/"), name != "..", name != "." {
            let own = URL(fileURLWithPath: path).resolvingSymlinksInPath().deletingLastPathComponent().path
            paths += ["\(own)/\(name)", "\(own)/.debug/\(name)", "/usr/lib/debug\(own)/\(name)"]
        }
        return paths
    }

    /// The CRC-32 of IEEE 802.3, as in .gnu_debuglink.
    static func checksum(_ file: ByteView) -> UInt32 {
        var tables = ChecksumTables()
        return tables.extend(0, file, from: 0, to: file.count)
    }
}
