// The JSON of every view, checked against docs/loader-inspect.schema.json by an independent validator (python3-jsonschema).

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SchemaTests {
    static let views = GoldenTests.views

    /// A Python with the validator; nil if there is none, which fails the test: `make deps` installs it.
    private static let python = Task { () -> String? in
        for name in ["python3", "/usr/bin/python3"]
        where await Tool.other("env", [name, "-c", "import jsonschema"]) != nil { return name }
        return nil
    }

    /// Validates the documents in `text`; returns the number of valid ones, and a message about each other one.
    private func validate(_ text: String) async throws -> (valid: Int, messages: [Substring]) {
        let python = try #require(await Self.python.value, "make deps installs python3-jsonschema")
        let script = Tool.root.appendingPathComponent("Tests/InspectionTests/Listing/validate.py").path
        let schema = Tool.root.appendingPathComponent("docs/loader-inspect.schema.json").path
        let run = try await Tool.run(program: python, [script, schema], input: Array(text.utf8))
        let valid = try #require(Int(run.output.dropLast()), "\(run.errors)")
        let messages = run.errors.split(separator: "\n")
        #expect((run.status == 0) == messages.isEmpty)
        return (valid, messages)
    }

    /// Files of every kind: generated ones, those that the guest tests boot, and genuine images if there are any.
    private func files(in folder: Folder) throws -> [String] {
        var paths: [String] = []
        for sample in Sample.all + [("built", Sample.built), ("no ELF file", Array("#!/bin/sh".utf8)), ("empty", [])] {
            paths.append(try folder.write(sample.0, sample.1).path)
        }
        let fixtures = Tool.root.appendingPathComponent("build/fixtures")
        paths += [
            "demo", "demo-recursive", "gen0-pie", "gen2-16M", "reloc-every-dyn", "reloc-ifunc-dyn", "reloc-tlsdesc-dyn",
            "object-types.o", "object-pic.o", "object-sections.o", "object-crash.o",
        ].map { fixtures.appendingPathComponent($0).path }
        paths += ["hello_world", "hello_c"].map { Project.genuine($0).path }
        return paths.filter { FileManager.default.fileExists(atPath: $0) }
    }

    /// All views in one go; a message names the view.
    @Test func everyDocumentIsValid() async throws {
        let folder = try Folder()
        let files = try files(in: folder)
        var text = ""
        var expected = 0
        for view in Self.views {
            let run = try await Tool.run([view, "--json"] + files)
            text += run.output
            // The verdict accepts any file; files that the other views cannot read are named on standard error.
            let named = run.errors.split(separator: "\n").filter { $0.contains(": error: ") }.count
            expected += files.count - (view == "verdict" ? 0 : named)
        }
        let (valid, messages) = try await validate(text)
        #expect(messages == [] && valid == expected)
    }

    @Test func differencesAreValid() async throws {
        let folder = try Folder()
        let files = try files(in: folder)
        var text = ""
        for (old, new) in zip(files, files.dropFirst() + files.prefix(1)) {
            text += try await Tool.run(["diff", "--json", old, new]).output
        }
        let (valid, messages) = try await validate(text)
        #expect(valid == files.count && messages == [])
    }

    @Test func otherOptionsKeepToTheSchema() async throws {
        let folder = try Folder()
        let file = try folder.write("app", Sample.application).path
        var text = ""
        for options in [
            ["pages", "--machine", "q35", "--memory", "8G"], ["bootinfo", "--loader-options", "loader.generation=1"],
            ["verdict", "--machine", "microvm", "--protocol", "pvh"], ["verdict", "--memory", "2M"],
            ["verdict", "--loader-options", "loader.nonsense"], ["relocations", "--base", "0x200000"],
        ] {
            text += try await Tool.run(options + ["--json", file]).output
        }
        var expected = 6
        if LibraryTests.isReady {
            text += try await Tool.run(["verdict", "--json"] + LibraryTests.words).output
            expected += 1
        }
        let (valid, messages) = try await validate(text)
        #expect(valid == expected && messages == [])
    }

    /// If a file is refused after some rows, the document so far is complete, and reports the fault.
    @Test func brokenOffDocumentsAreValid() async throws {
        let folder = try Folder()
        var writer = ELFWriter()
        writer.addNotes(hermitNote(4) + abiTag(0, 13, 2).dropLast(8))
        var object = ObjectFile(symbols: [ObjectSymbol(name: "other", size: 4, info: 0x12, section: 1)])
        object.sections = [ObjectSection(name: ".text", flags: 6, bytes: [0, 0, 0, 0])]
        let relocations = [Relocation(1, at: 0, symbol: 1), Relocation(2, at: 2, symbol: 1)]
        object.sections[0].compact = compactRelocations(relocations).dropLast()
        for (view, file, rule) in [
            ("notes", writer.bytes, "noteTruncated"), ("relocations", object.bytes, "compactRelocationsMalformed"),
        ] {
            let path = try folder.write("file", file).path
            let run = try await Tool.run([view, "--json", path])
            #expect(run.status == 2 && run.errors.contains(": error: "), "\(run.errors)")
            #expect(run.output.split(separator: "\n").count == 3, "a row: \(run.output)")
            #expect(run.output.contains(#"],"error":{"kind":"malformed","qemuStatus":35,"rule":"\#(rule)","#))
            let (valid, messages) = try await validate(run.output + run.output)
            #expect(valid == 2 && messages == [], "\(run.output)")
        }
    }

    /// The validator must find faults.
    @Test func wrongDocumentsAreFound() async throws {
        let segments = #"{"schema":"loader-inspect/1","view":"segments","file":"a","rows":[]}"#
        #expect(try await validate(segments + "\n" + segments).valid == 2)
        var wrong: [String] = []
        for (old, new) in [
            ("inspect/1", "inspect/2"), ("segments", "fragments"), (#""file":"a","#, ""),
            (#""file":"#, #""more":1,"file":"#),
            ("[]", "[{}]"), ("[]", "{}"),
        ] {
            #expect(segments.contains(old))
            wrong.append(segments.replacingOccurrences(of: old, with: new))
        }
        let folder = try Folder()
        let file = try folder.write("app", Sample.application).path
        let verdict = try await Tool.run(["--json", file]).output
        for (old, new) in [
            (#""entryPoint" : "0x"#, #""entryPoint" : "0X"#), (#""status" : 0"#, #""status" : 1"#),
            (#""severity" : "note""#, #""severity" : "remark""#), (#""imageSize" :"#, #""imagesize" :"#),
        ] {
            #expect(verdict.contains(old))
            wrong.append(verdict.replacingOccurrences(of: old, with: new))
        }
        let (valid, messages) = try await validate(wrong.joined(separator: "\n"))
        #expect(valid == 0 && messages.count == wrong.count)
        for (number, message) in messages.enumerated() { #expect(message.hasPrefix("document \(number), ")) }
    }

    /// The page about the JSON describes every member of the schema.
    @Test func theDocumentNamesEveryMember() throws {
        let docs = Tool.root.appendingPathComponent("docs")
        let page = try String(contentsOf: docs.appendingPathComponent("loader-inspect-json.md"), encoding: .utf8)
        let schema = try JSONSerialization.jsonObject(
            with: Data(contentsOf: docs.appendingPathComponent("loader-inspect.schema.json")))
        var names: Set<String> = []
        func collect(_ value: Any) {
            if let list = value as? [Any] { list.forEach(collect) }
            guard let object = value as? [String: Any] else { return }
            if let properties = object["properties"] as? [String: Any] { names.formUnion(properties.keys) }
            object.values.forEach(collect)
        }
        collect(schema)
        #expect(names.count > 60)
        for name in names.sorted() { #expect(page.contains(name), "\(name) is not in loader-inspect-json.md") }
        for view in Self.views + ["diff"] { #expect(page.contains(view)) }
    }
}
