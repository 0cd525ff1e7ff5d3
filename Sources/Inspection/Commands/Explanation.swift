// The meaning of a status, an error or a relocation type of ours.

import Architecture
import Diagnostics
import Linking

/// Explanations of numbers and names.
enum Explanation {
    /// Every rule.
    static var rules: [Rule] { (0...UInt8.max).compactMap { Rule(rawValue: $0) } }

    /// The classes of trouble, in the order of their status.
    static var kinds: [Rule.Kind] { (0...UInt8.max).compactMap { Rule.Kind(rawValue: $0) } }

    /// Explains a status of QEMU or of this program, a rule's name, part of an error's sentence, or a relocation type's name or number;
    /// empty if it is unknown.
    static func of(_ line: String) -> [String] {
        // A whole line of the loader's is as good as its sentence.
        let subject = (line.split(separator: "error: ", maxSplits: 1).last.map { String($0) } ?? line)
            .trimmed
        // Every sentence has an empty text in it.
        guard !subject.isEmpty else { return [] }
        var lines: [String] = []
        if let number = number(subject) {
            lines += status(number)
            if let type = UInt32(exactly: number) { lines += relocation(type) }
        }
        let name = subject.uppercased().replacing("R_X86_64_", with: "")
        for type in 0...RelocationType.lastNumber where RelocationType(type)?.name.string == name {
            // A number was found above already.
            if number(subject) != Int(type) { lines += relocation(type) }
        }
        for rule in rules where "\(rule)".lowercased() == subject.lowercased() { lines += explain(rule) }
        for rule in HostRule.allCases where rule.rawValue.lowercased() == subject.lowercased() {
            lines += ["error \(rule): \(rule.meaning)", "  loader-inspect status 1; the loader does not know it"]
        }
        if lines.isEmpty {
            let words = subject.lowercased()
            for rule in rules where matches(rule, words) { lines += explain(rule) }
        }
        return lines
    }

    /// Every name that can be explained.
    static var names: [String] {
        rules.map { "\($0)" } + HostRule.allCases.map(\.rawValue)
            + (0...RelocationType.lastNumber).compactMap { RelocationType($0)?.name.string }
    }

    /// Everything that can be explained, one line each.
    static func everything() -> [String] {
        var lines = [
            "QEMU's exit status, with isa-debug-exit at \(hex(UInt64(IOPort.debugExit))):",
            "  3  the application ended with success",
        ]
        for kind in kinds { lines.append("  \(kind.status)  \(kind.meaning.string)") }
        lines.append("Errors, by name:")
        for rule in rules { lines.append("  \(rule) (status \(rule.kind.status))") }
        return lines
    }

    private static func number(_ text: String) -> Int? {
        text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    }

    private static func status(_ number: Int) -> [String] {
        let own: [Int: String] = [
            0: "every file boots", 1: "a file will not boot", 2: "a file is malformed",
            64: "the command line is wrong, or a file cannot be read", 74: "the output cannot be written",
            124: "boot: the time limit has passed", 125: "boot: QEMU could not be started, or failed",
        ]
        let signal = (129...192).contains(number) ? "QEMU was ended by signal \(number - 128)" : nil
        return (own[number].map { ["loader-inspect status \(number): \($0)"] } ?? [])
            + (signal.map { ["loader-inspect boot status \(number): \($0)"] } ?? []) + ofQEMU(number)
    }

    /// The meaning of QEMU's exit status `number`; empty if it has none.
    static func ofQEMU(_ number: Int) -> [String] {
        switch number {
        case 0:
            return [
                "QEMU status 0: nothing was written to isa-debug-exit: QEMU was asked to quit, or the guest powered off or was "
                    + "reset, for instance by a triple fault"
            ]
        case 1: return ["QEMU status 1: the application failed, or QEMU did"]
        case 3: return ["QEMU status 3: the application ended with success"]
        default: break
        }
        var lines: [String] = []
        for kind in kinds where Int(kind.status) == number {
            lines.append("QEMU status \(number): \(kind.meaning.string)")
            lines.append(
                "  the loader wrote \(hex(UInt64(kind.rawValue))) to isa-debug-exit's port \(hex(UInt64(IOPort.debugExit))), and QEMU ends with twice that "
                    + "plus one")
            lines.append("  one of these errors is in the line that begins with [LOADER] error:")
            for rule in rules where rule.kind == kind { lines.append("    \(rule): \(sentence(rule))") }
        }
        return lines
    }

    /// The meaning of the letters of formulas.
    private static let letters: [String: String] = [
        "S": "symbol value", "A": "addend", "P": "place", "B": "load bias", "Z": "symbol size",
        "G": "offset of the symbol's GOT slot", "GOT": "address of the global offset table",
        "L": "address of the function", "TP": "thread pointer",
    ]

    private static func relocation(_ type: UInt32) -> [String] {
        guard let meaning = RelocationType(type) else { return [] }
        let size = meaning.field.size
        var lines = ["relocation type \(type): R_X86_64_\(meaning.name.string)"]
        let formula = meaning.formula.text.string
        let stored = size > 0 ? ", stored in " + counted(size, "byte") : ""
        lines.append("  value: \(formula)\(stored)")
        var terms: [String] = []
        for word in formula.split(whereSeparator: { (letter: Character) in !letter.isLetter }) {
            guard let meaning = letters[String(word)] else { continue }
            terms.append("\(word) \(meaning)")
        }
        if !terms.isEmpty { lines.append("  " + terms.joined(separator: ", ")) }
        if !meaning.occursInLinkedFiles {
            lines.append("  occurs in object files only: in a linked file it is an error")
        }
        return lines
    }

    private static func explain(_ rule: Rule) -> [String] {
        [
            "error \(rule): \(sentence(rule))", "  class: \(rule.kind) - \(rule.kind.meaning.string)",
            "  QEMU status \(rule.kind.status), loader-inspect status \(rule.kind == .malformed ? 2 : 1)",
            "  advice: \(rule.words.advice.string)",
        ]
    }

    /// The sentence with its blanks shown as such.
    private static func sentence(_ rule: Rule) -> String {
        var text = rule.words.sentence.string
        for mark in ["%v", "%d", "%l", "%m", "%a"] { text = text.replacing(mark, with: "N") }
        return text.replacing("%t", with: "TYPE").replacing("%n", with: "'NAME'")
    }

    private static func matches(_ rule: Rule, _ words: String) -> Bool {
        if sentence(rule).lowercased().contains(words) { return true }
        // Compared piece by piece, because a real sentence has numbers in place of the rule's blanks.
        let literal = rule.words.sentence.string.lowercased()
        var parts: [Substring] = []
        var rest = Substring(literal)
        while let percent = rest.firstIndex(of: "%") {
            parts.append(rest[..<percent])
            rest = rest[percent...].dropFirst(2)
        }
        parts.append(rest)
        var from = Substring(words)
        for part in parts where !part.isEmpty {
            guard let found = from.firstRange(of: part) else { return false }
            from = from[found.upperBound...]
        }
        return parts.contains { $0.count > 8 }
    }
}

extension String {
    /// The text without white space at its ends.
    fileprivate var trimmed: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }), let end = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[start...end])
    }
}
