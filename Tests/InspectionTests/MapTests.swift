// The picture of files that mean no good: whatever they contain, it is a picture or one sentence.

import Foundation
import FoundationXML
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MapTests {
    @Test func namesCannotLeaveTheirPlace() async throws {
        let folder = try Folder()
        let name = "a<b>&\"\u{1b}[31m\u{202e}c"
        try folder.write(name, Sample.application)
        let text = try await Tool.run(["map", name], in: folder.url)
        #expect(text.status == 0)
        #expect(text.output.contains("a<b>&\"?[31m?c\n"))
        for form in ["svg", "html"] {
            #expect(try await Tool.run(["map", "--output", "map.\(form)", name], in: folder.url).status == 0)
            let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.\(form)"), encoding: .utf8)
            // Only browsers know custom properties.
            #expect(!drawing.contains("var("))
            #expect(drawing.contains("<title>a&lt;b&gt;&amp;&quot;?[31m?c</title>"))
            #expect(!drawing.unicodeScalars.contains { $0 == "\u{1b}" || $0 == "\u{202e}" })
        }
    }

    @Test func sectionNamesCannotLeaveTheirPlace() async throws {
        let folder = try Folder()
        try folder.write("app", Self.withSection(named: "<script>\u{1b}]&amp;"))
        let run = try await Tool.run(["map", "app"], in: folder.url)
        #expect(run.status == 0)
        #expect(run.output.contains("<script>?]&amp;"))
        #expect(try await Tool.run(["map", "--output", "map.svg", "app"], in: folder.url).status == 0)
        let drawing = try Data(contentsOf: folder.url.appendingPathComponent("map.svg"))
        #expect(String(decoding: drawing, as: UTF8.self).contains(">&lt;script&gt;?]&amp;amp;</text>"))
        #expect(XMLParser(data: drawing).parse())
    }

    /// A section header table whose every field is one that hurts: where the picture is drawn, sections are not believed.
    @Test(arguments: [0, 1, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_fff0] as [UInt64])
    func sectionsAreNotBelieved(_ value: UInt64) async throws {
        let folder = try Folder()
        let file = Self.withSection(named: "name")
        let table = Int(file.number(UInt64.self, at: 40))
        for field in [8, 16, 24, 32, 40, 48, 56] {
            try folder.write("app", file.putting(value, at: table + 64 + field))
            let run = try await Tool.run(["map", "app"], in: folder.url)
            #expect(run.status == 0, "field \(field): \(run.errors)")
        }
        for field in [40, 56] {
            try folder.write("app", file.putting(value, at: field))
            let run = try await Tool.run(["map", "app"], in: folder.url)
            // What a header of huge numbers leads to is for other tests to say; here, that it ends with a status.
            #expect((0...2).contains(run.status), "field \(field): \(run.errors)")
        }
    }

    @Test func manySectionsAreTakenTogether() async throws {
        let folder = try Folder()
        try folder.write("app", Self.withSection(named: "part", count: 20_000))
        let run = try await Tool.run(["map", "app"], in: folder.url)
        #expect(run.status == 0)
        #expect(run.output.contains(" parts)"))
        #expect(run.output.split(separator: "\n").count < 200)
    }

    /// Common symbols follow the sections of an object file, where there are any, and the GOT follows them.
    @Test(arguments: [0, 1, 3], [2, 3]) func commonSymbols(_ count: Int, _ flags: UInt64) async throws {
        let folder = try Folder()
        var file = ObjectFile()
        file.symbols = [ObjectSymbol(name: "_start", size: 4, info: 0x12, section: 1)]
        file.symbols += (0..<count).map { ObjectSymbol(name: "common\($0)", value: 32, size: 40, section: 0xfff2) }
        file.sections = [
            ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0x90, count: 24)),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4)),
            ObjectSection(name: ".data", flags: flags, bytes: [1]),
        ]
        try folder.write("app.o", file.bytes)
        let run = try await Tool.run(["map", "app.o"], in: folder.url)
        #expect(run.status == 0, "\(run.errors)")
        func start(_ name: String) -> Int? {
            let row = run.output.split(separator: "\n").first { $0.hasSuffix(" \(name)") }
            return row?.firstMatch(of: #/ 0x([0-9a-f]+) /#).flatMap { Int($0.1, radix: 16) }
        }
        #expect(run.output.contains(" \(count * 64 - 24) B     common symbols\n") == (count > 0), "\(run.output)")
        #expect(
            start("common symbols").map { ($0 + count * 64 - 24 + 15) & ~15 }
                == (count > 0 ? start("GOT and stubs") : nil))
    }

    /// Of a path that is too long its end is shown, which tells files apart.
    @Test func longNames() async throws {
        let folder = try Folder()
        let directory = String(repeating: "d", count: 100)
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent(directory), withIntermediateDirectories: false)
        try folder.write(directory + "/app", Sample.application)
        let text = try await Tool.run(["map", directory + "/app"], in: folder.url)
        #expect(text.output.hasPrefix("\n…\(directory.prefix(75))/app\n"), "\(text.output.prefix(200))")
        #expect(try await Tool.run(["map", "-o", "map.svg", directory + "/app"], in: folder.url).status == 0)
        let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.svg"), encoding: .utf8)
        #expect(drawing.contains(">…\(directory.prefix(65))/app</text>"))
    }

    @Test func wrongUse() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        for options in [["--output", "map.png"], ["--width", "79"]] {
            #expect(try await Tool.run(["map"] + options + ["app"], in: folder.url).status == 64)
        }
    }

    /// The sample with `count` sections of four bytes after everything else.
    private static func withSection(named name: String, count: Int = 1) -> [UInt8] {
        var file = Sample.application
        func align() { file += [UInt8](repeating: 0, count: (8 - file.count % 8) % 8) }
        func header(_ name: UInt32, _ type: UInt32, _ offset: Int, _ size: Int) -> [UInt8] {
            let words = [0, 0, UInt64(offset), UInt64(size), 0, 1, 0]
            return littleEndian(name) + littleEndian(type) + words.flatMap { littleEndian($0) }
        }
        align()
        let names = file.count
        file += [0] + Array(name.utf8) + [0]
        let namesSize = file.count - names
        align()
        let bytes = file.count
        file += [UInt8](repeating: 1, count: count * 4)
        align()
        let table = file.count
        file += header(0, 0, 0, 0)
        for index in 0..<count { file += header(1, 1, bytes + index * 4, 4) }
        file += header(0, 3, names, namesSize)
        file = file.putting(UInt64(table), at: 40)
        file = file.putting(UInt16(64), at: 58)
        file = file.putting(UInt16(count + 2), at: 60)
        return file.putting(UInt16(count + 1), at: 62)
    }
}
