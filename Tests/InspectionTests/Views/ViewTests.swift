// Views that only list: files for other machines, orders, JSON arrays; and a build server's comparison of two builds.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ViewTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        for sample in Sample.all + [("built", Sample.built), ("rebuilt", Sample.rebuilt)] {
            try folder.write(sample.0, sample.1)
        }
    }

    private func rows(_ words: [String]) async throws -> [[String: Any]] {
        let run = try await Tool.run(words + ["--json"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        return try #require(document?["rows"] as? [[String: Any]], "\(run)")
    }

    // MARK: Other machines

    /// The same fields at the offsets of the other class, in the other byte order.
    @Test func headersOfEitherClassAndOrder() async throws {
        // gABI, chapter "ELF Header": an ELF32 file for PowerPC, big endian, and the same in the other byte order.
        let fields: [(UInt32, Int)] = [
            (0x0002, 2), (20, 2), (1, 4), (0x1234_5678, 4), (52, 4), (0xabcd, 4), (0x8000_0001, 4), (52, 2), (32, 2),
            (3, 2),
            (40, 2), (9, 2), (8, 2),
        ]
        for isBig in [true, false] {
            var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 1, isBig ? 2 : 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            for (value, size) in fields {
                let little = (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
                bytes += isBig ? little.reversed() : little
            }
            try folder.write("other", bytes)
            let values = try await rows(["header", "other"]).dropFirst(7).map { $0["value"] as? String }
            #expect(values == fields.map { "0x" + String($0.0, radix: 16) })
            let meaning = try await rows(["header", "other"])[8]["meaning"] as? String
            #expect(meaning == "PowerPC")
            // Of a file that ends early the existing fields are shown.
            try folder.write("short", Array(bytes.prefix(19)))
            #expect(try await rows(["header", "short"]).count == 8)
        }
        let none = try await Tool.run(["header", "absent", "short"], in: folder.url)
        #expect(none.status == 64)
        try folder.write("text", Array("text".utf8))
        #expect(try await Tool.run(["header", "text"], in: folder.url).status == 2)
    }

    /// AArch64 and RISC-V have the same class and byte order: views that only list work.
    @Test(arguments: ["segments", "sections", "symbols", "notes", "dynamic"])
    func otherMachinesAreListed(_ view: String) async throws {
        // Without section headers, symbols are found by x86-64's relocations.
        let (name, sample) = view == "symbols" ? ("object", Sample.object) : ("application", Sample.application)
        for machine in [183, 243] as [UInt8] {
            var bytes = sample
            bytes[18] = machine
            try folder.write("other", bytes)
            let other = try await Tool.run([view, "other"], in: folder.url)
            let own = try await Tool.run([view, name], in: folder.url)
            #expect(other.status == own.status && other.output == own.output, "\(other)")
        }
        var bytes = Sample.application
        bytes[18] = 183
        try folder.write("other", bytes)
        let verdict = try await Tool.run(["other"], in: folder.url)
        #expect(
            verdict.status == 1 && verdict.output.contains("kind         ET_DYN") && verdict.output.contains(" LOAD "))
    }

    /// A tag without a name, such as the one that the gABI leaves out, has its number.
    @Test func dynamicTags() async throws {
        var writer = ELFWriter()
        writer.setDynamic([(30, 1), (31, 0), (32, 0), (37, 8), (38, 0), (0x6fff_fffb, 0), (0x7fff_fffd, 0)])
        try folder.write("tags", writer.bytes)
        let names = try await rows(["dynamic", "tags"]).map { $0["name"] as? String }
        #expect(
            names == ["FLAGS", "0x1f", "PREINIT_ARRAY", "RELRENT", "0x26", "FLAGS_1", "0x7ffffffd", "NULL"], "\(names)")
    }

    // MARK: Orders

    @Test(arguments: ["built", "application"]) func symbolsAreSorted(_ name: String) async throws {
        let all = try await rows(["symbols", name])
        #expect(all.count > 2)
        func column(_ key: String, by order: String) async throws -> [String] {
            let sorted = try await rows(["symbols", "--sort", order, name])
            // The same rows, each once.
            #expect(Set(sorted.map { "\($0)" }).count == Set(all.map { "\($0)" }).count && sorted.count == all.count)
            return sorted.map { "\($0[key] ?? "")" }
        }
        let sizes = try await column("size", by: "size").compactMap { UInt64($0) }
        #expect(sizes.count == all.count && sizes == sizes.sorted(by: >))
        let addresses = try await column("value", by: "address").compactMap { UInt64($0.dropFirst(2), radix: 16) }
        #expect(addresses.count == all.count && addresses == addresses.sorted())
        let names = try await column("name", by: "name").map { $0 == "<null>" ? "" : $0 }
        #expect(names.count == all.count && names == names.sorted())
        let text = try await Tool.run(["symbols", name], in: folder.url)
        #expect(try await Tool.run(["symbols", "--sort", "file", name], in: folder.url).output == text.output)
        #expect(try await Tool.run(["symbols", "--sort", "weight", name], in: folder.url).status == 64)
    }

    /// The text has the fields that JSON has.
    @Test func wideSections() async throws {
        let narrow = try await Tool.run(["sections", "object"], in: folder.url).output
        let wide = try await Tool.run(["sections", "--wide", "object"], in: folder.url).output
        #expect(!narrow.contains(" link ") && wide.hasPrefix("   # type"))
        #expect(
            wide.split(separator: "\n")[0].split(separator: " ").suffix(5) == ["link", "info", "entry", "seg", "name"])
        let rela = try #require(try await rows(["sections", "object"]).first { $0["type"] as? String == "RELA" })
        let line = try #require(wide.split(separator: "\n").first { $0.contains(" RELA ") }).split(separator: " ")
        #expect(line.suffix(5) == ["\(rela["link"] ?? "")", "\(rela["info"] ?? "")", "0x18", "-", ".rela.text"])
    }

    // MARK: JSON

    /// Refused files are no elements, and an array without elements is still an array.
    @Test(arguments: ["segments", "verdict", "relocations"]) func oneArray(_ view: String) async throws {
        for names in [["application"], ["application", "truncated", "object"], ["absent"], ["absent", "application"]] {
            let run = try await Tool.run([view, "--json-array"] + names, in: folder.url)
            let documents = try #require(
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]])
            let single = try await Tool.run([view, "--json"] + names, in: folder.url)
            #expect(documents.count == single.output.components(separatedBy: "\"schema\"").count - 1)
            #expect(run.status == single.status && run.errors == single.errors)
            #expect(documents.first.map { $0["file"] as? String } == (names == ["absent"] ? nil : "application"))
        }
    }

    // MARK: Width

    @Test func verdictsAreAsWideAsTheTerminal() async throws {
        for (columns, range) in [(60, 50...59), (100, 85...99), (200, 100...119), (20, 30...79)] {
            let text = try await Tool.terminal("stty cols \(columns); \"$tool\" --color never application", in: folder)
            // Lines of sentences begin with a label, or are indented below one; segments have a table of their own.
            let lines = text.components(separatedBy: "\r\n").prefix { !$0.contains("# type") }
            let longest = lines.map(\.count).max() ?? 0
            #expect(range.contains(longest), "\(columns): \(longest)\n\(text)")
        }
    }

    // MARK: Build servers

    @Test(arguments: [
        ("0", 3), ("1", 3), ("1K", 0), ("1000000", 0), ("0.01%", 3), ("99%", 0), ("2KiB", 0), ("", 64), ("-1", 64),
        ("1T", 64),
        ("5 %", 64),
    ])
    func growthIsLimited(_ limit: String, _ status: Int32) async throws {
        let run = try await Tool.run(["diff", "--fail-above", limit, "built", "rebuilt"], in: folder.url)
        #expect(run.status == status, "\(run.errors)")
        #expect(
            run.errors.contains("rebuilt: the image has grown from 2448 to 2904 bytes") == (status == 3),
            "\(run.errors)")
        guard status != 64 else { return }
        // A part that shrinks or stays has not grown.
        #expect(try await Tool.run(["diff", "--fail-above", limit, "built", "built"], in: folder.url).status == 0)
        #expect(try await Tool.run(["diff", "--fail-above", limit, "built", "truncated"], in: folder.url).status == 2)
    }

    /// The image may grow by zeros while the file does not.
    @Test func growthOfTheImage() async throws {
        var bytes = Sample.application
        // p_memsz of the last PT_LOAD.
        let headers = Int(littleEndian: bytes, at: 32)
        let count = Int(bytes[56])
        let last = try #require((0..<count).map { headers + 56 * $0 }.last { bytes[$0] == 1 })
        bytes[last + 42] += 1
        try folder.write("larger", bytes)
        let run = try await Tool.run(["diff", "--fail-above", "4K", "application", "larger"], in: folder.url)
        #expect(run.status == 3 && run.errors.contains("larger: the image has grown from"), "\(run)")
    }

    @Test func markdown() async throws {
        let run = try await Tool.run(["diff", "--markdown", "built", "rebuilt"], in: folder.url)
        #expect(run.status == 0)
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        #expect(lines[0] == "### `rebuilt` boots")
        // Every table has as many cells in each row as in its head.
        for (index, line) in lines.enumerated() where line.hasPrefix("|---") {
            let cells = line.split(separator: "|").count
            #expect(cells == 4)
            for row in [lines[index - 1]] + lines[(index + 1)...].prefix(while: { $0.hasPrefix("|") }) {
                #expect(row.replacing("\\|", with: "").filter { $0 == "|" }.count == cells + 1, "\(row)")
            }
        }
        #expect(lines.contains { $0.hasPrefix("| `data` | 64 | 96 | +32 |") }, "\(run.output)")
        #expect(try await Tool.run(["diff", "--markdown", "--json", "built", "rebuilt"], in: folder.url).status == 64)
        let hostile = try #require("a|b`c<d>".data(using: .utf8))
        try folder.write(String(decoding: hostile, as: UTF8.self), Sample.rebuilt)
        let odd = try await Tool.run(["diff", "--markdown", "built", "a|b`c<d>"], in: folder.url)
        #expect(odd.output.hasPrefix("### `a\\|b'c<d>` boots\n"), "\(odd.output)")
    }
}

extension Int {
    /// The 64-bit number at `offset` of `bytes`.
    fileprivate init(littleEndian bytes: [UInt8], at offset: Int) {
        self = (0..<8).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
}
