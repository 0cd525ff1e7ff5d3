// Every relocation: where, which, of what, and what it comes to at a given base.

import AddressSpace
import Bytes
import Diagnostics
import ELF
import KernelImage

/// The view of relocations.
enum RelocationView {
    /// Lists all relocations of `file` for an image whose first byte lies at `base`, by default where it was linked.
    /// Returns the number of those that cannot be applied.
    static func list(_ file: ByteView, base: UInt64?, to destination: Destination) throws(Fault) -> Int {
        // Shared objects and programs of an operating system can be looked at, too.
        let image = try KernelImage(file, as: .library)
        let bias = (base ?? image.linkStart) &- image.linkStart
        let relocator = try Relocator(image, bias: bias, as: .library)
        guard let copy = GuestMemory(size: max(image.size, 1)) else {
            throw Fault(.imageTooLarge, .header, value: image.size, limit: 1 << 46)
        }
        // Addends in place are read from the image as it is before relocation.
        var memory = copy.region(AddressRange(0, image.size), at: image.linkStart)
        try image.load(into: &memory)

        let listing = destination.listing(
            "relocations",
            [
                Column("index", "#", 6, right: true), Column("table", "table", 6),
                Column("number", "no", 2, right: true),
                Column("name", "type", 9), Column("place", "place", 12, right: true),
                Column("formula", "formula", 10), Column("value", "value", 18, right: true),
                Column("symbol", "symbol", 16),
            ], facts: [("base", "\"\(hex(image.linkStart &+ bias))\"")])
        var relocations = relocator.listed
        var index: UInt64 = 0
        var faults = 0
        while let relocation = try relocations.next() {
            let entry = relocation.entry
            let meaning = RelocationMeaning(entry.type)
            listing.decimal(index)
            index += 1
            listing.text(table(relocation.place))
            listing.decimal(UInt64(entry.type))
            if let meaning { listing.text(meaning.name) } else { listing.none() }
            listing.hex(entry.offset &+ bias)
            if let meaning { listing.text(meaning.formula.text) } else { listing.none() }
            let symbol = entry.symbol == 0 ? nil : relocator.symbol(at: entry.symbol)
            if let symbol = symbol?.symbol, symbol.isUndefined, !symbol.isWeak {
                // Not asked for its outcome: the fault would name all undefined symbols, each time.
                faults += 1
                listing.text("error: \(Rule.symbolUndefined)")
            } else {
                do throws(Fault) {
                    switch try relocator.outcome(of: entry, relocation.place, in: memory) {
                    case .nothing: listing.none()
                    case .value(let value): listing.hex(value)
                    case .descriptor(let resolver, let argument): listing.text("\(hex(resolver)),\(hex(argument))")
                    case .indirect(let resolver): listing.text("\(hex(resolver))()")
                    case .copy(let source, let size): listing.text("\(hex(source)),\(size)")
                    }
                } catch {
                    faults += 1
                    listing.text("error: \(error.rule)")
                }
            }
            if let symbol, symbol.nameOffset > 0 {
                listing.text(file.string(at: symbol.nameOffset))
            } else {
                listing.none()
            }
        }
        listing.end()
        return faults
    }

    private static func table(_ place: Place) -> StaticString {
        switch place.table {
        case DynamicTag.relr: "RELR"
        case DynamicTag.rela: "RELA"
        case DynamicTag.rel: "REL"
        default: "JMPREL"
        }
    }
}
