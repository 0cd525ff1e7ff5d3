// Functions and lines of the source, by the programs that read DWARF.

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
