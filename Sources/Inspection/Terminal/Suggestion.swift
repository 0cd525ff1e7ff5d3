// Suggestions for mistyped words.

extension String {
    /// The one of `words` with the smallest distance to this string; nil if even that is more than a third of its letters, or more than
    /// three.
    func mostSimilar(of words: [String]) -> String? {
        let typed = lowercased()
        let distances = words.map { (word: $0, distance: typed.distance(to: $0.lowercased())) }
        guard let best = distances.min(by: { $0.distance < $1.distance }),
            best.distance <= min(3, best.word.count / 3)
        else { return nil }
        return best.word
    }

    /// The number of letters that must be inserted, removed, replaced or exchanged with their neighbours to turn this string into
    /// `other` (the optimal string alignment distance).
    func distance(to other: String) -> Int {
        let (from, to) = (Array(self), Array(other))
        var rows = [Array(0...to.count)]
        for row in 0..<from.count {
            var next = [row + 1]
            for column in 0..<to.count {
                var least = min(rows[row][column + 1], next[column]) + 1
                least = min(least, rows[row][column] + (from[row] == to[column] ? 0 : 1))
                if row > 0, column > 0, from[row] == to[column - 1], from[row - 1] == to[column] {
                    least = min(least, rows[row - 1][column - 1] + 1)
                }
                next.append(least)
            }
            rows.append(next)
        }
        return rows[from.count][to.count]
    }
}
