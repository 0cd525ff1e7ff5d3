// The parts of two builds whose sizes differ.

/// The changes of parts of one kind.
struct SizeChanges: Encodable {
    /// How many bytes more, or fewer.
    struct Difference {
        let magnitude: UInt64
        let isGrowth: Bool

        /// The number with its sign; 0 has none.
        var signed: String { magnitude == 0 ? "0" : (isGrowth ? "+" : "-") + "\(magnitude)" }
    }

    /// A part that is larger, smaller, new (no old size) or gone (no new size).
    struct Change: Encodable {
        let name: String
        let old: UInt64?
        let new: UInt64?

        /// How many bytes more, or fewer.
        var difference: Difference {
            let (old, new) = (old ?? 0, new ?? 0)
            return Difference(magnitude: new >= old ? new - old : old - new, isGrowth: new >= old)
        }

        /// The change in a word.
        var word: String { old == nil ? "new" : new == nil ? "gone" : difference.isGrowth ? "grown" : "shrunk" }
    }

    /// How many parts have the same size as before.
    let unchanged: Int
    /// The others: the largest difference first, then by name.
    let changes: [Change]

    /// Compares two builds' parts.
    init(from old: PartSizes, to new: PartSizes) {
        var changes: [Change] = []
        var unchanged = 0
        for (name, size) in new.sizes {
            if old.sizes[name] == size {
                unchanged += 1
            } else {
                changes.append(Change(name: name, old: old.sizes[name], new: size))
            }
        }
        for (name, size) in old.sizes where new.sizes[name] == nil {
            changes.append(Change(name: name, old: size, new: nil))
        }
        self.unchanged = unchanged
        self.changes = changes.sorted { left, right in
            let (first, second) = (left.difference.magnitude, right.difference.magnitude)
            return first != second ? first > second : left.name < right.name
        }
    }
}
