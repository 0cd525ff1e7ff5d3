// readelf as the witness: our views list the same of the system's own files, number by number.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ReadelfTests {
    /// The result of witness.py with `arguments`: status and output.
    private func witness(_ arguments: [String]) async throws -> Run {
        let script = Tool.root.appendingPathComponent("Tests/InspectionTests/Views/witness.py").path
        return try await Tool.run(program: "python3", [script, Tool.program.path] + arguments)
    }

    /// A sample of the files in /usr and the toolchain; `make witness` compares every file.
    @Test func sampleOfTheSystem() async throws {
        let run = try await witness(["--sample", String(samples(24, soak: 300))])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(run.output.hasPrefix("\(samples(24, soak: 300)) files, "))
        print(run.output)
    }

    /// Generated files, linked and object files. The relocations of reloc-every are in no section, so readelf does not find
    /// them; it reads SHT_CREL from 2.44 on.
    private static let fixtures =
        ((try? FileManager.default.contentsOfDirectory(atPath: Tool.root.path + "/build/fixtures")) ?? [])
        .filter { !$0.hasPrefix("reloc-every") && !$0.hasPrefix("gen") && !$0.contains("crel") && $0 != "objects" }
        .map { Tool.root.path + "/build/fixtures/" + $0 }

    private static let genuine = ["hello_world", "hello_c"].map { Project.genuine($0).path }
        .filter { FileManager.default.fileExists(atPath: $0) }

    @Test(.enabled(if: !fixtures.isEmpty, "make fixtures")) func ofFixtures() async throws {
        try await compare(Self.fixtures)
    }

    @Test(.enabled(if: !genuine.isEmpty, "the genuine images are not there")) func ofGenuineImages() async throws {
        try await compare(Self.genuine)
    }

    private func compare(_ paths: [String]) async throws {
        let run = try await witness(paths)
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(run.output.contains("0 files differ"))
    }

    /// Every flag with a name; no other dynamic entry has a word for a value.
    @Test func dynamicFlags() async throws {
        var writer = ELFWriter()
        writer.setDynamic([
            (30, 0x1f), (0x6fff_fffb, 0x7fff_ffff), (20, 7), (20, 17), (30, 8), (0x6fff_fffb, 0x0800_0001),
        ])
        let folder = try Folder()
        try folder.write("file", writer.bytes)
        let run = try await witness([folder.url.path])
        #expect(run.status == 0 && run.output.contains(" 7 dynamic, "), "\(run.output)\(run.errors)")
        let unknown = try folder.write(
            "unknown", writer.bytes.replacing(littleEndian(0x1f as UInt64), with: littleEndian(0xf00_001f as UInt64)))
        let listed = try await Tool.run(["dynamic", unknown.path])
        #expect(listed.output.contains(" ORIGIN SYMBOLIC TEXTREL BIND_NOW STATIC_TLS 0xf000000\n"), "\(listed.output)")
    }

    /// The witness must notice a single changed bit.
    @Test func differencesAreFound() async throws {
        let folder = try Folder()
        try folder.write("object.o", Sample.object)
        #expect(try await witness([folder.url.path]).status == 0)
        // A tool whose output differs from readelf's.
        for (old, new) in [
            ("PLT32", "PC32"), ("0x30", "0x31"), ("GLOBAL", "LOCAL"), ("HERMIT", "HERMET"), (".text", ".test"),
        ] {
            let script = "#!/bin/sh\n'\(Tool.program.path)' \"$@\" | sed 's/\(old)/\(new)/'\n"
            let liar = try folder.write("liar", Array(script.utf8))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: liar.path)
            let witness = Tool.root.appendingPathComponent("Tests/InspectionTests/Views/witness.py").path
            let run = try await Tool.run(
                program: "python3", [witness, liar.path, folder.url.appendingPathComponent("object.o").path])
            #expect(run.status == 1, "\(new): \(run.output)\(run.errors)")
        }
    }
}
