// The picture as SVG: self-contained, for light and dark ground, and for paper.

import Memory

/// Draws a picture as SVG, or as an HTML page around it. Lengths are in CSS pixels.
struct MapSVG {
    private let picture: MapPicture
    private var body: [String] = []
    private var height = 0.0
    private static let width = 1000.0
    /// Where the columns of file, memory and relocated words begin, and how wide they are.
    private static let (file, memory, words) = (
        (x: 250.0, width: 90.0), (x: 370.0, width: 90.0), (x: 466.0, width: 60.0)
    )
    /// The least height of anything that has a label.
    private static let line = 18.0

    /// The drawing of `picture`.
    init(_ picture: MapPicture) {
        self.picture = picture
        var top = 36.0
        text(24, top, picture.title(70), "title")
        for fact in picture.facts {
            top += 20
            text(24, top, MapPicture.clipped(fact, 130), "dim")
        }
        top = drawImage(top + 40)
        top = drawGuest(top + 50)
        height = top + 16
    }

    /// A file of its own.
    var document: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(MapSVG.number(MapSVG.width)) \(MapSVG.number(height))" \
        width="\(MapSVG.number(MapSVG.width))" height="\(MapSVG.number(height))" role="img">
        <title>\(MapSVG.escaped(picture.name))</title>
        <style>\(MapSVG.style)</style>
        <rect class="ground" width="100%" height="100%"/>
        \(body.joined(separator: "\n"))
        </svg>

        """
    }

    /// A page that shows it.
    var page: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark">
        <title>\(MapSVG.escaped(picture.name))</title>
        <style>html{background:#fff}body{margin:0}svg{display:block;margin:auto;max-width:100%;height:auto}
        @media screen and (prefers-color-scheme:dark){html{background:#16191d}}</style>
        </head>
        <body>
        \(document)</body>
        </html>

        """
    }

    // MARK: File and image

    private mutating func drawImage(_ start: Double) -> Double {
        let rows = MapRows.rows(picture.image, limit: 120)
        let unit = MapPicture.scale(rows.reduce(0) { $0 + $1.size }, budget: 400)
        var top = start
        text(24, top, "File and image", "heading")
        text(MapSVG.file.x + 45, top, "file", "head middle")
        text(MapSVG.memory.x + 45, top, "memory", "head middle")
        if !picture.image.relocated.isEmpty { text(MapSVG.words.x, top, "relocated", "head") }
        top += 12
        var segment: Int?
        var segmentTop = top
        for row in rows {
            guard let part = row.part else {
                if let gap = row.gap {
                    breakMark(MapSVG.memory.x, top, MapSVG.memory.width)
                    text(540, top + 13, hex(gap.start), "mono dim")
                    text(660, top + 13, "\(MapPicture.human(gap.size)) of nothing", "dim")
                    top += MapSVG.line
                }
                continue
            }
            let own = row.isInMemory ? part.segment : nil
            if own != segment {
                bracket(segment, segmentTop, top)
                (segment, segmentTop) = (own, top)
            }
            let size = MapSVG.line + Double(part.size / unit)
            draw(part, row, top, size)
            top += size
        }
        bracket(segment, segmentTop, top)
        top += 24
        let used = PartKind.allCases.filter { kind in rows.contains { $0.part?.kind == kind } }
        top = legend(used.map { ($0.rawValue, $0.title) }, top)
        text(
            24, top,
            "A part is 18 pixels high, and one more for each \(MapPicture.human(unit)). Zigzags stand for gaps. "
                + "Brackets are PT_LOAD segments.", "dim")
        return top
    }

    private mutating func draw(_ part: Part, _ row: MapRow, _ top: Double, _ size: Double) {
        let hint = "\(part.name): \(part.size) bytes, \(part.kind.title)"
        if row.isInFile, let range = part.file {
            box(MapSVG.file.x, top, MapSVG.file.width, size, part.kind.rawValue, hint)
            text(MapSVG.file.x - 8, top + 13, hex(range.start), "mono end dim")
        }
        if row.isInFile, row.isInMemory {
            let (left, right) = (MapSVG.file.x + MapSVG.file.width, MapSVG.memory.x)
            box(left, top, right - left, size, part.kind.rawValue + " band", nil)
        }
        if row.isInMemory, let range = part.memory {
            box(MapSVG.memory.x, top, MapSVG.memory.width, size, part.kind.rawValue, hint)
            text(540, top + 13, hex(range.start), "mono dim")
            drawWords(range, top, size)
        }
        text(660, top + 13, MapPicture.clipped(part.name, 30))
        text(976, top + 13, MapPicture.human(part.size), "mono end dim")
    }

    /// A strip whose width at each height is the share of relocated words there.
    private mutating func drawWords(_ range: AddressRange, _ top: Double, _ size: Double) {
        guard picture.image.relocations(in: range) > 0 else { return }
        let cells = picture.density(range, cells: max(1, Int(size / 3)))
        let step = size / Double(cells.count)
        for (index, share) in cells.enumerated() where share > 0 {
            // What there is must be seen.
            let width = max(2, share * MapSVG.words.width)
            body.append(
                "<rect class=\"words\" x=\"\(MapSVG.number(MapSVG.words.x))\" "
                    + "y=\"\(MapSVG.number(top + Double(index) * step))\" width=\"\(MapSVG.number(width))\" "
                    + "height=\"\(MapSVG.number(max(step - 0.5, 0.5)))\"/>")
        }
    }

    private mutating func bracket(_ segment: Int?, _ top: Double, _ bottom: Double) {
        guard let segment, bottom > top else { return }
        let x = 160.0
        body.append(
            "<path class=\"line\" d=\"M\(MapSVG.number(x)) \(MapSVG.number(top + 2))h-6V\(MapSVG.number(bottom - 2))h6\"/>"
        )
        text(x - 12, (top + bottom) / 2 + 4, "segment \(segment)", "end dim")
    }

    // MARK: The guest's memory

    private mutating func drawGuest(_ start: Double) -> Double {
        let guest = picture.guest
        var top = start
        text(24, top, "The guest’s memory", "heading")
        top += 30
        text(24, top, "to scale", "dim")
        let (left, whole) = (100.0, 876.0)
        // What is used comes last, so that it is not painted over, and has no edge, which would be all of it.
        for range in guest.ranges.filter({ !$0.isUsed }) + guest.ranges.filter(\.isUsed) {
            let scale = whole / Double(max(guest.top, 1))
            let width = Double(range.range.size) * scale
            box(
                left + Double(range.range.start) * scale, top - 14, max(width, range.isUsed ? 2 : 0), 20,
                range.owner.rawValue + (range.isUsed ? " thin" : ""),
                "\(range.name): \(rangeText(range.range))")
        }
        top += 22
        text(left, top, "0x0", "mono dim")
        text(left + whole, top, hex(guest.top), "mono end dim")
        top += 18
        let used = guest.ranges.filter(\.isUsed).reduce(0) { $0 + $1.range.size }
        let unit = MapPicture.scale(used, budget: 200)
        for range in guest.ranges {
            let size = MapSVG.line + (range.isUsed ? Double(range.range.size / unit) : 0)
            text(MapSVG.file.x - 8, top + 13, hex(range.range.start), "mono end dim")
            if range.isUsed || range.owner == .firmware {
                box(MapSVG.file.x, top, 210, size, range.owner.rawValue, "\(range.range.size) bytes")
            } else {
                breakMark(MapSVG.file.x, top, 210)
            }
            text(480, top + 13, range.name, range.isUsed ? "" : "dim")
            text(976, top + 13, MapPicture.human(range.range.size), "mono end dim")
            top += size
        }
        text(MapSVG.file.x - 8, top + 13, hex(guest.top), "mono end dim")
        top += 40
        let owners = Owner.allCases.filter { owner in guest.ranges.contains { $0.owner == owner } }
        top = legend(owners.map { ($0.rawValue, $0.title) }, top)
        text(
            24, top,
            "Below, a range is 18 pixels high; what is used, one more for each \(MapPicture.human(unit)). "
                + "Zigzags stand for RAM that is free, or none.", "dim")
        return top
    }

    // MARK: Shapes

    private mutating func legend(_ entries: [(String, String)], _ start: Double) -> Double {
        var (x, top) = (24.0, start)
        for (kind, title) in entries {
            let width = 34 + Double(title.count) * 7.5
            if x + width > MapSVG.width - 24 { (x, top) = (24, top + 22) }
            box(x, top - 11, 14, 14, kind, nil)
            text(x + 20, top, title)
            x += width
        }
        return top + 26
    }

    private mutating func box(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ kind: String, _ hint: String?
    ) {
        let shape =
            "<rect class=\"box \(kind)\" x=\"\(MapSVG.number(x))\" y=\"\(MapSVG.number(y))\" "
            + "width=\"\(MapSVG.number(width))\" height=\"\(MapSVG.number(height))\""
        body.append(hint.map { shape + "><title>\(MapSVG.escaped($0))</title></rect>" } ?? shape + "/>")
    }

    private mutating func breakMark(_ x: Double, _ y: Double, _ width: Double) {
        var path = "M\(MapSVG.number(x)) \(MapSVG.number(y + 9))"
        let teeth = Int(width / 10)
        for tooth in 0..<teeth { path += "l5 \(tooth % 2 == 0 ? -4 : 4)l5 \(tooth % 2 == 0 ? 4 : -4)" }
        body.append("<path class=\"line\" d=\"\(path)\"/>")
    }

    private mutating func text(_ x: Double, _ y: Double, _ text: String, _ kind: String = "") {
        let kind = kind.isEmpty ? "" : " class=\"\(kind)\""
        body.append("<text x=\"\(MapSVG.number(x))\" y=\"\(MapSVG.number(y))\"\(kind)>\(MapSVG.escaped(text))</text>")
    }

    /// One decimal at the most, the same on every machine.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }

    /// `text` for XML; it must be printable.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    private static let style = """
        svg{font:13px system-ui,sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
        .ground{fill:#fff}text{fill:#1b1f24}.title{font-size:22px;font-weight:600}
        .heading{font-size:16px;font-weight:600}.head{font-weight:600}.dim{fill:#5b6470}
        .mono{font-family:ui-monospace,monospace;font-size:12px}.end{text-anchor:end}.middle{text-anchor:middle}
        .line{fill:none;stroke:#5b6470;stroke-width:1.2}.box{stroke:#fff;stroke-width:1}
        .words{fill:#b4235c}
        .header{fill:#7d8896}.code{fill:#d9653b}.constants{fill:#4a9e6b}.data{fill:#d8a31a}.threadLocal{fill:#8f63c7}
        .zero{fill:#c9d0d8}.library{fill:#3b78c4}.made{fill:#2b9bb3}.fileOnly{fill:#aab3be}
        .image{fill:#4a9e6b}.handoff{fill:#2b9bb3}.stack{fill:#8f63c7}.module{fill:#d8a31a}.loader{fill:#d9653b}
        .firmware{fill:#aab3be}.kept{fill:#7d8896}.free{fill:#e6eaee}.nothing{fill:none;stroke:#5b6470}
        @media screen and (prefers-color-scheme:dark){.ground{fill:#16191d}text{fill:#e6e9ed}.dim{fill:#9aa5b1}
        .box{stroke:#16191d}.line,.nothing{stroke:#9aa5b1}.words{fill:#ff7aa8}
        .zero{fill:#3d4650}.fileOnly{fill:#59636f}.firmware{fill:#59636f}.free{fill:#272d34}}
        .band{opacity:.25;stroke:none}.thin{stroke:none}
        """
}
