// The picture on a terminal, in block characters.

import Memory

/// Draws a picture as lines of text.
struct MapText {
    let picture: MapPicture
    let output: Output
    /// Columns, at least 80.
    let width: Int

    /// Draws everything.
    func write() {
        output.line()
        output.write(picture.title(width), .bold)
        output.line()
        for fact in picture.facts { scale(fact) }
        writeImage()
        writeFunctions()
        if let guest = picture.guest { writeGuest(guest) }
    }

    // MARK: File and image

    /// The number of columns for names, and for the density of relocations: more of both if there is room.
    private var nameWidth: Int { 18 + (width - 80) / 4 }
    private var densityWidth: Int { width - 47 - nameWidth }

    private func writeImage() {
        let rows = MapRows.rows(picture.image, limit: 60)
        let unit = MapPicture.scale(rows.reduce(0) { $0 + $1.size }, budget: 24)
        output.line()
        let used = PartKind.allCases.filter { kind in rows.contains { $0.part?.kind == kind } }
        legend(used.map { (glyph($0), $0.title, style($0)) })
        scale("Each part has one line, and one more for each \(MapPicture.human(unit)); gaps (⋮) have one line.")
        output.line()
        let fill = String(repeating: " ", count: nameWidth - 3)
        let relocations = picture.image.relocated.isEmpty ? "" : fill + "relocated words"
        output.write("   offset file memory    address     size seg name\(relocations)", .bold)
        output.line()
        for row in rows {
            if let part = row.part {
                write(part, row, extra: Int(part.size / unit))
            } else if let gap = row.gap {
                output.write(
                    right("⋮", 16) + right(hex(gap.start), 16) + right(MapPicture.human(gap.size), 9) + "     nothing",
                    .dim)
                output.line()
            }
        }
    }

    private func writeFunctions() {
        let (largest, total) = (picture.functions.largest, picture.functions.total)
        guard !largest.isEmpty else { return }
        output.line()
        output.write("the largest functions, of \(MapPicture.human(total))", .bold)
        output.line()
        for function in largest {
            output.line(
                right(MapPicture.human(function.size), 10) + "  "
                    + MapPicture.clipped(printable(function.name), width - 12))
        }
    }

    private func write(_ part: MapPart, _ row: MapRow, extra: Int) {
        let strip = row.isInMemory ? part.memory.map { density($0, rows: extra + 1) } ?? [] : []
        for line in 0...extra {
            let isFirst = line == 0
            let offset = isFirst && row.isInFile ? part.file.map { hex($0.start) } ?? "" : ""
            let address = isFirst && row.isInMemory ? part.memory.map { hex($0.start) } ?? "" : ""
            let block = String(repeating: glyph(part.kind), count: 4)
            output.write(right(offset, 9) + " ")
            bar(row.isInFile ? block : "    ", part.kind)
            if isFirst || row.isInMemory {
                output.write(" ")
                bar(row.isInMemory ? block + block.prefix(2) : "      ", part.kind)
            }
            let segment = row.isInMemory ? part.segment.map { isFirst ? "\($0)" : "│" } ?? "" : ""
            let size = isFirst ? MapPicture.human(part.size) : ""
            var text = right(address, 11) + right(size, 9) + right(segment, 4) + " "
            let mark = row.isInMemory && picture.isEntry(part) ? " ◂entry" : ""
            let name = isFirst ? MapPicture.clipped(part.name, nameWidth - mark.count) + mark : ""
            let cells = line < strip.count ? strip[line] : ""
            text += name
            output.write(trimmed(text, unless: !cells.isEmpty))
            if !cells.isEmpty {
                output.write(String(repeating: " ", count: nameWidth - name.count + 1))
                output.write(cells, .cyan)
            }
            output.line()
        }
    }

    /// One string of blocks per line; empty if nothing is relocated.
    private func density(_ range: AddressRange, rows: Int) -> [String] {
        guard picture.image.relocations(in: range) > 0 else { return [] }
        let columns = densityWidth
        let cells = picture.density(range, cells: rows * columns)
        return stride(from: 0, to: cells.count, by: columns).map { start in
            String(
                cells[start..<min(start + columns, cells.count)].map { share in
                    share == 0 ? "·" : Array("▁▂▃▄▅▆▇█")[min(7, Int(share * 8))]
                })
        }
    }

    private func glyph(_ kind: PartKind) -> Character {
        switch kind {
        case .header: "╪"
        case .code: "█"
        case .constants: "▓"
        case .data: "▒"
        case .threadLocal: "╬"
        case .zero: "░"
        case .library: "▞"
        case .made: "◆"
        case .fileOnly: "─"
        }
    }

    private func style(_ kind: PartKind) -> Style? {
        switch kind {
        case .code: .red
        case .constants: .green
        case .data, .threadLocal: .yellow
        case .library, .made: .cyan
        case .fileOnly, .zero: .dim
        case .header: nil
        }
    }

    private func bar(_ text: String, _ kind: PartKind) {
        if let style = style(kind), !text.allSatisfy({ $0 == " " }) {
            output.write(text, style)
        } else {
            output.write(text)
        }
    }

    // MARK: The guest's memory

    private func writeGuest(_ guest: GuestMap) {
        let used = guest.ranges.filter(\.isUsed).reduce(0) { $0 + $1.range.size }
        let unit = MapPicture.scale(used, budget: 16)
        output.line()
        output.write("the guest's memory, to scale: \(rangeText(0, guest.top))", .bold)
        output.line()
        output.write("  ")
        for cell in overview(guest, cells: width - 4) { write(cell) }
        output.line()
        let owners = Owner.allCases.filter { owner in guest.ranges.contains { $0.owner == owner } }
        legend(owners.map { (glyph($0), $0.title, style($0)) })
        scale(
            "Each range has one line, and one more for each \(MapPicture.human(unit)) if it is used; "
                + "free RAM (⋮) has one line.")
        output.line()
        for range in guest.ranges {
            let rows = range.isUsed ? Int(range.range.size / unit) : 0
            for line in 0...rows {
                output.write("  " + right(line == 0 ? hex(range.range.start) : "", 12) + " ")
                if range.isUsed || range.owner == .firmware {
                    for _ in 0..<10 { write(range.owner) }
                } else {
                    output.write("     ⋮    ", .dim)
                }
                if line == 0 {
                    output.write(
                        right(MapPicture.human(range.range.size), 10) + "  "
                            + MapPicture.clipped(range.name, width - 38))
                }
                output.line()
            }
        }
        output.line("  " + right(hex(guest.top), 12))
    }

    /// For each of `cells` equal pieces of RAM, the owner of the largest used share.
    private func overview(_ guest: GuestMap, cells: Int) -> [Owner] {
        let step = max(guest.top / UInt64(cells), 1)
        return (0..<UInt64(cells)).map { index in
            let cell = AddressRange(at: index * step, size: step)
            func share(_ range: GuestRange) -> UInt64 {
                AddressRange(max(range.range.start, cell.start), min(range.range.end, cell.end)).size
            }
            let here = guest.ranges.filter { $0.range.overlaps(cell) }
            let used = here.filter(\.isUsed)
            return (used.isEmpty ? here : used).max { share($0) < share($1) }?.owner ?? .nothing
        }
    }

    private func write(_ owner: Owner) {
        if let style = style(owner) {
            output.write(String(glyph(owner)), style)
        } else {
            output.write(String(glyph(owner)))
        }
    }

    private func glyph(_ owner: Owner) -> Character {
        switch owner {
        case .image: "█"
        case .library: "▞"
        case .handoff: "▓"
        case .stack: "▒"
        case .module: "╬"
        case .loader: "◆"
        case .firmware: "░"
        case .kept: "╪"
        case .free: "·"
        case .nothing: "─"
        }
    }

    private func style(_ owner: Owner) -> Style? {
        switch owner {
        case .image, .library: .green
        case .handoff, .stack: .cyan
        case .module: .yellow
        case .loader: .red
        case .firmware, .free, .nothing: .dim
        case .kept: nil
        }
    }

    // MARK: Lines

    private func legend(_ entries: [(Character, String, Style?)]) {
        var column = 0
        for (glyph, title, style) in entries {
            let length = title.count + 5
            if column > 0, column + length > width {
                output.line()
                column = 0
            }
            output.write("  ")
            if let style { output.write("\(glyph)\(glyph)", style) } else { output.write("\(glyph)\(glyph)") }
            output.write(" \(title)")
            column += length
        }
        output.line()
    }

    private func scale(_ sentence: String) {
        var column = 1
        var line = " "
        for word in sentence.split(separator: " ") {
            if column + word.count + 1 > width {
                output.line(line)
                (line, column) = (" ", 1)
            }
            line += " " + word
            column += word.count + 1
        }
        output.line(line)
    }

    private func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func trimmed(_ text: String, unless keeps: Bool) -> String {
        guard !keeps, let last = text.lastIndex(where: { $0 != " " }) else { return keeps ? text : "" }
        return String(text[...last])
    }
}
