// readelf as the witness: what it lists of the system's own files, our views list too, number by number.

import Foundation
import Testing

@Suite struct ReadelfTests {
    /// Programs and libraries of the system, small ones first; none where readelf is missing.
    static let files: [String] = {
        let folders = ["/usr/bin", "/usr/lib/x86_64-linux-gnu"]
        var found: [(size: Int, path: String)] = []
        for folder in folders {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                let path = "\(folder)/\(name)"
                guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
                    attributes[.type] as? FileAttributeType == .typeRegular, let size = attributes[.size] as? Int,
                    let magic = FileHandle(forReadingAtPath: path)?.readData(ofLength: 20), magic.count == 20,
                    magic.prefix(6) == Data([0x7f, 0x45, 0x4c, 0x46, 2, 1]), magic[18] == 62
                else { continue }
                found.append((size, path))
            }
        }
        let limit = ProcessInfo.processInfo.environment["READELF_FILES"].flatMap { Int($0) } ?? 40
        return found.sorted { ($0.size, $0.path) < ($1.size, $1.path) }.prefix(limit).map(\.path)
    }()

    @Test func segments() async throws {
        try await compare("segments", ["-lW"]) { line in
            let words = line.split(separator: " ").map { String($0) }
            guard words.count >= 8, words[1].hasPrefix("0x"), words[2].hasPrefix("0x") else { return nil }
            let flags = words[6..<words.count - 1].joined()
            return [
                words[0], number(words[1]), number(words[2]), number(words[4]), number(words[5]), flags.lowercased(),
            ]
        } ours: { row in
            let flags = (row["flags"] as? String ?? "").replacing("-", with: "").replacing("x", with: "e")
            return ["type", "offset", "address", "fileSize", "memorySize"].map { row[$0] as? String ?? "" } + [flags]
        }
    }

    @Test func sections() async throws {
        try await compare("sections", ["-SW"]) { line in
            guard
                let match = line.firstMatch(
                    of: #/^ *\[ *([0-9]+)\] (.*?) +([A-Z0-9_]+) +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) /#)
            else { return nil }
            return [String(match.1), String(match.3)] + [match.4, match.5, match.6].map { number(String($0)) }
        } ours: { row in
            let index = (row["index"] as? Int).map { "\($0)" } ?? ""
            return [index] + ["type", "address", "offset", "size"].map { row[$0] as? String ?? "" }
        }
    }

    @Test func symbols() async throws {
        try await compare("symbols", ["-sW"]) { line in
            // readelf knows STB_GNU_UNIQUE only where EI_OSABI says GNU.
            let line = line.replacing("<OS specific>: 10", with: "UNIQUE")
            guard
                let match = line.firstMatch(
                    of: /^ *([0-9]+): ([0-9a-f]{16}) +([0-9a-fx]+) ([A-Z]+) +([A-Z]+) +([A-Z]+) +([0-9A-Z]+)/)
            else { return nil }
            let size =
                match.3.hasPrefix("0x") ? Int(match.3.dropFirst(2), radix: 16).map { "\($0)" } ?? "" : String(match.3)
            return [String(match.1), number(String(match.2)), size]
                + [match.4, match.5, match.6, match.7].map { String($0) }
        } ours: { row in
            let counts = ["index", "size"].map { (row[$0] as? Int).map { "\($0)" } ?? "" }
            return [counts[0], row["value"] as? String ?? "", counts[1]]
                + ["type", "binding", "visibility", "section"].map { row[$0] as? String ?? "" }
        }
    }

    @Test func relocations() async throws {
        try await compare("relocations", ["-rW"]) { line in
            guard let match = line.firstMatch(of: /^([0-9a-f]{16}) +[0-9a-f]{16} R_X86_64_([A-Z0-9_]+)/) else {
                return nil
            }
            return [number(String(match.1)), String(match.2)]
        } ours: { row in
            // readelf counts the words of DT_RELR elsewhere.
            row["table"] as? String == "RELR" ? nil : [row["place"] as? String ?? "", row["name"] as? String ?? ""]
        }
    }

    private func number(_ text: String) -> String {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : Substring(text)
        return "0x" + (UInt64(digits, radix: 16).map { String($0, radix: 16) } ?? text)
    }

    /// Compares `view` of all files with what readelf says with `options`, both made into rows of words.
    private func compare(
        _ view: String, _ options: [String], theirs: (Substring) -> [String]?, ours: ([String: Any]) -> [String]?
    ) async throws {
        var rows = 0
        for file in Self.files {
            // Object files' relocations are not listed.
            if view == "relocations", file.hasSuffix(".o") || file.hasSuffix(".a") { continue }
            guard let listing = await Tool.other("env", ["LC_ALL=C", "readelf"] + options + [file]) else { continue }
            let expected = listing.split(separator: "\n").compactMap(theirs)
            let run = try await Tool.run([view, "--json", file])
            let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
            let found = (document?["rows"] as? [[String: Any]] ?? []).compactMap(ours)
            #expect(
                found.sorted { $0.joined() < $1.joined() } == expected.sorted { $0.joined() < $1.joined() },
                "\(view) of \(file)")
            rows += found.count
        }
        print("\(view): \(rows) rows of \(Self.files.count) files as readelf lists them")
    }
}
