// Every view of the samples, compared with its golden file.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct GoldenTests {
    static let views = [
        "verdict", "header", "segments", "sections", "symbols", "relocations", "notes", "dynamic", "versions", "sizes",
        "bootinfo", "pages",
    ]

    @Test(arguments: views) func text(_ view: String) async throws {
        try await check("application", Sample.application, view, [])
    }

    /// The pictures and the judgements, of a file of each kind.
    @Test(arguments: ["verdict", "map"]) func judgements(_ view: String) async throws {
        for sample in Sample.all { try await check(sample.name, sample.bytes, view, []) }
    }

    /// Every view of a truncated file ends with the same sentence, except that of the header, which is complete.
    @Test(arguments: views.filter { !["header", "verdict"].contains($0) }) func truncated(_ view: String) async throws {
        let folder = try Folder()
        try folder.write("truncated", Sample.truncated)
        let run = try await Tool.run([view, "truncated"], in: folder.url)
        #expect(run.status == 2 && run.output.isEmpty, "\(run)")
        let sentence = "ELF header: the program headers end at 0x120, beyond the file's end at 0x64; "
        #expect(run.errors.contains("truncated: error: \(sentence)the file was cut short"), "\(run)")
    }

    @Test(arguments: views) func json(_ view: String) async throws {
        try await check("application", Sample.application, view, ["--json"])
    }

    @Test func whatIsLeft() async throws { try await check("truncated", Sample.truncated, "header", []) }

    @Test func otherMachines() async throws {
        try await check("application", Sample.application, "pages", ["--machine", "microvm", "--memory", "8G"])
        try await check("fixed", Sample.fixed, "verdict", ["--machine", "q35", "--protocol", "pvh", "--memory", "64M"])
        try await check("fixed", Sample.fixed, "verdict", ["--memory", "16M"])
        try await check("application", Sample.application, "relocations", ["--base", "0x200000"])
    }

    @Test func otherWidthsAndForms() async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let wide = try await Tool.run(["map", "--width", "200", "application"], in: folder.url)
        #expect(wide.output.split(separator: "\n").allSatisfy { $0.count <= 200 })
        try compare(wide.output, with: "application.map.width.200")
        let drawn = try await Tool.run(["map", "--output", "map.svg", "application"], in: folder.url)
        #expect(drawn.status == 0 && drawn.output.isEmpty)
        let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.svg"), encoding: .utf8)
        try compare(drawing, with: "application.map.svg")
    }

    @Test func objectFiles() async throws {
        for view in ["verdict", "relocations"] { try await check("object", Sample.object, view, ["--json"]) }
        try await check("object", Sample.object, "relocations", [])
        try await check("object", Sample.object, "relocations", ["--base", "0x200000"])
    }

    @Test func differences() async throws {
        let folder = try Folder.withSamples()
        try folder.write("built", Sample.built)
        try folder.write("rebuilt", Sample.rebuilt)
        let pairs = [
            ["built", "rebuilt"], ["rebuilt", "built"], ["application", "application"], ["application", "undefined"],
            ["truncated", "fixed"], ["--json", "built", "rebuilt"],
        ]
        for words in pairs {
            let run = try await Tool.run(["diff"] + words, in: folder.url)
            let name = ["diff"] + words.map { $0.replacingOccurrences(of: "--", with: "") }
            try compare(run.output + run.errors + "status \(run.status)\n", with: name.joined(separator: "."))
        }
    }

    @Test func explanations() async throws {
        for subject in ["3", "GLOB_DAT", "GOTPCREL", "segmentsOverlap"] {
            let run = try await Tool.run(["explain", subject])
            #expect(run.status == 0)
            try compare(run.output, with: "explain.\(subject)")
        }
    }

    /// Runs `view`, and compares its output and status.
    private func check(_ name: String, _ bytes: [UInt8], _ view: String, _ options: [String]) async throws {
        let folder = try Folder()
        try folder.write(name, bytes)
        let run = try await Tool.run([view] + options + [name], in: folder.url)
        let words = options.map { $0.replacingOccurrences(of: "--", with: "") }
        let text = run.output + run.errors + "status \(run.status)\n"
        // Errors, the loader's own lines and digests are not wrapped.
        let whole = ["error: ", "[LOADER]", "SHA-256"]
        // Rows of object files' relocations may be wider.
        let isWide = name == "object" && view == "relocations"
        for line in text.split(separator: "\n") where options != ["--json"] && !isWide {
            #expect(line.last != " ", "ends with a blank: \(line)")
            #expect(line.count <= 80 || whole.contains { line.contains($0) }, "beyond column 80: \(line)")
        }
        try compare(text, with: ([name, view] + words).joined(separator: "."))
    }

    private func compare(_ text: String, with name: String) throws {
        let file = Tool.root.appendingPathComponent("Tests/InspectionTests/Golden/\(name)")
        if ProcessInfo.processInfo.environment["REWRITE_GOLDEN"] != nil {
            try Data(text.utf8).write(to: file)
            return
        }
        let expected = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        #expect(
            text == expected,
            "\(name) differs; where that is meant, rewrite it: REWRITE_GOLDEN=1 swift test --filter InspectionTests")
    }
}
