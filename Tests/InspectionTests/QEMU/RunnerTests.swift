// `boot` as a runner: the application's arguments and status, all of its output, and no files left.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct RunnerTests {
    static let obedient = Tool.root.path + "/build/fixtures/obedient"
    static let isReady = WitnessTests.isReady && FileManager.default.fileExists(atPath: obedient)
    static let hasKVM = access("/dev/kvm", R_OK | W_OK) == 0

    /// Boots the obedient application, which follows its arguments.
    func boot(_ options: [String] = [], _ arguments: [String], in folder: Folder? = nil) async throws -> Run {
        try await Tool.run(
            ["boot", "--loader", Tool.root.path + "/build/loader"] + options + [Self.obedient] + arguments,
            in: folder?.url)
    }

    // MARK: Arguments

    @Test(.enabled(if: isReady, "make loader fixtures")) func argumentsAreTheApplications() async throws {
        let run = try await boot(
            ["-q", "--env", "A=b c", "--env", "E="], ["--memory", "two words", "", "it's", "-q", "--", "$x", "\\"])
        #expect(run.status == 0, "\(run.errors)")
        let line = #"'env=A=b c' env=E= -- --memory 'two words' '' 'it'\''s' -q -- '$x' '\'"#
        #expect(run.output == "command line: \(Tool.root.path)/build/loader \(line)\n", "\(run.output)")
        // Splitting the line gives back the arguments.
        let words = try await Tool.run(
            program: "python3", ["-c", "import shlex, sys; print(*shlex.split(sys.argv[1]), sep='\\n')", line])
        #expect(words.output == "env=A=b c\nenv=E=\n--\n--memory\ntwo words\n\nit's\n-q\n--\n$x\n\\\n")
    }

    @Test func argumentsFollowAGivenLine() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        for (given, line) in [("-freq 100", "-freq 100 env=A=1 -- x"), ("a -- b", "env=A=1 a -- b x")] {
            let run = try await Tool.run(
                [
                    "boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true", "--env", "A=1", "--command-line",
                    given,
                    "app", "x",
                ], in: folder.url)
            #expect(run.output.hasSuffix(" -append '\(line)'\n"), "\(run.output)\(run.errors)")
        }
    }

    // MARK: Status

    @Test(.enabled(if: isReady, "make loader fixtures")) func statusIsTheApplications() async throws {
        for (words, status) in [
            (["code", "0"], 0), (["code", "7"], 7), (["code", "256"], 1), (["code", "4294967295"], 255),
            (["end", "0"], 1),
            (["end", "1"], 0), (["end", "50"], 101),
        ] as [([String], Int32)] {
            let run = try await boot(["-q"], words)
            #expect(run.status == status, "\(words): \(run.errors)")
        }
    }

    @Test(.enabled(if: isReady, "make loader fixtures")) func otherEnds() async throws {
        let late = try await boot(["--timeout", "0.7"], ["hang"])
        #expect(
            late.status == 124 && late.errors.contains("QEMU was ended after 0.7 s (--timeout)\n"), "\(late.errors)")
        let wrong = try await boot(["--qemu-arg", "-no-such-option"], [])
        #expect(wrong.status == 125 && wrong.errors.contains("QEMU itself failed"), "\(wrong.errors)")
        let folder = try Folder()
        let script = try folder.write("qemu", Array("no program".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        let noProgram = try await boot(["--qemu", script.path], [])
        #expect(noProgram.status == 125 && noProgram.errors.contains("cannot start "), "\(noProgram.errors)")
    }

    @Test func refusedFilesNeedNoQEMU() async throws {
        let folder = try Folder()
        try folder.write("loader", Sample.fixed)
        try folder.write("truncated", Sample.truncated)
        try folder.write("undefined", Sample.undefined)
        let qemu = try folder.write("qemu", Array("#!/bin/sh\n: >started\nexit 3\n".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: qemu.path)
        for (name, status) in [("truncated", 2), ("undefined", 1)] as [(String, Int32)] {
            let words = ["boot", "--loader", "loader", "--qemu", qemu.path]
            let run = try await Tool.run(words + [name], in: folder.url)
            #expect(run.status == status && run.output.isEmpty)
            #expect(
                run.errors.contains("\(name): error: ") && run.errors.contains("QEMU was not started"), "\(run.errors)")
            let started = folder.url.appendingPathComponent("started").path
            #expect(!FileManager.default.fileExists(atPath: started))
            let forced = try await Tool.run(words + ["--force", name], in: folder.url)
            #expect(forced.status == 0 && FileManager.default.fileExists(atPath: started), "\(forced.errors)")
            try FileManager.default.removeItem(atPath: started)
        }
    }

    /// If this program is ended in any way, QEMU is ended too, and no file is left.
    @Test(
        .enabled(if: isReady, "make loader fixtures"),
        arguments: [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131), ("KILL", 137)])
    func nothingIsLeft(_ signal: String, _ status: Int) async throws {
        let folder = try Folder()
        try folder.write("an app", Array(Data(contentsOf: URL(fileURLWithPath: Self.obedient))))
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("temporary"), withIntermediateDirectories: true)
        // A background job of its own would ignore interrupts. The name stands on QEMU's command line.
        let script = """
            import glob, os, signal, subprocess, sys, time
            def commands():
                found = []
                for name in glob.glob("/proc/[0-9]*/cmdline"):
                    try:
                        with open(name, "rb") as file: words = file.read().split(b"\\0")
                    except OSError: continue
                    if any(b"qemu" in word for word in words[:1]) and mark in words: found.append(name)
                return found
            mark = ("-- hang " + os.path.basename(os.getcwd())).encode()
            child = subprocess.Popen(sys.argv[1:] + ["an app", "hang", os.path.basename(os.getcwd())],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            for line in child.stdout:
                if b"hanging" in line: break
            print("before", len(commands()))
            child.send_signal(signal.SIG\(signal))
            print("status", child.wait())
            for _ in range(1200):
                if not commands(): break
                time.sleep(0.1)
            print("after", len(commands()), os.listdir("temporary"))
            """
        let run = try await Tool.run(
            program: "env",
            [
                "TMPDIR=temporary", "python3", "-c", script, Tool.program.path, "boot", "--timeout", "300", "--loader",
                Tool.root.path + "/build/loader",
            ], in: folder.url)
        let told = signal == "KILL" ? -9 : status
        #expect(run.output == "before 1\nstatus \(told)\nafter 0 []\n", "\(run.output)\(run.errors)")
    }

    // MARK: Output

    /// A guest that does not wait for its serial port loses nothing, even if the reader is slow.
    @Test(.enabled(if: isReady, "make loader fixtures")) func noByteIsLost() async throws {
        let (lines, loader) = (5_000, Tool.root.path + "/build/loader")
        let line = "0123456789abcdef0123456789ABCDEF........................ flood\r\n"
        let words = [
            "boot", "--loader", loader, "--loader-options", "loader.quiet", Self.obedient, "flood", "\(lines)",
        ]
        let whole = try await Tool.run(words)
        #expect(whole.status == 0 && whole.output == String(repeating: line, count: lines), "bytes were lost")
        // More than the pipe holds, and a reader that begins late.
        let slow = try await Tool.run(
            program: "sh", ["-c", #""$@" 2>/dev/null | { sleep 4; cat; }"#, "sh", Tool.program.path] + words)
        #expect(slow.output == whole.output, "\(slow.output.utf8.count) of \(whole.output.utf8.count) bytes arrived")
        let ended = line.replacingOccurrences(of: "\r", with: "")
        let quiet = try await Tool.run(["boot", "-q"] + words.dropFirst())
        #expect(quiet.output == String(repeating: ended, count: lines) && quiet.errors.isEmpty)
    }

    /// If the reader of the output has gone, QEMU ends, and so does this program, as usual.
    @Test(.enabled(if: isReady, "make loader fixtures")) func nobodyReads() async throws {
        let run = try await Tool.run(
            program: "bash",
            [
                "-c", #""$@" | head -1; echo "${PIPESTATUS[0]}""#, "bash", Tool.program.path, "boot", "-q", "--loader",
                Tool.root.path + "/build/loader", Self.obedient, "flood", "100000",
            ])
        #expect(run.output.hasSuffix("flood\n141\n"), "\(run.output)\(run.errors)")
        let full = try await Tool.run(
            program: "sh",
            [
                "-c", #""$@" >/dev/full"#, "sh", Tool.program.path, "boot", "-q", "--loader",
                Tool.root.path + "/build/loader", Self.obedient, "flood", "100000",
            ])
        #expect(full.status == 74 && full.errors.contains("cannot write standard output"), "\(full.errors)")
    }

    /// Addresses that a kernel prints at its start are not explained as a crash.
    @Test(.enabled(if: isReady, "make loader fixtures")) func addressesOfTheStart() async throws {
        let calm = try await boot([], ["start", "0"])
        #expect(calm.status == 1 && !calm.errors.contains("addresses in the output"), "\(calm.errors)")
        let crash = try await boot([], ["start", "1"])
        #expect(crash.status == 47 && crash.errors.contains("  application+0x"), "\(crash.errors)")
        #expect(!crash.errors.contains("\n  0x200000 "), "\(crash.errors)")
    }

    // MARK: Names

    @Test(.enabled(if: isReady, "make loader fixtures"), arguments: ["multiboot", "pvh"])
    func namesOfEveryKind(_ start: String) async throws {
        let folder = try Folder()
        // By PVH the fixture finds no command line.
        let said = start == "pvh" ? "command line: " : "-- say"
        for name in ["an app", "a,pp", "a'pp\"", "new\nline", "-app", "a;pp&", "äpp", "a\u{1b}pp"] {
            try folder.write(name, Array(Data(contentsOf: URL(fileURLWithPath: Self.obedient))))
            let run = try await Tool.run(
                ["boot", "-q", "--protocol", start, "--loader", Tool.root.path + "/build/loader", "./" + name, "say"],
                in: folder.url)
            #expect(run.status == 0 && run.output.contains(said), "\(name.debugDescription): \(run.errors)")
        }
        // Not UTF-8, which file systems accept.
        let script = #"cp "$2" "$(printf 'a\377pp')"; "$1" boot -q --loader "$3" "$(printf 'a\377pp')" say"#
        let run = try await Tool.run(
            program: "sh", ["-c", script, "sh", Tool.program.path, Self.obedient, Tool.root.path + "/build/loader"],
            in: folder.url)
        #expect(run.status == 0, "\(run.errors)")
        // The loader's own name.
        try folder.write("a loader", Array(Data(contentsOf: Tool.root.appendingPathComponent("build/loader"))))
        let loader = try await Tool.run(
            ["boot", "-q", "--protocol", start, "--loader", "a loader", "an app", "say"], in: folder.url)
        #expect(loader.status == 0 && loader.output.contains(said), "\(loader.errors)")
    }
}
