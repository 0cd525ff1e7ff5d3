// The picture as SVG: self-contained, for a light or dark ground, and for paper.

import Glibc
import Memory

/// Draws a picture as SVG.
struct MapSVG {
    private let picture: MapPicture
    private let layout: MapLayout
    private var body: [String] = []
    private var height = 0.0

    /// The drawing of `picture`.
    init(_ picture: MapPicture, _ layout: MapLayout) {
        self.picture = picture
        self.layout = layout
        let letters = Int((layout.width - 2 * layout.margin) / 7.2)
        var top = 36.0
        text(layout.margin, top, picture.title(letters * 2 / 3), "title")
        for fact in picture.facts {
            top += 4
            top = paragraph(fact, top + 16, letters)
        }
        top = drawImage(top + 40)
        if !picture.functions.largest.isEmpty { top = drawFunctions(top + 36) }
        if let guest = picture.guest { top = drawGuest(guest, top + 40) }
        height = top + 16
    }

    /// The drawing as a complete file.
    var document: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" class="\(layout.name)" viewBox="0 0 \(MapSVG.number(layout.width)) \
        \(MapSVG.number(height))" width="\(MapSVG.number(layout.width))" height="\(MapSVG.number(height))" role="img">
        <title>\(MapSVG.escaped(picture.name))</title>
        <desc>\(MapSVG.escaped(picture.facts.joined(separator: ". ")))</desc>
        <style>\(MapSVG.style)
        \(MapFill.rules(layout.name))</style>
        \(MapFill.definitions(layout.name))
        <rect class="ground" width="100%" height="100%"/>
        \(body.joined(separator: "\n"))
        </svg>

        """
    }

    // MARK: File and image

    private mutating func drawImage(_ start: Double) -> Double {
        let rows = MapRows.rows(picture.image, limit: 120)
        let unit = MapPicture.scale(rows.reduce(0) { $0 + $1.size }, budget: 400)
        var top = start
        text(layout.margin, top, "File and image", "heading")
        let used = PartKind.allCases.filter { kind in rows.contains { $0.part?.kind == kind } }
        top = legend(used.map { ($0.fill, $0.title) }, top + 26)
        let brackets = layout.hasTwoLines ? "" : " Brackets are PT_LOAD segments."
        top = caption(
            "A part is \(MapSVG.number(layout.line)) pixels high, and one more for each \(MapPicture.human(unit)). Zigzags are "
                + "gaps.\(brackets)", top)
        top += 14
        text(layout.file.x + layout.file.width / 2, top, "file", "head middle")
        text(layout.memory.x + layout.memory.width / 2, top, "memory", "head middle")
        if !picture.image.relocated.isEmpty { text(layout.words.x, top, "relocated", "head") }
        top += 12
        var segment: Int?
        var (segmentTop, segmentBottom) = (top, top)
        for row in rows {
            guard let part = row.part else {
                if let gap = row.gap {
                    breakMark(layout.memory.x, top, layout.memory.width)
                    labels([hex(gap.start)], "\(MapPicture.human(gap.size)) of nothing", "", top, isDim: true)
                    top += layout.line
                }
                continue
            }
            let size = layout.line + Double(part.size / unit)
            // Parts that are only in the file may stand between parts of a segment, without belonging to it.
            if row.isInMemory {
                if part.segment != segment {
                    bracket(segment, segmentTop, segmentBottom)
                    (segment, segmentTop) = (part.segment, top)
                }
                segmentBottom = top + size
            }
            draw(part, row, top, size)
            top += size
        }
        bracket(segment, segmentTop, segmentBottom)
        return top
    }

    private mutating func draw(_ part: MapPart, _ row: MapRow, _ top: Double, _ size: Double) {
        body.append("<g><title>\(MapSVG.escaped(picture.description(of: part)))</title>")
        if row.isInFile, let range = part.file {
            box(layout.file.x, top, layout.file.width, size, part.kind.fill)
            text(layout.file.x - 8, top + 13, hex(range.start), "mono end dim")
        }
        if row.isInFile, row.isInMemory {
            let (left, right) = (layout.file.x + layout.file.width, layout.memory.x)
            box(left, top, right - left, size, part.kind.fill + " band")
        }
        if row.isInMemory, let range = part.memory {
            box(layout.memory.x, top, layout.memory.width, size, part.kind.fill)
            drawWords(range, top, size)
            if picture.isEntry(part), let entryPoint = picture.entryPoint {
                // A triangle at the place of the entry point in the part.
                let share = Double(entryPoint - range.start) / Double(max(range.size, 1))
                let (x, y) = (layout.memory.x + layout.memory.width, top + 5 + share * (size - 10))
                body.append("<path class=\"mark\" d=\"M\(MapSVG.number(x - 10)) \(MapSVG.number(y))l10-5v10z\"/>")
            }
        }
        let address = row.isInMemory ? part.memory.map { hex($0.start) } : nil
        var second = [address].compactMap { $0 }
        if layout.hasTwoLines, let segment = part.segment { second.append("segment \(segment)") }
        let entry = row.isInMemory && picture.isEntry(part) ? " entry point \(hex(picture.entryPoint ?? 0))" : ""
        labels(second, part.name, MapPicture.human(part.size), top, mark: entry)
        body.append("</g>")
    }

    /// Draws a name, a size, and details: side by side, or on two lines.
    private mutating func labels(
        _ details: [String], _ name: String, _ size: String, _ top: Double, mark: String = "", isDim: Bool = false
    ) {
        let dim = isDim ? "dim" : ""
        let clipped = MapPicture.clipped(name, layout.partName.letters)
        if layout.hasTwoLines {
            text(layout.partName.x, top + 13, clipped, dim)
            text(
                layout.partName.x, top + 28, (details + [size].filter { !$0.isEmpty }).joined(separator: " · "),
                "mono dim")
            if !mark.isEmpty { text(layout.width - layout.margin, top + 13, "entry", "end accent") }
        } else {
            if let first = details.first { text(layout.address, top + 13, first, "mono dim") }
            text(layout.partName.x, top + 13, clipped, dim)
            if !mark.isEmpty { text(layout.partName.x + Double(clipped.count) * 7.5 + 8, top + 13, mark, "accent") }
            if !size.isEmpty { text(layout.width - layout.margin, top + 13, size, "mono end dim") }
        }
    }

    /// Draws a strip whose width at each height is the share of relocated words there.
    private mutating func drawWords(_ range: AddressRange, _ top: Double, _ size: Double) {
        guard picture.image.relocations(in: range) > 0 else { return }
        let cells = picture.density(range, cells: max(1, Int(size / 3)))
        let step = size / Double(cells.count)
        for (index, share) in cells.enumerated() where share > 0 {
            // Even a few words must be visible.
            let width = max(2, share * layout.words.width)
            body.append(
                "<rect class=\"words\" x=\"\(MapSVG.number(layout.words.x))\" "
                    + "y=\"\(MapSVG.number(top + Double(index) * step))\" width=\"\(MapSVG.number(width))\" "
                    + "height=\"\(MapSVG.number(max(step - 0.5, 0.5)))\"/>")
        }
    }

    private mutating func bracket(_ segment: Int?, _ top: Double, _ bottom: Double) {
        guard let segment, bottom > top, !layout.hasTwoLines else { return }
        let x = 160.0
        body.append(
            "<path class=\"line\" d=\"M\(MapSVG.number(x)) \(MapSVG.number(top + 2))h-6V\(MapSVG.number(bottom - 2))h6\"/>"
        )
        let access = picture.image.access[segment].map { " \($0)" } ?? ""
        text(x - 12, (top + bottom) / 2 + 4, "segment \(segment)\(access)", "end dim")
    }

    // MARK: Functions

    private mutating func drawFunctions(_ start: Double) -> Double {
        let (largest, total) = (picture.functions.largest, picture.functions.total)
        var top = start
        text(layout.margin, top, "The largest functions", "heading")
        let share = largest.reduce(0 as UInt64) { $0.addingClamped($1.size) }
        top = caption(
            "\(MapPicture.human(share)) of the \(MapPicture.human(total)) that all functions have.", top + 22)
        let (x, room) = layout.hasTwoLines ? (layout.margin, layout.width - 2 * layout.margin) : (250.0, 280.0)
        let most = Double(max(largest.first?.size ?? 1, 1))
        for function in largest {
            let width = max(2, Double(function.size) / most * room)
            body.append("<g><title>\(MapSVG.escaped("\(function.name): \(counted(function.size, "byte"))"))</title>")
            let size = MapPicture.human(function.size)
            if layout.hasTwoLines {
                text(x, top + 12, MapPicture.clipped(function.name, 42))
                text(layout.width - layout.margin, top + 12, size, "mono end dim")
                box(x, top + 17, width, 8, PartKind.code.fill)
                top += 30
            } else {
                box(x, top, width, 14, PartKind.code.fill)
                text(x - 8, top + 12, size, "mono end dim")
                text(x + room + 10, top + 12, MapPicture.clipped(function.name, 60))
                top += 18
            }
            body.append("</g>")
        }
        return top
    }

    // MARK: The guest's memory

    private mutating func drawGuest(_ guest: GuestMap, _ start: Double) -> Double {
        let used = guest.ranges.filter(\.isUsed).reduce(0) { $0 + $1.range.size }
        let unit = MapPicture.scale(used, budget: 200)
        var top = start
        text(layout.margin, top, "The guest’s memory", "heading")
        let owners = Owner.allCases.filter { owner in guest.ranges.contains { $0.owner == owner } }
        top = legend(owners.map { ($0.fill, $0.title) }, top + 26)
        top = caption(
            "Once to scale, once by the logarithm of the address. Below, a range is \(MapSVG.number(layout.line)) pixels high, "
                + "and one more for each \(MapPicture.human(unit)) if it is used. Zigzags are free RAM, or addresses without RAM.",
            top)
        top = drawBars(guest, top + 10)
        for range in guest.ranges {
            let size = layout.line + (range.isUsed ? Double(range.range.size / unit) : 0)
            body.append(
                "<g><title>\(MapSVG.escaped("\(range.name): \(rangeText(range.range)), \(counted(range.range.size, "byte"))"))</title>"
            )
            text(layout.guest.x - 8, top + 13, hex(range.range.start), "mono end dim")
            if range.isUsed || range.owner == .firmware {
                box(layout.guest.x, top, layout.guest.width, size, range.owner.fill)
            } else {
                breakMark(layout.guest.x, top, layout.guest.width)
            }
            let room = layout.hasTwoLines ? 30 : 60
            text(layout.rangeName, top + 13, MapPicture.clipped(range.name, room), range.isUsed ? "" : "dim")
            if layout.hasTwoLines {
                text(layout.rangeName, top + 28, MapPicture.human(range.range.size), "mono dim")
            } else {
                text(layout.width - layout.margin, top + 13, MapPicture.human(range.range.size), "mono end dim")
            }
            body.append("</g>")
            top += size
        }
        text(layout.guest.x - 8, top + 13, hex(guest.top), "mono end dim")
        return top + 20
    }

    /// Draws all of the memory in one bar to scale, and in one with a logarithmic scale, in which small things at low addresses are
    /// visible.
    private mutating func drawBars(_ guest: GuestMap, _ start: Double) -> Double {
        let left = layout.hasTwoLines ? layout.margin : 124
        let whole = layout.width - layout.margin - left
        let end = Double(max(guest.top, 2 * Page.size))
        func linear(_ address: UInt64) -> Double { Double(address) / end }
        // Everything below the first page is at the left end.
        let page = Double(Page.size)
        func logarithmic(_ address: UInt64) -> Double { log2(max(Double(address), page) / page) / log2(end / page) }
        let bars: [(title: String, place: (UInt64) -> Double, ticks: [UInt64])] = [
            ("to scale", linear, [0, guest.top]),
            (
                "logarithmic", logarithmic,
                [0x1_0000, 0x10_0000, 0x100_0000, 0x1000_0000, 0x1_0000_0000].filter { $0 <= guest.top / 2 }
            ),
        ]
        var top = start
        for (title, place, ticks) in bars {
            text(layout.margin, top + (layout.hasTwoLines ? 10 : 14), title, "dim")
            if layout.hasTwoLines { top += 16 }
            // Used ranges come last, so that they are not painted over. They have no edge, which could hide them.
            for range in guest.ranges.filter({ !$0.isUsed }) + guest.ranges.filter(\.isUsed) {
                let (from, to) = (place(range.range.start) * whole, place(range.range.end) * whole)
                let width = max(to - from, range.isUsed ? 3 : 0)
                guard width > 0 else { continue }
                let hint = "\(range.name): \(rangeText(range.range))"
                body.append("<g><title>\(MapSVG.escaped(hint))</title>")
                box(left + min(from, whole - width), top, width, 20, range.owner.fill + " thin")
                body.append("</g>")
            }
            for tick in ticks {
                let x = left + place(tick) * whole
                let isLast = tick == guest.top
                text(
                    x, top + 33, isLast ? hex(tick) : MapSVG.short(tick),
                    "mono dim" + (isLast ? " end" : tick == 0 ? "" : " middle"))
            }
            top += 46
        }
        return top
    }

    /// A power of two in its shortest form: `64K`, `16M`.
    private static func short(_ address: UInt64) -> String {
        for (shift, letter) in [(30, "G"), (20, "M"), (10, "K")] as [(UInt64, String)] where address >> shift > 0 {
            return "\(address >> shift)\(letter)"
        }
        return "\(address)"
    }

    // MARK: Shapes

    private mutating func legend(_ entries: [(String, String)], _ start: Double) -> Double {
        var (x, top) = (layout.margin, start)
        for (kind, title) in entries {
            let width = 34 + Double(title.count) * 7.5
            if x + width > layout.width - layout.margin { (x, top) = (layout.margin, top + 22) }
            box(x, top - 12, 16, 16, kind)
            text(x + 22, top, title)
            x += width
        }
        return top + 24
    }

    /// Writes a sentence in as many lines as it needs, and returns the position after it.
    private mutating func caption(_ sentence: String, _ top: Double) -> Double {
        paragraph(sentence, top, Int((layout.width - 2 * layout.margin) / 6.8)) + 18
    }

    /// Writes `sentence` in lines of at most `letters`, the first at `start`, and returns the position of the last one.
    private mutating func paragraph(_ sentence: String, _ start: Double, _ letters: Int) -> Double {
        var (line, top) = ("", start)
        for word in sentence.split(separator: " ") {
            if !line.isEmpty, line.count + word.count + 1 > letters {
                text(layout.margin, top, line, "dim")
                (line, top) = ("", top + 18)
            }
            line += (line.isEmpty ? "" : " ") + MapPicture.clipped(String(word), letters)
        }
        text(layout.margin, top, line, "dim")
        return top
    }

    private mutating func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ kind: String) {
        body.append(
            "<rect class=\"box \(kind)\" x=\"\(MapSVG.number(x))\" y=\"\(MapSVG.number(y))\" "
                + "width=\"\(MapSVG.number(width))\" height=\"\(MapSVG.number(height))\"/>")
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

    /// The number with at most one decimal, the same on every machine.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }

    /// `text` for XML; it must be printable.
    static func escaped(_ text: String) -> String {
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
        .words,.accent,.mark{fill:#b4235c}.mark{stroke:#fff}.nothing{fill:none;stroke:#5b6470}
        .band{opacity:.25;stroke:none}.thin{stroke:none}.narrow .title{font-size:16px}.narrow .mono{font-size:11px}
        @media screen and (prefers-color-scheme:dark){.ground{fill:#16191d}text{fill:#e6e9ed}.dim{fill:#9aa5b1}
        .box,.mark{stroke:#16191d}.line,.nothing{stroke:#9aa5b1}.words,.accent,.mark{fill:#ff7aa8}}
        """
}
