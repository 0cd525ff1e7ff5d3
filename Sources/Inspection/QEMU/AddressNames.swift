// Addresses of a running application as symbols and lines of its source.

import AnyELF
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

/// An address's symbol, section and lines.
struct AddressName {
    let address: UInt64
    /// The demangled symbol, or the section if there is none, and the address's offset in it.
    let symbol: String, offset: UInt64
    /// Functions and lines of the source, the innermost first: a function's body may have been put into its caller.
    var frames: [String] = []

    /// Its text: one line, and one for each frame.
    var lines: [String] {
        ["  \(hex(address))  \(symbol)+\(hex(offset))"]
            + frames.enumerated().filter { $0.element != symbol }
            .map { "    \($0.offset == 0 ? "in" : "inlined into") \($0.element)" }
    }
}

/// Names for the addresses of an image that was loaded.
enum AddressNames {
    /// The names of the `mentions` in the image of `file`, whose first byte is at `start`; `debug` has its symbols and lines.
    static func of(
        _ mentions: [GuestLog.Mention], _ file: ByteView, _ debug: DebugFile, at start: UInt64
    ) async -> [AddressName] {
        guard let contents = try? ApplicationFile(loaded: file) else { return [] }
        let bias = start &- contents.linkStart
        let symbols = ByteView(debug.input.bytes)
        let table = AddressSymbols(symbols)
        let own = AddressSymbols(file)
        var names: [AddressName] = []
        var places: [SourceLines.Place?] = []
        var haveSymbols: [Bool] = []
        for mention in mentions {
            let back: UInt64 = mention.isReturnAddress ? 1 : 0
            let address = mention.address &- bias &- back
            guard contents.part(at: address) != nil else { continue }
            let section: (index: Int, name: String, offset: UInt64)
            if contents.isObject {
                guard let found = contents.object.section(at: address),
                    let sections = try? SectionListing(file, contents.linked.header), Int(found.index) < sections.count
                else { continue }
                let name = sections.name(sections[Int(found.index)]).text
                section = (Int(found.index), name, address &- found.start)
            } else {
                // A file of debugging information may number its sections otherwise.
                guard let found = table.section(at: address) ?? own.section(at: address) else { continue }
                section = found
            }
            let match = table.find(contents.isObject ? section.offset : address, inSection: section.index, of: symbols)
            names.append(
                AddressName(
                    address: mention.address, symbol: match?.name ?? section.name,
                    offset: (match?.offset ?? section.offset) &+ back))
            places.append(contents.isCode(address) ? place(address, contents) : nil)
            haveSymbols.append(match != nil)
        }
        let lines = await SourceLines.of(places.compactMap { $0 }, in: debug.path)
        let frames = places.map { place in place.flatMap { lines[$0] } ?? [] }
        for (index, frames) in frames.enumerated() {
            let name = names[index]
            // Without lines a frame is only a symbol, and may be another one at its address.
            let isSymbol = haveSymbols[index] && frames.count == 1 && frames[0].place.isEmpty
            names[index] = AddressName(
                address: name.address, symbol: printable(Demangler.name(name.symbol) ?? name.symbol),
                offset: name.offset,
                frames: isSymbol
                    ? []
                    : frames.map { printable((Demangler.name($0.function) ?? $0.function) + $0.place) })
        }
        return names
    }

    /// The place of link address `address` in DWARF: in an object file, which has no addresses yet, within a section.
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

    /// A mangled function name, and " at " with the line; empty if unknown.
    struct Frame {
        let function: String, place: String
    }

    /// The frames at each of `places` in the file at `path`; empty if no tool is installed, or the tools find nothing.
    static func of(_ places: [Place], in path: String) async -> [Place: [Frame]] {
        var found: [Place: [Frame]] = [:]
        for section in Set(places.map(\.section)) {
            let addresses = places.filter { $0.section == section }.map(\.address)
            // Of an object file's sections only GNU's tool can be asked by name.
            let tools =
                section == nil
                ? [
                    ("llvm-symbolizer", ["--output-style=GNU", "--no-demangle"]), ("llvm-addr2line", []),
                    ("addr2line", []),
                ]
                : [("addr2line", ["-j", section ?? ""])]
            for (name, options) in tools {
                guard let program = InstalledProgram.find(name),
                    let text = await InstalledProgram.output(
                        program, options + ["-a", "-i", "-f", "-e", path] + addresses.map { hex($0) })
                else { continue }
                for (address, frames) in parse(text) { found[Place(section: section, address: address)] = frames }
                break
            }
        }
        return found
    }

    /// An address, then a line for each function and one for its place.
    private static func parse(_ text: String) -> [UInt64: [Frame]] {
        var result: [UInt64: [Frame]] = [:]
        var address: UInt64?
        var function: Substring?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if function == nil, line.hasPrefix("0x"), let value = UInt64(line.dropFirst(2), radix: 16) {
                address = value
            } else if function == nil {
                function = line
            } else if let name = function {
                function = nil
                // `crash.c:?` and `crash.c:0` name the symbol's source file, not a line.
                let hasLine = !line.hasPrefix("??") && !line.hasSuffix(":?") && !line.hasSuffix(":0") && !line.isEmpty
                let place = hasLine ? " at " + line.replacing(/\ \(discriminator [0-9]+\)$/, with: "") : ""
                guard let address, name != "??" || hasLine else { continue }
                result[address, default: []].append(Frame(function: name == "??" ? "" : String(name), place: place))
            }
        }
        return result
    }
}

/// Programs that are installed.
enum InstalledProgram {
    /// The path of the program with the name `name`, from PATH; nil if it is not there.
    static func find(_ name: String) -> String? {
        if name.contains("/") { return isExecutable(name) ? name : nil }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(name)" }.first(where: isExecutable)
    }

    /// Whether `path` is a file that may be executed; folders have that permission as well.
    private static func isExecutable(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return unsafe access(path, X_OK) == 0
    }

    /// The standard output of the program at `path`; nil if it fails.
    static func output(_ path: String, _ arguments: [String]) async -> String? {
        let result = try? await Subprocess.run(
            .path(FilePath(path)), arguments: Arguments(arguments), output: .string(limit: 1 << 26), error: .discarded)
        guard let result, result.terminationStatus.isSuccess else { return nil }
        return result.standardOutput
    }
}
