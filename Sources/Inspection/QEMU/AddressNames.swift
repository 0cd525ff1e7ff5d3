// Addresses of a running application as symbols and lines of its source.

import Boot
import Bytes
import Diagnostics
import ELF
import FoundationEssentials
import Glibc
import Linking
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// What is known of an address.
struct AddressName {
    let address: UInt64
    /// The symbol as it stands in the file, and how far into it the address lies.
    let symbol: String, offset: UInt64
    /// Functions and lines of the source, the innermost first: a function's body may have been put into its caller.
    var frames: [String] = []
}

/// Names for the addresses of an image that was loaded.
enum AddressNames {
    /// Names of those `mentions` that lie in `file`'s image, whose first byte is at `start`.
    static func of(
        _ mentions: [MentionedAddresses.Mention], _ file: ByteView, path: String, at start: UInt64
    ) async -> [AddressName] {
        guard let contents = try? ApplicationFile(loaded: file) else { return [] }
        let bias = start &- contents.linkStart
        var names: [AddressName] = []
        var places: [SourceLines.Place?] = []
        for mention in mentions {
            let back: UInt64 = mention.isReturnAddress ? 1 : 0
            let address = mention.address &- bias &- back
            guard contents.part(at: address) != nil, let location = contents.locate(address) else { continue }
            names.append(
                AddressName(
                    address: mention.address, symbol: file.string(at: location.nameOffset).text,
                    offset: location.offset &+ back))
            places.append(contents.isCode(address) ? place(address, contents) : nil)
        }
        let lines = await SourceLines.of(places.compactMap { $0 }, in: path)
        for (index, place) in places.enumerated() {
            if let place, let frames = lines[place] { names[index].frames = frames }
        }
        return names
    }

    /// Where DWARF looks for link address `address`: in an object file, which has no addresses yet, within a section.
    private static func place(_ address: UInt64, _ contents: borrowing ApplicationFile) -> SourceLines.Place? {
        guard contents.isObject else { return SourceLines.Place(section: nil, address: address) }
        guard let section = contents.object.section(at: address),
            let table = try? SectionListing(contents.file, contents.linked.header), Int(section.index) < table.count
        else { return nil }
        let name = table.name(table[Int(section.index)]).text
        // Sections are asked for by name.
        guard (0..<table.count).filter({ table.name(table[$0]).text == name }).count == 1 else { return nil }
        return SourceLines.Place(section: name, address: address &- section.start)
    }
}

extension ApplicationFile {
    /// `file`, an application or a shared object that is loaded with one.
    @_lifetime(copy file)
    init(loaded file: ByteView) throws(Fault) {
        do throws(Fault) {
            self = try ApplicationFile(file)
        } catch {
            self = try ApplicationFile(file, as: .library)
        }
    }

    /// The link address of the image's first byte.
    var linkStart: UInt64 { isObject ? 0 : linked.linkStart }

    /// The number of bytes of memory that the image needs.
    var size: UInt64 { isObject ? object.size : linked.size }
}

/// Functions and lines by DWARF, from whichever of llvm-symbolizer and addr2line there is.
enum SourceLines {
    /// A link address, or an offset in a section of an object file.
    struct Place: Hashable {
        let section: String?
        let address: UInt64
    }

    /// The frames at each of `places` in the file at `path`; empty where no tool is installed or none knows anything.
    static func of(_ places: [Place], in path: String) async -> [Place: [String]] {
        var found: [Place: [String]] = [:]
        for section in Set(places.map(\.section)) {
            let addresses = places.filter { $0.section == section }.map(\.address)
            // Of an object file's sections only GNU's tool can be asked by name.
            let tools =
                section == nil
                ? [("llvm-symbolizer", ["--output-style=GNU"]), ("llvm-addr2line", []), ("addr2line", [])]
                : [("addr2line", ["-j", section ?? ""])]
            for (name, options) in tools {
                guard let program = InstalledProgram.find(name),
                    let text = await InstalledProgram.output(
                        program, options + ["-a", "-i", "-f", "-C", "-e", path] + addresses.map { hex($0) })
                else { continue }
                for (address, frames) in parse(text) { found[Place(section: section, address: address)] = frames }
                break
            }
        }
        return found
    }

    /// An address, then a line for each function and one for its place.
    private static func parse(_ text: String) -> [UInt64: [String]] {
        var result: [UInt64: [String]] = [:]
        var address: UInt64?
        var function: Substring?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if function == nil, line.hasPrefix("0x"), let value = UInt64(line.dropFirst(2), radix: 16) {
                address = value
            } else if function == nil {
                function = line
            } else if let name = function {
                function = nil
                // `crash.c:?` and `crash.c:0` name the file that a symbol comes from, which is no place.
                let hasLine = !line.hasPrefix("??") && !line.hasSuffix(":?") && !line.hasSuffix(":0") && !line.isEmpty
                let place = hasLine ? " at " + line.replacing(/\ \(discriminator [0-9]+\)$/, with: "") : ""
                guard let address, name != "??" || hasLine else { continue }
                result[address, default: []].append(printable((name == "??" ? "" : String(name)) + place))
            }
        }
        return result
    }
}

/// Programs that are installed.
enum InstalledProgram {
    /// The path of the program called `name`, from PATH; nil where it is not there.
    static func find(_ name: String) -> String? {
        if name.contains("/") { return unsafe access(name, X_OK) == 0 ? name : nil }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first { unsafe access($0, X_OK) == 0 }
    }

    /// What the program at `path` writes to standard output; nil where it fails.
    static func output(_ path: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            .path(FilePath(path)), arguments: Arguments(arguments), output: .string(limit: 1 << 26), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}
