// The properties of `diff` that scripts and people rely on.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DiffTests {
    @Test func statusIsThatOfTheNewFile() async throws {
        let folder = try Folder.withSamples()
        let expected: [([String], Int32)] = [
            (["undefined", "application"], 0), (["application", "undefined"], 1), (["application", "truncated"], 2),
            (["truncated", "application"], 0), (["application", "absent"], 64), (["application"], 64),
            (["-", "-"], 64),
        ]
        for (words, status) in expected {
            #expect(try await Tool.run(["diff"] + words, in: folder.url).status == status, "\(words)")
        }
    }

    @Test func standardInputIsEitherSide() async throws {
        let folder = try Folder()
        try folder.write("new", Sample.rebuilt)
        let run = try await Tool.run(["diff", "-", "new"], in: folder.url, input: Sample.built)
        #expect(run.status == 0)
        #expect(run.output.contains("  old          -: boots\n"))
    }

    /// The changes add up to the difference of the sizes, on real files, and nothing appears twice.
    @Test func nothingIsLost() async throws {
        let files = ["/usr/bin/readelf", "/usr/bin/objdump"]
        let run = try await Tool.run(["diff", "--json"] + files)
        let document = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        for (index, side) in ["old", "new"].enumerated() {
            let listed = try await Tool.run(["sections", "--json", files[index]])
            let rows = try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [String: Any]
            var sizes: [String: UInt64] = [:]
            for row in rows?["rows"] as? [[String: Any]] ?? [] where row["type"] as? String != "NULL" {
                let size = (row["size"] as? String).flatMap { UInt64($0.dropFirst(2), radix: 16) }
                sizes[try #require(row["name"] as? String), default: 0] += try #require(size)
            }
            let sections = try #require(document["sections"] as? [String: Any])
            let changes = try #require(sections["changes"] as? [[String: Any]])
            for change in changes {
                let name = try #require(change["name"] as? String)
                #expect(sizes.removeValue(forKey: name) == (change[side] as? NSNumber)?.uint64Value, "\(name)")
            }
            #expect(sizes.count == sections["unchanged"] as? Int)
        }
    }

    @Test func partsWithoutAName() async throws {
        let folder = try Folder()
        try folder.write("old", Sample.adding([("", 1, 0, 8), (".data", 1, 0, 4)], to: Sample.application))
        try folder.write("new", Sample.adding([("", 1, 0, 16), (".data", 1, 0, 4)], to: Sample.application))
        let run = try await Tool.run(["diff", "old", "new"], in: folder.url)
        #expect(run.output.contains("+8         16         24  (no name)\n"), "\(run.output)")
    }

    @Test func allShowsEverything() async throws {
        let folder = try Folder()
        try folder.write("old", withSymbols(30) { $0 + 1 })
        try folder.write("new", withSymbols(40) { $0 % 3 == 0 ? $0 + 1 : $0 * $0 + 1 })
        let short = try await Tool.run(["diff", "old", "new"], in: folder.url)
        let long = try await Tool.run(["diff", "--all", "old", "new"], in: folder.url)
        // Of the first 30, 0 and 1 are their own squares, and nine others are divisible by 3.
        #expect(short.output.contains("symbols: 19 grown (+"))
        #expect(short.output.contains(", 10 new (+"))
        #expect(short.output.hasSuffix("  and 19 more (--all shows them)\n"))
        #expect(!long.output.contains("--all"))
        // The largest difference comes first.
        let numbers = long.output.split(separator: "\n").drop { !$0.hasPrefix("symbols") }.dropFirst()
            .compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
        #expect(numbers.count == 29)
        #expect(numbers.map(abs) == numbers.map(abs).sorted(by: >))
    }

    private func withSymbols(_ count: UInt64, _ size: (UInt64) -> UInt64) -> [UInt8] {
        var writer = ELFWriter()
        for index in 0..<count { writer.addSymbol("symbol\(index)", value: writer.entry, size: size(index)) }
        writer.setDynamic(writer.symbolEntries())
        writer.addNotes(hermitNote(4))
        return writer.bytes
    }

    /// Symbols that differ only by promotion or mangling are the same.
    @Test func namesThatChangeWithEachBuild() async throws {
        let folder = try Folder()
        let pairs = [
            ("_ZN1a1b17h0123456789abcdefE", "_ZN1a1b17hfedcba9876543210E", true), ("a.llvm.12", "a.llvm.345", true),
            ("_ZN1a1b17h0123456789abcdefE.llvm.7", "_ZN1a1b17h0123456789abcdeeE.llvm.8", true),
            ("_ZN1a1b17h0123456789abcdeFE", "_ZN1a1b17h0123456789abcdeGE", false), ("17h0123456789abcdefE", "x", false),
            (".llvm.", ".llvm.1", false), ("a.llvm.", "a", false),
        ]
        for (old, new, areSame) in pairs {
            for (file, name) in [("old", old), ("new", new)] {
                var writer = ELFWriter()
                writer.addSymbol(name, value: writer.entry, size: 4)
                writer.setDynamic(writer.symbolEntries())
                writer.addNotes(hermitNote(4))
                try folder.write(file, writer.bytes)
            }
            let run = try await Tool.run(["diff", "old", "new"], in: folder.url)
            #expect(run.output.contains("symbols: all 1 as before\n") == areSame, "\(old), \(new)")
        }
    }
}
