// A rule's words, by the kind of trouble.

package import Diagnostics

/// What a broken rule says.
package struct RuleWords {
    /// What kind of trouble it is.
    package let kind: Rule.Kind
    /// The sentence.
    package let sentence: String
    /// What the user can do.
    package let advice: String

    private init(_ kind: Rule.Kind, _ sentence: String, _ advice: String) {
        self.kind = kind
        self.sentence = sentence
        self.advice = advice
    }

    static func noApplication(_ sentence: String, _ advice: String) -> Self { Self(.noApplication, sentence, advice) }
    static func malformed(_ sentence: String, _ advice: String = "the file is damaged") -> Self {
        Self(.malformed, sentence, advice)
    }
    static func wrongKind(_ sentence: String, _ advice: String) -> Self { Self(.wrongKind, sentence, advice) }
    static func entryContract(_ sentence: String, _ advice: String) -> Self { Self(.entryContract, sentence, advice) }
    static func relocation(_ sentence: String, _ advice: String = "the file is damaged") -> Self {
        Self(.relocation, sentence, advice)
    }
    static func placement(_ sentence: String, _ advice: String) -> Self { Self(.placement, sentence, advice) }
    static func platform(_ sentence: String, _ advice: String) -> Self { Self(.platform, sentence, advice) }
    static func exception(_ sentence: String, _ advice: String) -> Self { Self(.exception, sentence, advice) }
    static func options(_ sentence: String, _ advice: String) -> Self { Self(.options, sentence, advice) }
}
