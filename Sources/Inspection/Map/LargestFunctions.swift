// The largest functions of a file, for its picture.

import AnyELF
import Bytes
import Diagnostics
import ELF

/// The largest functions of a file.
struct LargestFunctions {
    /// Twelve at most, by the names that their source has.
    let largest: [(name: String, size: UInt64)]
    /// The number of bytes of all functions.
    let total: UInt64

    init(_ file: ByteView) {
        var sizes: [UInt64: (name: String, size: UInt64)] = [:]
        guard let header = try? AnyFileHeader(file), let table = try? SectionListing(file, header),
            let symbols = try? SymbolRow.all(of: file, header, table)
        else {
            (largest, total) = ([], 0)
            return
        }
        // By address, since a function may have several names, and stand in two tables.
        for row in symbols where row.symbol.type == Symbol.Kind.function && !row.symbol.isUndefined {
            let size = row.symbol.size
            guard size > sizes[row.symbol.value]?.size ?? 0 else { continue }
            sizes[row.symbol.value] = (Demangler.name(row.name) ?? row.name, size)
        }
        let functions = sizes.values.sorted { ($1.size, $0.name) < ($0.size, $1.name) }
        largest = Array(functions.prefix(12))
        total = functions.reduce(0) { $0.addingClamped($1.size) }
    }
}
