// The budget: what a boot may cost, and how large the loader may be, before a test fails.

import ArgumentParser
import Foundation

/// The lines of budget.txt: `application memory phase instructions`, where phase may be `total`, or `growth` for the
/// difference to the total at 1G; and `loader - text bytes`.
struct Budget {
    private struct Line {
        let text: Substring
        let application: String
        let memory: String
        let phase: String
        let limit: Int
    }

    private var lines: [Line] = []

    init(_ text: String) throws {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count == 4, let limit = Int(fields[3]) else {
                throw ValidationError("not a budget line: \(line)")
            }
            lines.append(
                Line(text: line, application: fields[0], memory: fields[1], phase: fields[2], limit: limit))
        }
    }

    /// Fails where something that was measured exceeds its line by over 5 %, a growth by over 100 instructions besides. Says
    /// which applications were not measured.
    func check(_ results: Results) throws {
        var checked = 0
        var exceeded: [String] = []
        var absent: Set<String> = []
        for line in lines {
            guard let value = value(line, results) else {
                absent.insert("\(line.application) with \(line.memory)")
                continue
            }
            checked += 1
            let tolerance = line.limit / 20 + (line.phase == "growth" ? 100 : 0)
            if value > line.limit + tolerance { exceeded.append("\(line.text): \(value)") }
        }
        for name in absent.sorted() { print("not measured: \(name)") }
        print("\(checked) budgets checked, \(exceeded.count) exceeded")
        exceeded.forEach { print("exceeded: \($0)") }
        // A budget that names nothing that was measured guards nothing.
        if checked == 0 || !exceeded.isEmpty { throw ExitCode.failure }
    }

    private func value(_ line: Line, _ results: Results) -> Int? {
        if line.application == "loader" { return results.loader?.text }
        let boot = { (memory: String) in
            results.boot?.first { $0.application == line.application && $0.memory == memory }
        }
        guard let figures = boot(line.memory) else { return nil }
        switch line.phase {
        case "total": return figures.instructions
        case "growth": return boot("1G").map { figures.instructions - $0.instructions }
        default: return figures.phases?[line.phase.replacingOccurrences(of: "-", with: " ")] ?? 0
        }
    }
}
