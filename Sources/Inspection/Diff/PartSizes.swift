// The sizes of a file's parts as its own tables list them, by which two builds are compared. Here a byte counts for every part that lists
// it; FileSizes counts each byte of a file once.

import AnyELF
import Bytes
import Diagnostics
import ELF

/// Names of parts, and their sizes in bytes. Parts of one name count together.
struct PartSizes {
    private(set) var sizes: [String: UInt64] = [:]

    private mutating func add(_ name: String, _ size: UInt64) {
        let (sum, overflow) = sizes[name, default: 0].addingReportingOverflow(size)
        sizes[name] = overflow ? .max : sum
    }

    /// The segments of `file` that occupy memory: type, number among those of the type, access; the size is that in memory.
    static func segments(_ file: ByteView) -> PartSizes {
        var parts = PartSizes()
        guard let header = try? AnyFileHeader(file), let headers = try? SegmentListing(file, header) else {
            return parts
        }
        var loaded = 0
        for index in 0..<headers.count {
            let segment = headers[index]
            switch segment.type {
            case ProgramHeader.Kind.load:
                parts.add("LOAD \(loaded) \(Names.segmentFlags(segment.flags))", segment.memsz)
                loaded += 1
            case ProgramHeader.Kind.tls: parts.add("TLS", segment.memsz)
            default: break
            }
        }
        return parts
    }

    /// The sections of `file` by name, also those that are not in memory.
    static func sections(_ file: ByteView) -> PartSizes {
        var parts = PartSizes()
        guard let header = try? AnyFileHeader(file), let table = try? SectionListing(file, header) else { return parts }
        for index in 0..<table.count where table[index].type != SectionHeader.Kind.null {
            parts.add(name(table.name(table[index])), table[index].size)
        }
        return parts
    }

    /// The functions and variables of `file` by name: of SHT_SYMTAB, or else of SHT_DYNSYM, or else of DT_SYMTAB.
    static func symbols(_ file: ByteView) -> PartSizes {
        var parts = PartSizes()
        guard let header = try? AnyFileHeader(file), let sections = try? SectionListing(file, header) else {
            return parts
        }
        var others = PartSizes()
        // A malformed table ends the walk; the tables before it count.
        try? SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            for index in 0..<table.count {
                let symbol = table[index]
                guard counts(symbol) else { continue }
                let name = stable(name(table.strings.string(at: UInt64(symbol.name))))
                if table.isComplete { parts.add(name, symbol.size) } else { others.add(name, symbol.size) }
            }
        }
        return parts.sizes.isEmpty ? others : parts
    }

    /// The crates of `file` and the remainder; nothing if it has no Rust functions.
    static func crates(_ file: ByteView) -> PartSizes {
        var parts = PartSizes()
        guard let sizes = try? FileSizes(file), let breakdown = try? sizes.breakdown(byCrate: true, symbolsOf: sizes)
        else { return parts }
        for part in breakdown.parts where !part.name.hasPrefix("[") { parts.add(part.name, part.memory) }
        return parts.sizes.keys.contains { $0 != CrateName.none } ? parts : PartSizes()
    }

    /// Whether `symbol` is an object, a function, a common symbol, a thread-local variable or a function that chooses an
    /// implementation, and is in the file.
    private static func counts(_ symbol: Symbol) -> Bool {
        symbol.isCodeOrData && symbol.type != Symbol.Kind.none && !symbol.isUndefined && symbol.size > 0
    }

    /// The twelve largest functions of `file`, by the names that their source has, and how many bytes all of them have.
    static func largestFunctions(_ file: ByteView) -> (largest: [(name: String, size: UInt64)], total: UInt64) {
        var sizes: [UInt64: (name: String, size: UInt64)] = [:]
        guard let header = try? AnyFileHeader(file), let table = try? SectionListing(file, header),
            let symbols = try? SymbolRow.all(of: file, header, table)
        else { return ([], 0) }
        // By address, since a function may have several names, and stand in two tables.
        for row in symbols where row.symbol.type == Symbol.Kind.function && !row.symbol.isUndefined {
            let size = row.symbol.size
            guard size > sizes[row.symbol.value]?.size ?? 0 else { continue }
            sizes[row.symbol.value] = (Demangler.name(row.name) ?? row.name, size)
        }
        let functions = sizes.values.sorted { ($1.size, $0.name) < ($0.size, $1.name) }
        return (Array(functions.prefix(12)), functions.reduce(0) { $0.addingClamped($1.size) })
    }

    private static func name(_ bytes: borrowing ByteView) -> String {
        // Read only, within the closure.
        unsafe bytes.span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// `name` without the parts that differ from build to build although the source is the same: the hash at the end of Rust's legacy
    /// mangling (`17h`, 16 digits, `E`), and the number that LLVM gives a symbol it has promoted (`.llvm.1234`).
    static func stable(_ name: String) -> String {
        var bytes = Array(name.utf8)
        let suffix = Array(".llvm.".utf8)
        let digits = bytes.reversed().prefix { (0x30...0x39).contains($0) }.count
        if digits > 0, bytes.dropLast(digits).suffix(suffix.count).elementsEqual(suffix) {
            bytes.removeLast(digits + suffix.count)
        }
        if bytes.count > 20, bytes.starts(with: "_ZN".utf8), bytes.last == UInt8(ascii: "E"),
            bytes.dropLast(17).suffix(3).elementsEqual("17h".utf8),
            bytes.dropLast().suffix(16).allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        {
            bytes.removeLast(20)
            bytes.append(UInt8(ascii: "E"))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The changes of parts of one kind.
struct SizeChanges: Encodable {
    /// A part that is larger, smaller, new (no old size) or gone (no new size).
    struct Change: Encodable {
        let name: String
        let old: UInt64?
        let new: UInt64?

        /// How many bytes more, or fewer.
        var difference: (magnitude: UInt64, isGrowth: Bool) {
            let (old, new) = (old ?? 0, new ?? 0)
            return new >= old ? (new - old, true) : (old - new, false)
        }

        /// The change in a word.
        var word: String { old == nil ? "new" : new == nil ? "gone" : difference.isGrowth ? "grown" : "shrunk" }
    }

    /// How many parts have the same size as before.
    let unchanged: Int
    /// The others: the largest difference first, then by name.
    let changes: [Change]

    /// Compares two builds' parts.
    init(from old: PartSizes, to new: PartSizes) {
        var changes: [Change] = []
        var unchanged = 0
        for (name, size) in new.sizes {
            if old.sizes[name] == size {
                unchanged += 1
            } else {
                changes.append(Change(name: name, old: old.sizes[name], new: size))
            }
        }
        for (name, size) in old.sizes where new.sizes[name] == nil {
            changes.append(Change(name: name, old: size, new: nil))
        }
        self.unchanged = unchanged
        self.changes = changes.sorted { left, right in
            let (first, second) = (left.difference.magnitude, right.difference.magnitude)
            return first != second ? first > second : left.name < right.name
        }
    }
}
