// Sizes by section, segment, symbol, crate or compile unit.

import ArgumentParser
import Bytes
import Diagnostics

struct SizesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sizes", abstract: "Shows sizes by section, segment, symbol, crate or compile unit.",
        discussion: """
              loader-inspect sizes app
              loader-inspect sizes --by crate app
              loader-inspect sizes --by unit --debug-file app.debug app
              loader-inspect sizes --by symbol --json app | jq '.rows[:10]'

            Every byte counts once; one that belongs to no symbol or unit is listed under its section, in brackets. A crate is the \
            first part of a Rust function's path. For compile units only the size of code is known; it needs libdw and debugging \
            information.

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    @Option(help: "The kind of part.")
    var by = SizeKind.section
    @Option(help: "The file with symbols and lines, if this one is stripped.", completion: .file())
    var debugFile: String?

    mutating func validate() throws {
        guard debugFile != nil else { return }
        if files.files.count > 1 { throw ValidationError("--debug-file is for one file") }
        if by == .section || by == .segment { throw ValidationError("--debug-file is for --by symbol, crate and unit") }
    }

    func run() throws {
        try files.forEachInput { file, input, name, output in
            let sizes = try FileSizes(file)
            let breakdown: SizeBreakdown
            var remark = ""
            switch by {
            case .section, .segment: breakdown = sizes.breakdown(bySegment: by == .segment)
            case .symbol, .crate:
                let debug = try DebugFile.of(input, path: name, given: debugFile)
                breakdown = try sizes.breakdown(
                    byCrate: by == .crate, symbolsOf: FileSizes(ByteView(debug.input.bytes)))
                remark = debug.remark
            case .unit:
                guard !sizes.isObject else {
                    throw Failure(
                        "the compile units of an object file have no addresses yet: link it, or ask --by symbol")
                }
                let debug = try DebugFile.of(input, path: name, given: debugFile)
                breakdown = try sizes.breakdown(CompileUnits.ranges(debug.input, name))
                remark = debug.remark
            }
            list(breakdown, to: files.destination(name, input, output))
            if !remark.isEmpty { Progress.shared.tell(remark) }
            return 0
        }
    }

    private func list(_ breakdown: SizeBreakdown, to destination: ViewTarget) {
        var columns = [
            Column("fileSize", "in file", 11, right: true), Column("memorySize", "in memory", 11, right: true),
        ]
        if !destination.json { columns.append(Column("share", "share", 6, right: true)) }
        columns.append(Column("name", "name", 16))
        var listing = destination.listing(
            "sizes", columns,
            facts: [
                ("by", JSONSchema.string(by.rawValue)), ("fileSize", "\(breakdown.file)"),
                ("memorySize", "\(breakdown.memory)"),
            ])
        // The size in memory, or in the file for files that are never loaded as they are.
        let isOfMemory = breakdown.memory > 0
        let whole = isOfMemory ? breakdown.memory : breakdown.file
        func row(_ part: SizedPart, _ name: String) {
            listing.decimal(part.file)
            listing.decimal(part.memory)
            if !destination.json { listing.text(share(isOfMemory ? part.memory : part.file, of: whole)) }
            listing.text(name)
        }
        for part in breakdown.parts { row(part, destination.json ? part.name : printable(part.name)) }
        if !destination.json {
            row(SizedPart(name: "", file: breakdown.file, memory: breakdown.memory), "all of it")
        }
        listing.end()
    }

    /// A percentage with one decimal place.
    private func share(_ part: UInt64, of whole: UInt64) -> String {
        guard whole > 0 else { return "-" }
        let tenths = Int((Double(part) / Double(whole) * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }
}

/// The kinds of part.
enum SizeKind: String, CaseIterable, ExpressibleByArgument {
    case section, segment, symbol, crate, unit
}
