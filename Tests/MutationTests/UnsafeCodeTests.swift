// Unsafe code is confined to a few files, and does not grow unnoticed.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct UnsafeCodeTests {
    static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Sources")

    /// The pure modules, which read foreign bytes.
    static let modules = [
        "Architecture", "Boot", "Bytes", "Diagnostics", "ELF", "HermitEntry", "HermitImage", "Firmware", "Linking",
        "Memory", "UEFI",
    ]

    /// The number of lines of a file with the keyword `unsafe`, without comments. A file that is not listed has none.
    static let expected = [
        "Boot/BootSequence.swift": 3, "Boot/ImageOpening.swift": 2,
        "Bytes/ByteRegion.swift": 45, "Bytes/ByteView.swift": 14, "Bytes/RecordSums.swift": 50,
        "Bytes/UnownedBytes.swift": 6,
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

    /// Underscored API of the standard library may change with any compiler, so only Bytes and Machine use it.
    @Test func `spans over memory that nothing owns are made in two modules`() throws {
        for name in try FileManager.default.subpathsOfDirectory(atPath: Self.sources.path)
        where name.hasSuffix(".swift") && !name.hasPrefix("Bytes/") && !name.hasPrefix("Machine/") {
            let text = try String(contentsOf: Self.sources.appendingPathComponent(name), encoding: .utf8)
            for word in ["_unsafeStart", "_unsafeBytes", "_unsafeElements", "_overrideLifetime", "_mutatingExtracting"]
            {
                #expect(!text.contains(word), "\(name): \(word)")
            }
        }
    }

    /// A test in an endless loop is reported by name.
    @Test func `every suite has a time limit`() throws {
        let tests = Self.sources.deletingLastPathComponent().appendingPathComponent("Tests")
        var count = 0
        for name in try FileManager.default.subpathsOfDirectory(atPath: tests.path) where name.hasSuffix(".swift") {
            let text = try String(contentsOf: tests.appendingPathComponent(name), encoding: .utf8)
            for suite in "\n\(text)".components(separatedBy: "\n@Suite").dropFirst() {
                let traits = suite.components(separatedBy: "struct ")[0]
                #expect(traits.contains(".timeLimit("), "\(name): \(traits)")
                count += 1
            }
        }
        #expect(count > 100)
    }

    @Test func `every pure module is built with strict memory safety`() throws {
        let manifest = try String(
            contentsOf: Self.sources.deletingLastPathComponent().appendingPathComponent("Package.swift"),
            encoding: .utf8)
        #expect(manifest.contains(".strictMemorySafety()"))
        for module in Self.modules {
            // A target may have a line of its own or several.
            let target = try Regex("\\.target\\(\\s*name: \"\(module)\",[^)]*swiftSettings: pure\\)")
            #expect(manifest.contains(target), "\(module)")
        }
    }
}
