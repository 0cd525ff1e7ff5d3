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
