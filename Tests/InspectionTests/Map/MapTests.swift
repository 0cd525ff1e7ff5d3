// The picture of hostile files: the result is a picture or one sentence, for any content.

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

    /// A section header table of extreme values in every field: the picture does not rely on sections.
    /// The second number is the status for a file header with that value in place of the numbers and sizes of its tables.
    @Test(
        arguments: [
            (0, 1), (1, 0), (0x7fff_ffff_ffff_ffff, 1), (0x8000_0000_0000_0000, 1), (0xffff_ffff_ffff_fff0, 2),
        ] as [(UInt64, Int32)])
    func sectionsAreNotBelieved(_ value: UInt64, _ status: Int32) async throws {
        let folder = try Folder()
        let file = Self.withSection(named: "name")
        let table = Int(file.number(UInt64.self, at: 40))
        for field in [8, 16, 24, 32, 40, 48, 56] {
            try folder.write("app", file.putting(value, at: table + 64 + field))
            let run = try await Tool.run(["map", "app"], in: folder.url)
            #expect(run.status == 0, "field \(field): \(run.errors)")
        }
        for (field, status) in [(40, 0), (56, status)] {
            try folder.write("app", file.putting(value, at: field))
            let run = try await Tool.run(["map", "app"], in: folder.url)
            #expect(run.status == status, "field \(field): \(run.errors)")
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

    /// Common symbols follow the sections of an object file, if there are any, and the GOT follows them.
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

    /// A long path is shortened to its end, which differs between files.
    // MARK: Files that do not boot

    /// Everything readable is drawn, whatever the fault; status and sentence are the verdict's.
    @Test func whatCanBeReadIsDrawn() async throws {
        let folder = try Folder()
        var files: [(String, [UInt8])] = [
            ("truncated", Sample.truncated), ("undefined", Sample.undefined), ("empty", []),
            ("text", Array("text".utf8)),
            ("magic", [0x7f, 0x45, 0x4c, 0x46]), ("arm", Sample.application.putting(183 as UInt16, at: 18)),
            ("class", Sample.application.putting(1 as UInt8, at: 4)),
        ]
        // Extreme values in each field of the second program header.
        let headers = Int(Sample.application.number(UInt64.self, at: 32))
        for field in [8, 16, 32, 40, 48] {
            for value in [1, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_fff0] as [UInt64] {
                files.append(("field \(field) \(value)", Sample.application.putting(value, at: headers + 56 + field)))
            }
        }
        for (name, bytes) in files {
            try folder.write(name, bytes)
            let map = try await Tool.run(["map", name], in: folder.url)
            let verdict = try await Tool.run([name], in: folder.url)
            #expect(map.status == verdict.status, "\(name): \(map.errors)")
            #expect(map.output.contains("\n\(name)\n"), "\(name): \(map.output)")
            if verdict.status != 0 {
                #expect(map.output.contains("  will not boot: ") && map.errors.contains("\(name): error: "), "\(map)")
            }
            #expect(try await Tool.run(["map", "-o", "map.svg", name], in: folder.url).status == verdict.status)
            #expect(
                XMLParser(data: try Data(contentsOf: folder.url.appendingPathComponent("map.svg"))).parse(), "\(name)")
        }
        let arm = try await Tool.run(["map", "arm"], in: folder.url).output
        #expect(arm.contains("ELF header") && arm.contains("(segment 0)"), "\(arm)")
    }

    // MARK: Forms

    /// A page has both drawings, each with its own patterns, and all parts and ranges in tables.
    @Test func pages() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.object)
        #expect(try await Tool.run(["map", "-o", "map.html", "app"], in: folder.url).status == 0)
        let page = try String(contentsOf: folder.url.appendingPathComponent("map.html"), encoding: .utf8)
        let identities = page.matches(of: #/ id="([^"]*)"/#).map { String($0.1) }
        #expect(identities.count == 22 && Set(identities).count == identities.count)
        for match in page.matches(of: #/url\(#([^)]*)\)/#) { #expect(identities.contains(String(match.1))) }
        for (form, option) in [("wide", []), ("narrow", ["--narrow"])] {
            #expect(try await Tool.run(["map", "-o", "map.svg"] + option + ["app"], in: folder.url).status == 0)
            let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.svg"), encoding: .utf8)
            #expect(drawing.contains("class=\"\(form)\"") && page.contains(drawing))
            // Nothing is drawn outside the edges.
            let width = form == "wide" ? 1000.0 : 400.0
            for match in drawing.matches(of: #/<rect class="[^"]*" x="([-0-9.]+)" y="[-0-9.]+" width="([0-9.]+)"/#) {
                let (x, size) = (try #require(Double(match.1)), try #require(Double(match.2)))
                #expect(x >= 0 && x + size <= width, "\(match.0)")
            }
        }
        #expect(page.contains("<caption>File and image</caption>") && page.contains("<td>.text</td><td>code</td>"))
        #expect(page.contains("<caption>The guest’s memory</caption>") && page.contains("<td>boot stack</td>"))
    }

    // MARK: Colours

    /// The fills of two kinds differ by pattern, or by a colour difference of at least 15 (CIE 1976): for every kind of colour vision, and
    /// in grey. The matrices are those of Machado, Oliveira and Fernandes (2009) for the severest form.
    @Test(arguments: ["light", "dark"]) func coloursCanBeToldApart(_ ground: String) async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        #expect(try await Tool.run(["map", "-o", "map.svg", "app"], in: folder.url).status == 0)
        let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.svg"), encoding: .utf8)
        var fills: [String: (color: String, pattern: String)] = [:]
        for match in drawing.matches(of: #/\.wide \.(?:ground-)?([A-Za-z]+)\{fill:(#[0-9a-f]{6})\}/#) {
            let name = String(match.1)
            // The rules for dark ground come later.
            if fills[name] == nil || ground == "dark" { fills[name] = (String(match.2), "") }
        }
        for match in drawing.matches(of: #/id="wide-([A-Za-z]+)".*?<path class="ink[^"]*" d="([^"]*)"/#) {
            fills[String(match.1)]?.pattern = String(match.2)
        }
        #expect(fills.count == 16)
        let eyes: [(String, [[Double]])] = [
            ("usual", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
            (
                "protanopia",
                [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
            ),
            (
                "deuteranopia",
                [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
            ),
            (
                "tritanopia",
                [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
            ),
            ("grey", [[Double]](repeating: [0.2126, 0.7152, 0.0722], count: 3)),
        ]
        let names = fills.keys.sorted()
        for (index, first) in names.enumerated() {
            for second in names[(index + 1)...] {
                guard let left = fills[first], let right = fills[second], left.pattern == right.pattern else {
                    continue
                }
                for (eye, matrix) in eyes {
                    let (one, other) = (try Self.lab(left.color, matrix), try Self.lab(right.color, matrix))
                    let difference = zip(one, other).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
                    #expect(difference >= 15, "\(first) and \(second), \(eye): \(difference)")
                }
            }
        }
    }

    /// CIELAB (D65) of an sRGB colour, as seen through `matrix`.
    private static func lab(_ color: String, _ matrix: [[Double]]) throws -> [Double] {
        let number = try #require(UInt32(color.dropFirst(), radix: 16))
        let linear = [16, 8, 0].map { shift -> Double in
            let value = Double(number >> shift & 0xff) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        let seen = matrix.map { row in min(max(zip(row, linear).map(*).reduce(0, +), 0), 1) }
        let white = [0.95047, 1, 1.08883]
        let weights = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        let xyz = zip(weights, white).map { row, white -> Double in
            let value = zip(row, seen).map(*).reduce(0, +) / white
            return value > 216.0 / 24389 ? cbrt(value) : (24389.0 / 27 * value + 16) / 116
        }
        return [116 * xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])]
    }

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
        #expect(drawing.contains(">…\(directory.prefix(83))/app</text>"))
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
