// The matrix of generations and machines, and a small part of it that still meets every pair of values.

import Foundation
import Testing

/// One boot of a fixture kernel.
struct Cell: Hashable, CustomTestStringConvertible {
    /// The index of the value in each of `Matrix.dimensions`.
    var indices: [Int]

    private func value(_ dimension: Int) -> String { Matrix.dimensions[dimension][indices[dimension]] }
    var kernel: String { value(0) }
    var machine: String { value(1) }
    var start: Start { Start.allCases[indices[2]] }
    var memory: String { value(3) }
    var processors: String { value(4) }
    var cpu: String { value(5) }
    var place: String { value(6) }

    var testDescription: String { indices.indices.map(value).joined(separator: " ") }
}

enum Matrix {
    static let dimensions = [
        ["gen0", "gen1", "gen2", "gen3", "gen4-recursive", "gen4-identity"],
        ["pc", "q35", "microvm"],
        Start.allCases.map(\.rawValue),
        ["64M", "1G", "4G", "8G"],
        ["1", "4"],
        ["qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt", "Skylake-Client", "max"],
        ["pie", "4M", "8M", "16M"],
    ]

    /// Every combination.
    static let all: [Cell] = dimensions.reduce([[]]) { cells, values in
        cells.flatMap { cell in values.indices.map { cell + [$0] } }
    }.map(Cell.init)

    /// As few cells as a greedy search finds so that every pair of values of two dimensions is in at least one of them, and
    /// every generation on every machine by every protocol.
    static let part: [Cell] = {
        var missing = Set(all.flatMap(combinations))
        var chosen: [Cell] = []
        while !missing.isEmpty {
            var best = (cell: all[0], gain: 0)
            for cell in all {
                let gain = combinations(cell).count { missing.contains($0) }
                if gain > best.gain { best = (cell, gain) }
            }
            missing.subtract(combinations(best.cell))
            chosen.append(best.cell)
        }
        return chosen
    }()

    /// The pairs that a cell meets, and its generation, machine and protocol, each as one number.
    private static func combinations(_ cell: Cell) -> [Int] {
        let values = cell.indices.enumerated().map { $0 * 8 + $1 + 1 }
        var numbers = [values[0] << 16 | values[1] << 8 | values[2]]
        for first in values.indices {
            for second in values.indices where second > first {
                numbers.append(values[first] << 8 | values[second])
            }
        }
        return numbers
    }
}

/// Counts cells, by generation and place, and by machine and protocol.
struct MatrixTable {
    private var passed: [String: Int] = [:]
    private var all: [String: Int] = [:]

    mutating func add(_ cell: Cell, passed: Bool) {
        let key = MatrixTable.key(cell.kernel, cell.machine, cell.start)
        all[key, default: 0] += 1
        self.passed[key, default: 0] += passed ? 1 : 0
    }

    private static func key(_ kernel: String, _ machine: String, _ start: Start) -> String {
        "\(kernel) \(machine) \(start)"
    }

    /// The table as Markdown: each field has the number of boots that passed.
    var markdown: String {
        let columns = Matrix.dimensions[1].flatMap { machine in Start.allCases.map { (machine, $0) } }
        var lines = [
            "| generation | " + columns.map { "\($0.0), \($0.1)" }.joined(separator: " | ") + " |",
            "|---|" + columns.map { _ in "---|" }.joined(),
        ]
        for kernel in Matrix.dimensions[0] {
            let fields = columns.map { machine, start in
                let key = MatrixTable.key(kernel, machine, start)
                return "\(passed[key, default: 0]) of \(all[key, default: 0])"
            }
            let name = kernel.dropFirst(3).replacingOccurrences(of: "-", with: ", ")
            lines.append("| \(name) | " + fields.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
