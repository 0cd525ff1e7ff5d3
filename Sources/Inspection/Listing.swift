// A table, written row by row as text or as JSON: no row is kept, so its length costs no memory.

import Bytes
import Diagnostics

/// One column of a view.
struct Column {
    /// The member's name in JSON.
    let key: StaticString
    /// The heading in text.
    let title: StaticString
    /// The width in text; what is longer pushes the rest of its row to the right.
    let width: Int
    /// Whether the text is filled up from the left.
    let isRight: Bool

    init(_ key: StaticString, _ title: StaticString, _ width: Int, right: Bool = false) {
        self.key = key
        self.title = title
        self.width = width
        isRight = right
    }
}

/// Writes a view's rows. The cells of a row come in the order of the columns.
final class Listing {
    private let output: Output
    private let columns: [Column]
    private let keys: [[UInt8]]
    private let isJSON: Bool
    private var column = 0
    private var rows = 0
    private var cell: [UInt8] = []

    /// Starts view `name` of `file`; `facts` are members of the JSON document in front of its rows.
    init(
        _ name: String, of file: String, _ columns: [Column], to output: Output, json: Bool,
        facts: [(key: String, json: String)] = []
    ) {
        self.output = output
        self.columns = columns
        keys = columns.map { Array("\"\($0.key.string)\":".utf8) }
        isJSON = json
        if json {
            output.write("{\"schema\":\"\(JSONSchema.name)\",\"view\":\"\(name)\",\"file\":\(JSONSchema.string(file))")
            for fact in facts { output.write(",\"\(fact.key)\":\(fact.json)") }
            output.write(",\"rows\":[")
        } else {
            for (index, column) in columns.enumerated() {
                let title = column.title.string
                let isLast = index == columns.count - 1
                let fill = String(repeating: " ", count: max(0, column.width - title.count))
                output.write(column.isRight ? fill + title : isLast ? title : title + fill, .bold)
                if !isLast { output.write(" ") }
            }
            output.line()
        }
    }

    /// Ends the view.
    func end() {
        if isJSON { output.line(rows == 0 ? "]}" : "\n]}") }
    }

    /// An address or another number that is read in hexadecimal; in JSON a string, since JSON numbers lose bits beyond 2^53.
    func hex(_ value: UInt64) {
        begin()
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        append(hex: value)
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        finish()
    }

    /// A count, in decimal; in JSON a number.
    func decimal(_ value: UInt64) {
        begin()
        cell.append(contentsOf: String(value).utf8)
        finish()
    }

    /// A text of ours.
    func text(_ text: String) {
        begin()
        cell.append(contentsOf: isJSON ? JSONSchema.string(text).utf8 : text.utf8)
        finish()
    }

    /// A text of ours.
    func text(_ text: StaticString) {
        begin()
        // A literal of ours needs no escape.
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        unsafe cell.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        finish()
    }

    /// A text of the file's.
    func text(_ bytes: borrowing ByteView) {
        begin()
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        for index in 0..<bytes.count {
            let byte = bytes.byte(at: index) ?? 0
            if byte < 0x20 || byte >= 0x7f || isJSON && (byte == 0x22 || byte == 0x5c) {
                append(escaped: byte)
            } else {
                cell.append(byte)
            }
        }
        if isJSON { cell.append(UInt8(ascii: "\"")) }
        finish()
    }

    /// Nothing: null in JSON, a dash in text.
    func none() {
        begin()
        cell.append(contentsOf: isJSON ? "null".utf8 : "-".utf8)
        finish()
    }

    // MARK: Cells

    private func begin() { cell.removeAll(keepingCapacity: true) }

    private func finish() {
        let this = columns[column]
        let isLast = column == columns.count - 1
        if isJSON {
            output.write(column > 0 ? "," : rows == 0 ? "\n{" : ",\n{")
            output.write(keys[column])
            output.write(cell)
            if isLast { output.write(UInt8(ascii: "}")) }
        } else {
            let fill = max(0, this.width - cell.count)
            if this.isRight { for _ in 0..<fill { output.write(0x20) } }
            output.write(cell)
            if !isLast {
                if !this.isRight { for _ in 0..<fill { output.write(0x20) } }
                output.write(0x20)
            } else {
                output.write(0x0a)
            }
        }
        column = isLast ? 0 : column + 1
        if isLast { rows += 1 }
    }

    private func append(hex value: UInt64) {
        cell.append(0x30)
        cell.append(0x78)
        var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xf
            cell.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
    }

    /// `\u00xx` in JSON, `?` in text, where a terminal could mistake it for a command.
    private func append(escaped byte: UInt8) {
        guard isJSON else {
            cell.append(0x3f)
            return
        }
        cell.append(contentsOf: "\\u00".utf8)
        for digit in [byte >> 4, byte & 0xf] { cell.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }
}

/// The JSON that this program writes: see docs/loader-inspect-json.md.
enum JSONSchema {
    /// The schema's name and version.
    static let name = "loader-inspect/1"

    /// `text` as a JSON string.
    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
