// Findings: things that look wrong in a file or a machine, even if it boots, with advice.

/// A finding in a file.
struct Finding: Encodable, Equatable {
    /// How bad it is.
    enum Severity: String, Encodable {
        case warning, note
    }
    let severity: Severity
    /// A short name, for scripts.
    let name: String
    /// The sentence.
    let sentence: String
    /// The advice.
    let advice: String

    init(_ severity: Severity, _ name: String, _ sentence: String, _ advice: String) {
        self.severity = severity
        self.name = name
        self.sentence = sentence
        self.advice = advice
    }
}
