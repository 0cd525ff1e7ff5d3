// The listing of relocations: its columns, of which a file has only some, and the common cells of its rows.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF
import Linking

/// The rows of a listing of relocations.
struct RelocationRows: Sendable {
    /// The kinds of files: they have different columns, and wider or narrower ones.
    enum Kind: Sendable {
        /// One linked file, or several with the names of the files that define the symbols.
        case linked, libraries
        /// An object file.
        case object
        /// A file that the loader does not boot, maybe for another machine; `hasTypes` if the types are x86-64's.
        case foreign(hasTypes: Bool)
    }

    /// One relocation type's cells.
    private struct TypeCells {
        var name, formula: ShortText?
    }

    private let types: [TypeCells]
    private let columns: [Column]
    /// The number of columns that are empty in each row.
    private let emptyColumns: Int

    init(_ kind: Kind, json: Bool) {
        var hasTypes = true
        (columns, emptyColumns) =
            switch kind {
            case .linked: (Self.columns(6, 2, 9, formula: 10), 0)
            case .libraries: (Self.columns(6, 2, 9, formula: 10) + [Column("definedBy", "defined by", 16)], 0)
            case .object: (Self.columns(14, offset: 8, 2, 13, formula: 13), 0)
            // Place, formula and value are members of the JSON, which has the same for all files.
            case .foreign: (Self.columns(14, offset: 12, 4, 9, addend: 12, formula: json ? 0 : nil), json ? 3 : 0)
            }
        if case .foreign(let isOwn) = kind { hasTypes = isOwn }
        // The last is that of all numbers that have no meaning.
        types = (0...RelocationType.lastNumber + 1).map { number in
            let meaning = hasTypes ? RelocationType(number) : nil
            return TypeCells(
                name: meaning.map { ShortText($0.name) }, formula: meaning.map { ShortText($0.formula.text) })
        }
    }

    private static func columns(
        _ table: Int, offset: Int? = nil, _ number: Int, _ name: Int, addend: Int? = nil, formula: Int?
    ) -> [Column] {
        var columns = [Column("index", "#", 6, right: true), Column("table", "table", table)]
        if let offset { columns.append(Column("offset", "offset", offset, right: true)) }
        columns += [Column("number", "no", number, right: true), Column("name", "type", name)]
        if let addend { columns.append(Column("addend", "addend", addend, right: true)) }
        if let formula {
            columns += [
                Column("place", "place", 12, right: true), Column("formula", "formula", formula),
                Column("value", "value", 18, right: true),
            ]
        }
        return columns + [Column("symbol", "symbol", 16)]
    }

    /// The listing for `destination`, of an image whose first byte lies at `base`; nil if the file has no image.
    func listing(to destination: ViewTarget, base: UInt64?) -> Listing {
        let fact = base.map { "\"\(hex($0))\"" } ?? "null"
        return destination.listing("relocations", columns, facts: [("base", fact)])
    }

    /// Writes the number of a type of `machine`'s, which DT_RELR means without a number in the file, and its name.
    func relativeType(_ form: FileForm, _ machine: UInt16, in listing: inout Listing) {
        if let number = MachineType.relativeRelocation(machine, form) {
            listing.decimal(UInt64(number))
        } else {
            listing.none()
        }
        listing.text("RELATIVE" as Text)
    }

    /// Writes the number of a type, and its name.
    @inline(__always)
    func type(_ number: UInt32, in listing: inout Listing) {
        listing.decimal(UInt64(number))
        listing.text(types[Int(min(number, RelocationType.lastNumber + 1))].name)
    }

    /// Writes the place that a relocation of the type `number` changes, if it is applied, and its formula.
    @inline(__always)
    func place(_ place: UInt64?, _ number: UInt32, in listing: inout Listing) {
        if let place { listing.hex(place) } else { listing.none() }
        listing.text(types[Int(min(number, RelocationType.lastNumber + 1))].formula)
    }

    /// Writes the outcome of a relocation that is applied: a value, a descriptor's two words, a function to call, or the address and the
    /// size of a copied object.
    func outcome(_ outcome: RelocationOutcome, in listing: inout Listing) {
        switch outcome {
        case .nothing: listing.none()
        case .value(let value): listing.hex(value)
        case .indirect(let resolver): listing.text("\(hex(resolver))()")
        case .descriptor(let first, let second), .copy(let first, let second):
            listing.text("\(hex(first)),\(hex(second))")
        }
    }

    /// Writes the outcome of a relocation that cannot be applied.
    func outcome(_ fault: Fault, in listing: inout Listing) { listing.text("error: \(fault.rule)") }

    /// Writes the name of a relocation's symbol, at `offset` in `file`; 0 if it has none.
    func symbol(_ file: ByteView, at offset: UInt64, in listing: inout Listing) {
        if offset > 0 { listing.text(file, at: offset) } else { listing.none() }
    }

    /// Writes the columns that are empty in each row.
    func empty(in listing: inout Listing) { for _ in 0..<emptyColumns { listing.none() } }
}

extension Listing {
    /// Writes `text`; an empty cell if it is nil.
    @inline(__always)
    fileprivate mutating func text(_ text: ShortText?) { if let text { self.text(text) } else { none() } }
}
