// Where a view is written to, and for which file.

/// The target of a view.
struct ViewTarget {
    let output: Output
    let file: String
    let json: Bool
    /// The owner of the file's bytes, if the view may read many of them.
    var input: InputFile?
    /// Whether the file is one of several, so that its name stands above the text.
    var isTitled = false

    /// A listing for view `name`.
    func listing(_ name: String, _ columns: [Column], facts: [(key: String, json: String)] = []) -> Listing {
        if isTitled, !json { output.title(file) }
        return Listing(name, of: file, input, columns, to: output, json: json, facts: facts)
    }
}
