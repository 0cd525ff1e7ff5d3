// Hermit images in the tool: every view shows their kernel, `files` lists their contents; they are made and extracted.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ImageTests {
    private static let more = """
        [input]
        kernel_args = ["-freq 1000"]
        app_args = ["one", "two words"]
        env_vars = ["A=b"]
        [requirements]
        memory = "1.5 GiB"
        cpus = 2
        """

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test(arguments: ["segments", "sections", "symbols", "notes", "relocations", "dynamic"])
    func `views show the kernel`(_ view: String) async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let alone = try await Tool.run([view, "app"], in: folder.url)
        let image = ImageWriter(Sample.application, Self.more)
        for file in [image.packed, image.archive] {
            try folder.write("app", file)
            let run = try await Tool.run([view, "app"], in: folder.url)
            #expect(run.output == alone.output && run.status == 0, "\(run.errors)")
        }
    }

    @Test func `the verdict shows the kernel's command line`() async throws {
        let folder = try Folder()
        let image = ImageWriter(Sample.application, Self.more)
        try folder.write("app.tar.gz", image.packed)
        let run = try await Tool.run(["--json", "app.tar.gz"], in: folder.url)
        let document = try json(run.output)
        // It gets the memory that it requires.
        #expect(document["verdict"] as? String == "boots" && document["machine"] as? String == "pc, 1536M, multiboot")
        #expect(document["size"] as? Int == Sample.application.count)
        let own = try #require(document["hermitImage"] as? [String: Any])
        #expect(own["size"] as? Int == image.packed.count && own["archiveSize"] as? Int == image.archive.count)
        #expect(own["kernel"] as? String == "app" && own["memory"] as? Int == 3 << 29 && own["processors"] as? Int == 2)
        #expect((own["bootargs"] as? String)?.hasSuffix("loader -freq 1000 env=A=b -- one 'two words'") == true)
        let text = try await Tool.run(["app.tar.gz"], in: folder.url)
        #expect(
            text.output.contains(
                "  in an image  app, \(image.packed.count) bytes packed, \(image.archive.count) unpacked\n"))
        #expect(text.output.contains("  bootargs     "))
        // Unless an option says otherwise.
        let small = try await Tool.run(["--memory", "1G", "app.tar.gz"], in: folder.url)
        #expect(small.status == 1 && small.output.contains("the image requires 1610612736 bytes of memory"))
        // The user's words are added.
        let other = try await Tool.run(["--json", "--command-line", "-- x", "app.tar.gz"], in: folder.url)
        let said = try json(other.output)["hermitImage"] as? [String: Any]
        #expect((said?["bootargs"] as? String)?.hasSuffix("loader env=A=b -- x") == true)
    }

    @Test func `rehearsed views take an image`() async throws {
        let folder = try Folder()
        try folder.write("app.tar.gz", ImageWriter(Sample.application).packed)
        try folder.write("loader", Sample.fixed)
        for words in [
            ["map"], ["bootinfo"], ["pages"], ["load"],
            ["boot", "--dry-run", "--qemu", "/bin/true", "--loader", "loader"],
        ] {
            let run = try await Tool.run(words + ["app.tar.gz"], in: folder.url)
            #expect(run.status == 0 && !run.output.isEmpty, "\(words): \(run.errors)")
        }
        let diff = try await Tool.run(["diff", "app.tar.gz", "app.tar.gz"], in: folder.url)
        #expect(diff.status == 0, "\(diff.errors)")
        let script = try await Tool.run(["gdb-script", "app.tar.gz"], in: folder.url)
        #expect(
            script.status == 64 && script.errors.contains("image extract --output FOLDER app.tar.gz"),
            "\(script.errors)")
    }

    @Test func `requirements are boot's defaults`() async throws {
        let folder = try Folder()
        try folder.write("app.tar.gz", ImageWriter(Sample.application, Self.more).packed)
        try folder.write("loader", Sample.fixed)
        let boot = ["boot", "--dry-run", "--qemu", "/bin/true", "--loader", "loader"]
        let run = try await Tool.run(boot + ["app.tar.gz", "x"], in: folder.url)
        #expect(run.status == 0 && run.output.contains(" -m 1536M -smp 2 "), "\(run.output)\(run.errors)")
        let few = try await Tool.run(
            ["boot", "--qemu", "/bin/true", "--loader", "loader", "--smp", "1", "app.tar.gz"], in: folder.url)
        #expect(few.status == 1, "\(few.errors)")
        #expect(few.errors.contains("the image requires 2 processors; the machine has 1"), "\(few.errors)")
    }

    @Test func `a damaged image has a verdict, but no views`() async throws {
        let folder = try Folder()
        let packed = ImageWriter(Sample.application).packed
        for (file, rule) in [
            (Array(packed.dropLast()), "gzipTruncated"), (packed + [1], "gzipTrailingBytes"),
            (ImageWriter.gzip([1, 2, 3]), "tarTruncated"),
        ] {
            try folder.write("app.tar.gz", file)
            let verdict = try await Tool.run(["--json", "app.tar.gz"], in: folder.url)
            let error = try json(verdict.output)["error"] as? [String: Any]
            #expect(verdict.status == 2 && error?["rule"] as? String == rule, "\(verdict.output)")
            for view in ["segments", "files", "map", "load"] {
                let run = try await Tool.run([view, "app.tar.gz"], in: folder.url)
                #expect(run.status == 2 && run.errors.hasPrefix("app.tar.gz: error: "), "\(view): \(run.errors)")
            }
        }
        try folder.write("app", Sample.application)
        let none = try await Tool.run(["files", "app"], in: folder.url)
        #expect(none.status == 1 && none.errors.contains("app is no Hermit image"), "\(none.errors)")
    }

    @Test func `the files of an image`() async throws {
        let folder = try Folder()
        var image = ImageWriter(Sample.application)
        image.files.append(("./etc//x", [1, 2]))
        image.files.append(("etc/x", [1, 2, 3]))
        try folder.write("app.tar.gz", image.packed)
        let run = try await Tool.run(["files", "--json", "app.tar.gz"], in: folder.url)
        let rows = try #require(try json(run.output)["rows"] as? [[String: Any]])
        #expect(rows.map { $0["name"] as? String } == ["hermit.toml", "app", "./etc//x", "etc/x"])
        #expect(rows.map { $0["role"] as? String } == ["configuration", "kernel", "replaced", nil])
        #expect(rows.map { $0["size"] as? Int }.suffix(2) == [2, 3])
        let text = try await Tool.run(["files", "app.tar.gz"], in: folder.url)
        #expect(text.output.split(separator: "\n").count == 5, "\(text.output)")
    }

    // MARK: Making and extracting

    @Test(.enabled(if: isInstalled("gzip"), "there is no gzip"))
    func `an image is made reproducibly, and extracted`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("my.conf", [1, 2, 3])
        let long = String(repeating: "n", count: 120)
        func create(_ output: String) -> [String] {
            [
                "image", "create", "--kernel", "app", "--arg", "one", "--arg", "two \"words\"\n", "--kernel-arg",
                "-freq 1", "--env", "A=b",
            ]
                + [
                    "--memory", "64M", "--cpus", "2", "--file", "etc/conf=my.conf", "--file", "\(long)=my.conf",
                    "--output", output,
                ]
        }
        for name in ["a.tar.gz", "b.tar.gz", "c.tar"] {
            let run = try await Tool.run(create(name), in: folder.url)
            #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
        }
        func read(_ name: String) throws -> [UInt8] {
            Array(try Data(contentsOf: folder.url.appendingPathComponent(name)))
        }
        #expect(try read("a.tar.gz") == read("b.tar.gz"))
        let verdict =
            try json(try await Tool.run(["--json", "a.tar.gz"], in: folder.url).output)["hermitImage"] as? [String: Any]
        #expect(verdict?["kernel"] as? String == "bin/app" && verdict?["processors"] as? Int == 2)
        #expect(
            (verdict?["bootargs"] as? String)?.hasSuffix("loader -freq 1 env=A=b -- one 'two \"words\"\n'") == true,
            "\(verdict ?? [:])")
        for name in ["a.tar.gz", "c.tar"] {
            let run = try await Tool.run(["image", "extract", "--output", "out-\(name)", name], in: folder.url)
            #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
            #expect(try read("out-\(name)/bin/app") == Sample.application)
            #expect(try read("out-\(name)/etc/conf") == [1, 2, 3])
            #expect(try read("out-\(name)/\(long)") == [1, 2, 3])
        }
        // tar and gzip find the same.
        let listing = try await Tool.run(
            program: "sh", ["-c", "gzip -dc a.tar.gz | cmp - c.tar && tar -tf c.tar"], in: folder.url)
        #expect(listing.output == "hermit.toml\nbin/app\netc/conf\n\(long)\n", "\(listing.output)\(listing.errors)")
        // No file is overwritten.
        let again = try await Tool.run(["image", "extract", "--output", "out-c.tar", "c.tar"], in: folder.url)
        #expect(again.status == 74, "\(again.errors)")
    }

    @Test func `images that cannot be made`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        for (words, status) in [
            (["--file", "../x=app"], 64), (["--file", "a/=app"], 64), (["--file", "hermit.toml=app"], 64),
            (["--file", "x"], 64),
            (["--file", "a=app", "--file", "./a=app"], 64), (["--env", "A"], 64), (["--cpus", "0"], 64),
            (["--file", "a=none"], 64),
        ] as [([String], Int32)] {
            let run = try await Tool.run(
                ["image", "create", "--kernel", "app", "--output", "x.tar"] + words, in: folder.url)
            #expect(run.status == status && !run.errors.isEmpty, "\(words): \(run.errors)")
        }
        try folder.write("text", Array("text".utf8))
        let none = try await Tool.run(["image", "create", "--kernel", "text", "--output", "x.tar"], in: folder.url)
        #expect(none.status == 2 && none.errors.contains("this is not an ELF file"), "\(none.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("x.tar").path))
    }

    /// Names that lead outside, links in the folder, and links in the archive.
    @Test func `nothing is written outside the folder`() async throws {
        let folder = try Folder()
        var image = ImageWriter(Sample.application)
        image.files.append(("../escaped", [1]))
        try folder.write("up.tar", image.archive)
        let up = try await Tool.run(["image", "extract", "--output", "out", "up.tar"], in: folder.url)
        #expect(up.status == 2 && up.errors.contains("a name with .. in it"), "\(up.errors)")
        image = ImageWriter(Sample.application)
        image.files.append(("link/escaped", [1]))
        try folder.write("link.tar", image.archive)
        for name in ["out", "other"] {
            try? FileManager.default.createDirectory(
                at: folder.url.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        try FileManager.default.createSymbolicLink(
            atPath: folder.url.path + "/out/link", withDestinationPath: "../other")
        let link = try await Tool.run(["image", "extract", "--output", "out", "link.tar"], in: folder.url)
        #expect(link.status == 74, "\(link.errors)")
        // A link in the archive, and a file through it.
        let target = [UInt8]("../other".utf8)
        var header = ImageWriter.header("way", size: 0, type: "2")
        header.replaceSubrange(157..<157 + target.count, with: target)
        header.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        header.replaceSubrange(
            148..<156, with: Array((String(repeating: "0", count: 6 - sum.count) + sum + "\u{0} ").utf8))
        image = ImageWriter(Sample.application)
        image.files.append(("way/escaped", [1]))
        try folder.write("way.tar", header + image.archive)
        let way = try await Tool.run(["image", "extract", "--output", "fresh", "way.tar"], in: folder.url)
        #expect(way.status == 0 && way.errors.contains("way is left out: it is a symbolic link"), "\(way.errors)")
        let others = try FileManager.default.contentsOfDirectory(atPath: folder.url.path + "/other")
        #expect(others.isEmpty && !FileManager.default.fileExists(atPath: folder.url.path + "/escaped"))
    }
}
