// Compile units by libdw: the ranges of their code.

import CDwarf
import Diagnostics

/// A range of link addresses that the code of a compile unit has.
struct UnitRange {
    let name: String
    let start: UInt64, end: UInt64
}

/// The compile units of a file.
enum CompileUnits {
    /// The ranges in `file`, with the name `name`. Throws a `Failure` if it has no debugging information, or libdw is missing.
    static func ranges(_ file: InputFile, _ name: String) throws(Failure) -> [UnitRange] {
        var isMissing: Int32 = 0
        var found: [UnitRange]?
        // The bytes stay in place while the reader is open, which is as long as the closure runs.
        unsafe file.bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, let reader = unsafe unit_reader_open(start, bytes.count, &isMissing)
            else { return }
            defer { unsafe unit_reader_close(reader) }
            var ranges: [UnitRange] = []
            var (text, first, end) = unsafe (nil as UnsafePointer<CChar>?, 0 as UInt64, 0 as UInt64)
            while unsafe unit_reader_next(reader, &text, &first, &end) != 0 {
                // A name is a string of the debugging information, which is there.
                let name = unsafe text.map { unsafe String(cString: $0) } ?? "(no name)"
                if end > first { ranges.append(UnitRange(name: CompileUnits.stable(name), start: first, end: end)) }
            }
            found = ranges
        }
        if let found, !found.isEmpty { return found }
        throw isMissing != 0
            ? Failure("libdw, which reads compile units, is missing: install libdw1, or elfutils", status: 1)
            : Failure(
                "\(printable(name)) has no debugging information with compile units: build it with -g, or say --debug-file",
                status: 1)
    }

    /// `name` without rustc's suffix for each part of a crate: `src/main.rs/@/3xgv` and the like.
    static func stable(_ name: String) -> String {
        guard let mark = name.firstRange(of: "/@/") else { return name }
        return String(name[..<mark.lowerBound])
    }
}
