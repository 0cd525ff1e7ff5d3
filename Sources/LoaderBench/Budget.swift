// The budget: the limits of a boot's cost and of the loader's size, past which `make test` fails.

import ArgumentParser
import Foundation

/// The lines of budget.txt: `application memory figure limit`, and `loader - stripped limit`.
struct Budget {
    /// The figures that can be limited.
    private enum Figure: String {
        /// The number of instructions of a boot, counting a repeated string instruction as one.
        case instructions
        /// The number of instructions more than in the same boot with 1 GiB.
        case growth
        /// The number of bytes that the loader prints.
        case serial
        /// The number of bytes of the loader's file without symbols.
        case stripped
    }

    private struct Line {
        let text: Substring
        let application: String
        let memory: String
        let figure: Figure
        let limit: Int
    }

    private var lines: [Line] = []

    init(_ text: String) throws {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count == 4, let figure = Figure(rawValue: fields[2]), let limit = Int(fields[3]) else {
                throw ValidationError("not a budget line: \(line)")
            }
            lines.append(
                Line(text: line, application: fields[0], memory: fields[1], figure: figure, limit: limit))
        }
    }

    /// Prints each line with the figure measured. Fails if a limit is exceeded. A line whose application was not booted is reported as
    /// skipped.
    func check(_ results: Results) throws {
        var checked = 0
        var exceeded = 0
        for line in lines {
            guard let value = value(line, results) else {
                print("skipped: \(line.text): \(line.application) was not booted with \(line.memory)")
                continue
            }
            checked += 1
            if value > line.limit { exceeded += 1 }
            print("\(value > line.limit ? "EXCEEDED" : "within"): \(line.text): \(value)")
        }
        // A budget without a measurement guards nothing.
        if checked == 0 || exceeded > 0 { throw ExitCode.failure }
    }

    private func value(_ line: Line, _ results: Results) -> Int? {
        let boot = { (memory: String) in
            results.boot?.first { $0.application == line.application && $0.memory == memory }
        }
        switch line.figure {
        case .stripped: return results.loader?.stripped
        case .instructions: return boot(line.memory)?.instructions
        case .serial: return boot(line.memory)?.serialBytes
        case .growth:
            guard let figures = boot(line.memory), let base = boot("1G") else { return nil }
            return figures.instructions - base.instructions
        }
    }
}
