// The picture's colours and patterns: each means one thing, and all are distinguishable with fewer colours, and without any.

/// The fill of an area: a colour on a light ground, one on a dark ground, and a pattern over it.
struct MapFill {
    /// Lines or dots over the colour.
    enum Pattern: String {
        case plain, rising, falling, upright, level, dots, crossed, grid

        /// The path of one tile, 8 pixels wide and high; empty for none.
        var path: String {
            switch self {
            case .plain: ""
            case .rising: "M-2 2l4-4M0 8l8-8M6 10l4-4"
            case .falling: "M-2 6l4 4M0 0l8 8M6-2l4 4"
            case .upright: "M4 0v8"
            case .level: "M0 4h8"
            case .dots: "M3 4h2"
            case .crossed: "M0 8l8-8M0 0l8 8"
            case .grid: "M4 0v8M0 4h8"
            }
        }
    }

    /// The class of the areas filled with it.
    let name: String
    let light: String, dark: String
    let pattern: Pattern
    /// Whether the pattern is dark on the light ground's colour, and light on the dark ground's.
    var isPale = false

    /// All fills. Those with the same pattern differ by a colour difference of at least 15 (CIE 1976), also for people with protanopia,
    /// deuteranopia or tritanopia, and in grey: the tests measure it.
    static let all = [
        MapFill(name: "header", light: "#4d5866", dark: "#566171", pattern: .plain),
        MapFill(name: "code", light: "#d4572a", dark: "#e0683a", pattern: .plain),
        MapFill(name: "data", light: "#e2b03a", dark: "#ecc158", pattern: .plain),
        MapFill(name: "image", light: "#12263f", dark: "#f0f3f6", pattern: .plain),
        MapFill(name: "free", light: "#eef1f4", dark: "#23292f", pattern: .plain),
        MapFill(name: "constants", light: "#3f8f61", dark: "#4fae78", pattern: .rising),
        MapFill(name: "firmware", light: "#b4bcc6", dark: "#4a535d", pattern: .rising, isPale: true),
        MapFill(name: "threadLocal", light: "#7d4fb8", dark: "#a97fe0", pattern: .falling),
        MapFill(name: "kept", light: "#b4bcc6", dark: "#4a535d", pattern: .falling, isPale: true),
        MapFill(name: "library", light: "#3b78c4", dark: "#5a97e6", pattern: .upright),
        MapFill(name: "made", light: "#2b9bb3", dark: "#3bb6cf", pattern: .level),
        MapFill(name: "zero", light: "#d5dbe1", dark: "#3d4650", pattern: .dots, isPale: true),
        MapFill(name: "loader", light: "#8f3a1c", dark: "#c96a48", pattern: .dots),
        MapFill(name: "module", light: "#c08a12", dark: "#d8a31a", pattern: .crossed),
        MapFill(name: "fileOnly", light: "#ccd3da", dark: "#4a535d", pattern: .crossed, isPale: true),
        MapFill(name: "stack", light: "#1f7f94", dark: "#2b9bb3", pattern: .grid),
    ]

    /// The rules for all fills, below the class `scope`.
    static func rules(_ scope: String) -> String {
        var lines = [
            ".\(scope) .ink{fill:none;stroke:#fff;stroke-width:1.2;stroke-opacity:.75}",
            ".\(scope) .pale{stroke:#1b1f24;stroke-opacity:.45}",
        ]
        for fill in all {
            if fill.pattern == .plain {
                lines.append(".\(scope) .\(fill.name){fill:\(fill.light)}")
            } else {
                lines.append(".\(scope) .\(fill.name){fill:url(#\(scope)-\(fill.name))}")
                lines.append(".\(scope) .ground-\(fill.name){fill:\(fill.light)}")
            }
        }
        lines.append(
            "@media screen and (prefers-color-scheme:dark){.\(scope) .ink{stroke:#16191d}.\(scope) .pale{stroke:#e6e9ed}"
        )
        for fill in all {
            lines.append(".\(scope) .\(fill.pattern == .plain ? "" : "ground-")\(fill.name){fill:\(fill.dark)}")
        }
        return lines.joined(separator: "\n") + "}"
    }

    /// The definitions of the patterns, for the drawing of class `scope`.
    static func definitions(_ scope: String) -> String {
        let patterns = all.filter { $0.pattern != .plain }.map { fill in
            "<pattern id=\"\(scope)-\(fill.name)\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">"
                + "<rect class=\"ground-\(fill.name)\" width=\"8\" height=\"8\"/>"
                + "<path class=\"ink\(fill.isPale ? " pale" : "")\" d=\"\(fill.pattern.path)\"/></pattern>"
        }
        return "<defs>\n" + patterns.joined(separator: "\n") + "\n</defs>"
    }
}

extension PartKind {
    /// The name of its fill.
    var fill: String { rawValue }
}

extension Owner {
    /// The name of its fill: all that the loader makes looks the same.
    var fill: String { self == .handoff ? PartKind.made.fill : rawValue }
}
