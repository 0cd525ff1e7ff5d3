// The picture as an HTML page: in two widths (the browser shows one), and as a table for screen readers.

import Memory

/// A page about a picture.
enum MapPage {
    /// The page for `picture`.
    static func html(_ picture: MapPicture) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark">
        <title>\(MapSVG.escaped(picture.name))</title>
        <style>\(style)</style>
        </head>
        <body>
        \(MapSVG(picture, .wide).document)\(MapSVG(picture, .narrow).document)<details>
        <summary>The same as tables</summary>
        \(tables(picture))
        </details>
        </body>
        </html>

        """
    }

    private static func tables(_ picture: MapPicture) -> String {
        let parts = picture.image.parts.map { part -> [String] in
            let segment = part.segment.map { number in "\(number) \(picture.image.access[number] ?? "")" }
            let words = part.memory.map { String(picture.image.relocations(in: $0)) }
            let ranges = [part.file, part.memory].map { range in range.map { rangeText($0) } ?? "" }
            return [part.name, part.kind.title, String(part.size)] + ranges + [segment ?? "", words ?? ""]
        }
        let columns = ["name", "kind", "bytes", "file offsets", "addresses", "segment", "relocated words"]
        var text = table("File and image", columns, parts)
        if !picture.functions.largest.isEmpty {
            text += table(
                "The largest functions", ["name", "bytes"], picture.functions.largest.map { [$0.name, "\($0.size)"] })
        }
        if let guest = picture.guest {
            let ranges = guest.ranges.map { [rangeText($0.range), $0.name, $0.owner.title, "\($0.range.size)"] }
            text += table("The guest’s memory", ["addresses", "name", "kind", "bytes"], ranges)
        }
        return text
    }

    private static func table(_ title: String, _ columns: [String], _ rows: [[String]]) -> String {
        let head = columns.map { "<th scope=\"col\">\($0)</th>" }.joined()
        let body = rows.map { row in
            "<tr>" + row.map { "<td>\(MapSVG.escaped(printable($0)))</td>" }.joined() + "</tr>"
        }
        return "<table>\n<caption>\(title)</caption>\n<tr>\(head)</tr>\n\(body.joined(separator: "\n"))\n</table>\n"
    }

    private static let style = """
        html{background:#fff;color:#1b1f24;font:14px system-ui,sans-serif}body{margin:0}
        svg{display:block;margin:auto;max-width:100%;height:auto}svg.narrow{display:none}
        @media (max-width:699px){svg.wide{display:none}svg.narrow{display:block}}
        details{max-width:952px;margin:0 auto;padding:16px 24px;overflow-x:auto}
        table{border-collapse:collapse;margin:16px 0}caption{text-align:left;font-weight:600;padding:4px 0}
        th,td{text-align:left;padding:2px 16px 2px 0;white-space:nowrap}
        @media screen and (prefers-color-scheme:dark){html{background:#16191d;color:#e6e9ed}}
        """
}
