// Unsafe code is confined to a few files, and does not grow unnoticed.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct UnsafeCodeTests {
    static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources")

    /// The pure modules, which read what comes from outside.
    static let modules = [
        "Architecture", "Boot", "Bytes", "Diagnostics", "ELF", "HermitEntry", "HermitImage", "Firmware", "Linking",
        "Memory", "UEFI",
    ]

    /// How many lines of a file hold the keyword `unsafe`, comments left out. A file that is not listed has none.
    static let expected = [
        "Boot/BootSequence.swift": 3, "Boot/ImageOpening.swift": 2,
        "Bytes/ByteRegion.swift": 45, "Bytes/ByteView.swift": 14, "Bytes/RecordSums.swift": 50,
        "Diagnostics/FaultDetails.swift": 1,
        "Diagnostics/Text.swift": 4, "Diagnostics/TextSink.swift": 1,
    ]

    @Test func `every unsafe expression of the pure modules is in a listed file`() throws {
        var found: [String: Int] = [:]
        for module in Self.modules {
            let folder = Self.sources.appendingPathComponent(module)
            for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) where name.hasSuffix(".swift")
            {
                let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                let lines = text.split(separator: "\n").filter { line in
                    let code = line.range(of: "//").map { line[..<$0.lowerBound] } ?? line
                    return code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.contains("unsafe")
                }
                if !lines.isEmpty { found["\(module)/\(name)"] = lines.count }
            }
        }
        #expect(found == Self.expected)
    }

    @Test func `every pure module is built with strict memory safety`() throws {
        let manifest = try String(
            contentsOf: Self.sources.deletingLastPathComponent().appendingPathComponent("Package.swift"),
            encoding: .utf8)
        #expect(manifest.contains(".strictMemorySafety()"))
        for module in Self.modules {
            let start = try #require(manifest.range(of: ".target(name: \"\(module)\""))
            let end = try #require(manifest[start.upperBound...].firstIndex(of: "\n"))
            #expect(manifest[start.upperBound..<end].contains("swiftSettings: pure"), "\(module)")
        }
    }
}
