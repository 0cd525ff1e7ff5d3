// docs/relocations.md: the table of relocation types, whose cells are results of the tests.

import Foundation

/// The table in docs/relocations.md.
public enum RelocationsDocument {
    /// The columns that tests fill.
    public enum Column: Int, Sendable {
        /// Name, field and formula, from the engine.
        case name = 2
        case field = 3
        case formula = 4
        /// ET_DYN and ET_EXEC.
        case linked = 5
        /// ET_REL.
        case object = 6
        /// An application with shared objects.
        case several = 7
    }

    private static let lock = NSLock()
    private static var file: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/relocations.md")
    }

    /// The rows whose cell in `column` differs from that of `cells`, which has one for every number: `number: the cell, not the
    /// other`. With REWRITE_GOLDEN in the environment the cells are written first.
    public static func differences(_ column: Column, _ cells: [String]) throws -> [String] {
        lock.lock()
        defer { lock.unlock() }
        var lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        let rows = lines.indices.filter { row(lines[$0]) != nil }
        if ProcessInfo.processInfo.environment["REWRITE_GOLDEN"] != nil {
            for index in rows {
                var parts = lines[index].components(separatedBy: "|")
                guard let number = row(lines[index]), number < cells.count else { continue }
                parts[column.rawValue] = " \(cells[number]) "
                lines[index] = parts.joined(separator: "|")
            }
            try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        }
        let found = rows.map { lines[$0].components(separatedBy: "|") }
        guard found.compactMap({ Int($0[1].trimmingCharacters(in: .whitespaces)) }) == Array(cells.indices) else {
            return ["the rows are not those of 0 to \(cells.count - 1)"]
        }
        return zip(found, cells).enumerated().compactMap { number, pair in
            let cell = pair.0[column.rawValue].trimmingCharacters(in: .whitespaces)
            return cell == pair.1 ? nil : "\(number): '\(cell)', not '\(pair.1)'"
        }
    }

    /// The number of the row in `line`, nil if it is none.
    private static func row(_ line: String) -> Int? {
        let parts = line.components(separatedBy: "|")
        return parts.count == 9 ? Int(parts[1].trimmingCharacters(in: .whitespaces)) : nil
    }
}
