// Ends of `boot` that do not depend on the guest: readers that stall, ignored signals, odd folders.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RunnerEndTests {
    /// A folder with an application, a loader, and a stand-in for QEMU that runs `script`.
    private static func folder(_ script: String) throws -> Folder {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        let qemu = try folder.write("qemu", Array("#!/bin/sh\n\(script)\n".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: qemu.path)
        return folder
    }

    private static let boot = "\(Tool.program.path) boot --loader loader --qemu ./qemu"

    /// The reader reads nothing before this program has ended.
    @Test func `the time limit counts while the reader stalls`() async throws {
        let folder = try Self.folder("while :; do echo 0123456789012345678901234567890123456789; done")
        let reader = "while [ ! -s status ]; do sleep 0.1; done"
        let run = try await Tool.run(
            program: "sh", ["-c", "{ \(Self.boot) --timeout 1 app; echo $? >status; } | { \(reader); }; cat status"],
            in: folder.url)
        #expect(run.output == "124\n", "\(run.output)\(run.errors)")
    }

    /// As under nohup.
    @Test(arguments: ["HUP", "INT", "QUIT", "TERM"])
    func `an ignored signal stays ignored`(_ signal: String) async throws {
        let folder = try Self.folder("kill -\(signal) $PPID; kill -\(signal) $$; echo still here; exit 3")
        let run = try await Tool.run(
            program: "sh", ["-c", "trap '' \(signal); exec \(Self.boot) app"], in: folder.url)
        #expect(run.status == 0 && run.output == "still here\n", "\(run.output)\(run.errors)")
    }

    @Test func `the folder of temporary files may have a comma in its name`() async throws {
        let folder = try Self.folder("echo \"$@\"; exit 3")
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("a,b"), withIntermediateDirectories: true)
        // QEMU cannot take the name, so a link leads there.
        try folder.write("an app", Sample.application)
        let run = try await Tool.run(
            program: "sh", ["-c", "TMPDIR=$PWD/a,b exec \(Self.boot) 'an app'"], in: folder.url)
        #expect(run.status == 0 && !run.output.contains("a,b"), "\(run.output)\(run.errors)")
    }

    /// The program that reads a file ends before it has read it.
    @Test func `a program that fails at once is reported`() async throws {
        let folder = try Self.folder("")
        let sfdisk = try folder.write("sfdisk", Array("#!/bin/sh\necho no table >&2; exit 3\n".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: sfdisk.path)
        try folder.write("loader.efi", Array("MZ".utf8))
        for _ in 0..<5 {
            let run = try await Tool.run(
                program: "sh",
                [
                    "-c", "PATH=$PWD:$PATH exec \(Tool.program.path) disk --force --loader loader.efi -o disk.img app",
                ], in: folder.url)
            #expect(run.status == 64 && run.errors.contains("sfdisk failed: no table"), "\(run.status) \(run.errors)")
        }
    }

    @Test(arguments: [
        (["disk", "--env", "=x", "-o", "d", "app"], "--env is NAME=VALUE, not '=x'"),
        (["boot", "--env", "=x", "app"], "--env is NAME=VALUE, not '=x'"),
        (["disk", "-o", "-", "app"], "--output is a file, not standard output"),
        (["relocations", "--base", "+5", "app"], "'+5' is invalid"),
        (["relocations", "--base", "0x+200000", "app"], "'0x+200000' is invalid"),
        (["gdb-script", "--target", "a\nb", "app"], "gdb takes the end of a line for the end of a command"),
        (["boot", "--loader", "loader", "--qemu", "./nowhere", "app"], "takes the path of a program"),
        (["symbolize", "-", "app"], "the file must be named"),
        (
            ["image", "create", "--kernel", "app", "--file", "bin=app", "-o", "x.tar"],
            "a file and a folder in the image"
        ),
    ])
    func `wrong words are refused`(_ words: [String], _ sentence: String) async throws {
        let folder = try Self.folder("")
        let run = try await Tool.run(words, in: folder.url)
        #expect(run.status == 64 && run.errors.contains(sentence), "\(run.status) \(run.errors)")
    }

    /// Runner and loader have the same limit: sixteen files are read, seventeen refused.
    @Test func `as many modules are accepted as the loader takes`() async throws {
        let folder = try Self.folder("")
        for (count, status) in [(15, 0), (16, 1)] as [(Int, Int32)] {
            let modules = (0..<count).flatMap { _ in ["--module", "app"] }
            let run = try await Tool.run(["relocations"] + modules + ["app"], in: folder.url)
            #expect(run.status == status, "\(count): \(run.output)\(run.errors)")
        }
    }
}
