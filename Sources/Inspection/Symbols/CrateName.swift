// The crates of Rust functions, by their mangled names.

/// The crate that a Rust function belongs to.
enum CrateName {
    /// The row for everything that rustc did not make.
    static let none = "(not Rust)"

    /// The crate of `symbol`: the first part of its path. For `<T as Trait>::function` it is T's crate, or the trait's if T has no path
    /// (`[u8]`).
    static func of(_ symbol: String) -> String {
        guard let name = Demangler.rustName(symbol) else { return none }
        var rest = Substring(name)
        while !rest.isEmpty {
            // The marks before a type: references, pointers, tuples, lifetimes.
            if let first = rest.first, !(first.isLetter || first == "_") {
                rest = first == "'" ? rest.drop { $0 != " " } : rest.dropFirst()
                continue
            }
            let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            let after = rest[word.endIndex...]
            if ["mut", "const", "dyn", "impl", "for", "as", "unsafe", "extern", "fn"].contains(String(word)) {
                rest = after
                continue
            }
            // v0 can write a crate's hash in brackets.
            if after.hasPrefix("::") || after.hasPrefix("[") && after.contains("]::") { return String(word) }
            rest = after
        }
        return "(no crate)"
    }
}
