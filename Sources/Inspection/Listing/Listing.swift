// A table, written row by row as text or as JSON: no row is kept, so its length costs no memory.

import AnyELF
import Bytes
import Diagnostics

/// One column of a view.
struct Column: Sendable {
    /// The member's name in JSON.
    let key: Text
    /// The heading in text.
    let title: Text
    /// The width in text; a longer cell pushes the rest of its row to the right.
    let width: Int
    /// Whether the text is aligned to the right.
    let isRight: Bool

    init(_ key: Text, _ title: Text, _ width: Int, right: Bool = false) {
        self.key = key
        self.title = title
        self.width = width
        isRight = right
    }
}

/// The text before and after a column's cells.
private struct CellLayout: Sendable {
    /// In JSON, before the cell.
    let key: ShortText
    /// In text, the width of a column that is aligned to the right, and of one that is aligned to the left; otherwise 0.
    let right: Int, left: Int
    /// After the cell.
    let end: ShortText

    init(_ columns: [Column], _ index: Int, json: Bool) {
        let column = columns[index]
        let isLast = index == columns.count - 1
        key = CellLayout.key(column, index == 0 ? ",\n{\"" : ",\"")
        right = json || !column.isRight ? 0 : column.width
        left = json || column.isRight || isLast ? 0 : column.width
        end = ShortText(isLast ? json ? "}" : "\n" : json ? "" : " ")
    }

    static func key(_ column: Column, _ start: Text) -> ShortText {
        var text = ShortText(start)
        text.append(column.key)
        text.append("\":")
        return text
    }
}

/// Writes a view's rows. The cells of a row come in the order of the columns.
struct Listing: ~Copyable {
    private var buffer: OutputBuffer
    /// The output for the document's beginning and end; nil for a part of a document.
    private let output: Output?
    private let input: InputFile?
    private let layouts: [CellLayout]
    private let firstKey: ShortText
    private let nothing: ShortText
    private let isJSON: Bool
    private var column = 0
    private var rows = 0

    /// The common state of a listing's parts, which several threads write.
    struct State: Sendable {
        fileprivate let input: InputFile?
        fileprivate let layouts: [CellLayout]
        fileprivate let firstKey: ShortText
        fileprivate let nothing: ShortText
        fileprivate let isJSON: Bool
        fileprivate let descriptor: Int32
        /// The number of rows written.
        let rows: Int
    }

    /// The state of this listing, between two rows.
    var state: State {
        State(
            input: input, layouts: layouts, firstKey: firstKey, nothing: nothing, isJSON: isJSON,
            descriptor: buffer.descriptor, rows: rows)
    }

    /// A part of the listing that `state` describes, with room for a whole chunk of normal rows.
    init(_ state: State) {
        (input, layouts, isJSON) = (state.input, state.layouts, state.isJSON)
        (firstKey, nothing) = (state.firstKey, state.nothing)
        output = nil
        buffer = OutputBuffer(descriptor: state.descriptor, capacity: 1 << 20)
    }

    /// Continues with the row at index `row`; output from here on waits for `turn`.
    mutating func begin(row: Int, in turns: Turns, turn: Int) {
        rows = row
        buffer.wait(for: turn, in: turns)
    }

    /// Continues after `count` rows that others have written.
    mutating func skip(rows count: Int) { rows += count }

    /// Hands the written bytes over.
    mutating func flush() { buffer.flush() }

    /// Starts view `name` of `file`, whose bytes are in `input`; `facts` are members of the JSON document before its rows.
    init(
        _ name: String, of file: String, _ input: InputFile? = nil, _ columns: [Column], to output: Output, json: Bool,
        facts: [(key: String, json: String)] = []
    ) {
        self.input = input
        isJSON = json
        layouts = columns.indices.map { CellLayout(columns, $0, json: json) }
        firstKey = CellLayout.key(columns[0], "\n{\"")
        nothing = ShortText(json ? "null" : "-")
        if json {
            output.beginDocument()
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
        output.flush()
        output.isDocumentOpen = json
        self.output = output
        buffer = OutputBuffer(descriptor: output.buffer.descriptor)
    }

    /// Ends the view.
    mutating func end() {
        if isJSON { buffer.append(rows == 0 ? "]}\n" : "\n]}\n") }
        output?.isDocumentOpen = false
    }

    /// Writes an address or another number that is read in hexadecimal; in JSON as a string, because JSON numbers lose bits past 2^53.
    @inline(__always)
    mutating func hex(_ value: UInt64) {
        var cursor = begin()
        if isJSON {
            cursor.append(UInt8(ascii: "\""))
            cursor.append(hex: value)
            cursor.append(UInt8(ascii: "\""))
            finish(cursor, 0)
        } else {
            let length = cursor.append(hex: value, width: layouts[column].right)
            finish(cursor, length)
        }
    }

    /// Writes a count in decimal; in JSON as a number.
    @inline(__always)
    mutating func decimal(_ value: UInt64) {
        var cursor = begin()
        let length = cursor.append(decimal: value, width: layouts[column].right)
        finish(cursor, length)
    }

    /// Writes a number in a column that may also hold text; in JSON as a string.
    @inline(__always)
    mutating func decimalText(_ value: UInt64) {
        var cursor = begin()
        if isJSON { cursor.append(UInt8(ascii: "\"")) }
        let length = cursor.append(decimal: value, width: layouts[column].right)
        if isJSON { cursor.append(UInt8(ascii: "\"")) }
        finish(cursor, length)
    }

    /// Writes a text of the program's own, which needs no escape.
    @inline(__always)
    mutating func text(_ text: ShortText) {
        var cursor = begin()
        if isJSON {
            cursor.append(UInt8(ascii: "\""))
            cursor.append(text)
            cursor.append(UInt8(ascii: "\""))
        } else {
            cursor.append(spaces: layouts[column].right &- text.count)
            cursor.append(text)
        }
        finish(cursor, text.count)
    }

    /// Writes a text of the program's own, which needs no escape, of at most 32 bytes.
    mutating func text(_ text: Text) { self.text(ShortText(text)) }

    /// Writes a name, or the number if it has no name.
    mutating func text(_ name: Text?, or number: UInt64) {
        if let name { text(name) } else { hex(number) }
    }

    /// Writes a text of the program's own, of any length.
    mutating func text(_ text: String) {
        buffer.advance(to: begin())
        let length = text.utf8.count
        buffer.append(spaces: layouts[column].right &- length)
        buffer.append(isJSON ? JSONSchema.string(text) : text)
        finish(buffer.cursor(), length)
    }

    /// Writes a text from the file, up to a NUL or the end of `view`, from `offset` on, in a column aligned to the left; a dash stands
    /// for an empty one, so that no line ends with blanks. In text, `suffix` follows it.
    mutating func text(_ view: ByteView, at offset: UInt64 = 0, followedBy suffix: String? = nil) {
        var cursor = begin()
        if isJSON { cursor.append(UInt8(ascii: "\"")) }
        buffer.advance(to: cursor)
        var length = buffer.append(untrusted: view, at: offset, isJSON: isJSON)
        if let suffix {
            buffer.append(suffix)
            length += suffix.utf8.count
        }
        cursor = buffer.cursor()
        if isJSON { cursor.append(UInt8(ascii: "\"")) } else if length == 0 { cursor.append(nothing) }
        finish(cursor, max(length, 1))
    }

    /// Writes an empty cell: null in JSON, a dash in text.
    @inline(__always)
    mutating func none() {
        var cursor = begin()
        cursor.append(spaces: layouts[column].right &- 1)
        cursor.append(nothing)
        finish(cursor, 1)
    }

    // MARK: Cells

    /// Writes the text before a cell: the member's name in JSON.
    @inline(__always)
    private mutating func begin() -> OutputCursor {
        var cursor = buffer.cursor()
        if isJSON { cursor.append(rows == 0 && column == 0 ? firstKey : layouts[column].key) }
        return cursor
    }

    /// Writes the text after a cell of `length` bytes: in text the column's padding, and the separator.
    @inline(__always)
    private mutating func finish(_ cursor: consuming OutputCursor, _ length: Int) {
        let layout = layouts[column]
        if !isJSON { cursor.append(spaces: layout.left &- length) }
        cursor.append(layout.end)
        buffer.advance(to: cursor)
        column &+= 1
        if column == layouts.count { endRow() }
    }

    @inline(__always)
    private mutating func endRow() {
        column = 0
        rows &+= 1
        // After every few megabytes of tables and names.
        if rows & 0xffff == 0 { input?.release() }
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
                result += "\\u" + UInt16(scalar.value).hexadecimalDigits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
