// The layout of a drawing, for wide and for narrow screens.

/// The layout of a drawing. Lengths are in CSS pixels.
struct MapLayout {
    /// The class of the drawing, and the prefix of the names of its patterns.
    let name: String
    let width: Double
    let margin: Double
    /// The least height of anything that has a label; with two lines of label, the second below the first.
    let line: Double
    let hasTwoLines: Bool
    /// The positions and widths of the columns for file, memory and relocated words.
    let file: (x: Double, width: Double), memory: (x: Double, width: Double), words: (x: Double, width: Double)
    /// The position and the width of the column for the guest's memory.
    let guest: (x: Double, width: Double)
    /// The positions of addresses, of the names of parts, and of the names of ranges; the number of letters that a name has room for.
    let address: Double, partName: (x: Double, letters: Int), rangeName: Double

    static let wide = MapLayout(
        name: "wide", width: 1000, margin: 24, line: 18, hasTwoLines: false, file: (250, 90), memory: (370, 90),
        words: (466, 60), guest: (250, 210), address: 540, partName: (676, 32), rangeName: 480)
    static let narrow = MapLayout(
        name: "narrow", width: 400, margin: 10, line: 36, hasTwoLines: true, file: (74, 40), memory: (128, 40),
        words: (178, 20), guest: (84, 90), address: 204, partName: (204, 26), rangeName: 184)
}
