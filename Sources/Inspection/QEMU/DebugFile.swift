// The file that has what a stripped one has lost: by build ID, by .gnu_debuglink, or as it was given.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF
import FoundationEssentials
import Glibc

/// Where symbols and lines of a file are.
struct DebugFile {
    /// The path, and the bytes.
    let path: String, input: InputFile
    /// What there is to be said of it; empty where all is well.
    var remark = ""

    /// That of `file` at `path`: `given`, the file itself where it has symbols, or the one that it names. `name` is what it is called
    /// where that is not its path. Throws `Failure` where `given` cannot be read, or is of another build.
    static func of(
        _ file: InputFile, path: String, given: String?, calling name: String? = nil
    ) throws(Failure) -> DebugFile {
        let name = printable(name ?? path)
        let own = DebugLinks(ByteView(file.bytes))
        if let given {
            let input = try InputFile(given)
            let other = DebugLinks(ByteView(input.bytes))
            guard own.buildID == nil || other.buildID == nil || own.buildID == other.buildID else {
                throw Failure("\(printable(given)) is of another build than \(name): their build IDs differ")
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
            : "\(name) is stripped, so there are few names or none: say --debug-file FILE, if there is one"
        return DebugFile(path: path, input: file, remark: remark)
    }
}

/// What a file says of the one with its debugging information.
struct DebugLinks {
    /// The build ID (note GNU, type 3), in hexadecimal.
    private(set) var buildID: String?
    /// The name in .gnu_debuglink, and the other file's CRC-32.
    private(set) var name: String?, checksum: UInt32?

    /// What `file` says; nothing where it cannot be read.
    init(_ file: ByteView) {
        guard let header = try? FileHeader(file), let table = try? SectionListing(file, header) else { return }
        for index in 0..<table.count {
            let section = table[index]
            guard let contents = try? table.contents(index) else { continue }
            let own = table.name(section).text
            if own == ".gnu_debuglink" {
                let text = contents.string(at: 0)
                // The name, its end, zeros up to a multiple of 4, the checksum.
                let offset = (text.count + 4) & ~3
                guard text.count > 0, let word = contents.word32(at: offset) else { continue }
                (name, checksum) = (text.text, word)
            } else if section.type == SectionHeader.Kind.note, own == ".note.gnu.build-id" {
                guard let nameSize = contents.word32(at: 0), let size = contents.word32(at: 4), nameSize == 4,
                    contents.word32(at: 8) == 3, (2...64).contains(size), contents.contains(16, UInt64(size))
                else { continue }
                buildID = (0..<UInt64(size)).map { index in
                    let byte = contents.byte(at: 16 + index) ?? 0
                    return (byte < 16 ? "0" : "") + String(byte, radix: 16)
                }.joined()
            }
        }
    }

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

    /// The CRC-32 of IEEE 802.3, as .gnu_debuglink has it.
    static func checksum(_ file: ByteView) -> UInt32 {
        var table: [UInt32] = []
        for index in 0..<256 as Range<UInt32> {
            var value = index
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
            table.append(value)
        }
        var value: UInt32 = .max
        let span = file.span
        for offset in 0..<span.byteCount {
            // In bounds by the line above.
            let byte = unsafe span.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
            value = table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
        }
        return ~value
    }
}
