// `boot`: the guest's output and its explanation, and the messages about missing parts.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct BootTests {
    /// A program in place of QEMU, which prints a guest's output and ends with a status.
    private func qemu(saying text: String, status: Int, in folder: Folder) throws -> String {
        try folder.write("said", Array(text.utf8))
        let script = "#!/bin/sh\ncat '\(folder.url.path)/said'\nexit \(status)\n"
        let file = try folder.write("qemu", Array(script.utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        return file.path
    }

    private func boot(_ name: String, saying text: String, status: Int = 1) async throws -> Run {
        let folder = try Folder()
        try folder.write("loader", Sample.fixed)
        let qemu = try qemu(saying: text, status: status, in: folder)
        let file = Tool.root.appendingPathComponent("build/fixtures/\(name)")
        let run = try await Tool.run(["boot", "--loader", "loader", "--qemu", qemu, file.path], in: folder.url)
        #expect(run.output == text, "the guest's output is passed through as it is")
        return run
    }

    static let hasCrash = FileManager.default.fileExists(atPath: Tool.root.path + "/build/fixtures/crash")
    static let isReady = WitnessTests.isReady && hasCrash

    @Test(.enabled(if: hasCrash, "make fixtures")) func addressesOfEveryForm() async throws {
        let symbols = try await Tool.run(["symbols", "--json", Tool.root.path + "/build/fixtures/crash"])
        let rows = try JSONSerialization.jsonObject(with: Data(symbols.output.utf8)) as? [String: Any]
        var values: [String: UInt64] = [:]
        for row in rows?["rows"] as? [[String: Any]] ?? [] {
            let value = (row["value"] as? String).flatMap { UInt64($0.dropFirst(2), radix: 16) }
            if let name = row["name"] as? String { values[name] = value }
        }
        let dies = 0x60_0000 + (try #require(values["dies_here"]))
        let start = 0x60_0000 + (try #require(values["_start"]))
        func digits(_ value: UInt64) -> String { String(value, radix: 16) }
        let padded = String(repeating: "0", count: 16 - digits(dies + 3).count) + digits(dies + 3)
        let run = try await boot(
            "crash",
            saying: """
                [LOADER] image at 0x600000-0x603fff\r
                [LOADER] BootInfo at 0x24000, stack at 0x28000, entry point 0x\(digits(start))\r
                [0][PANIC] instruction_pointer: VirtAddr(0x\(digits(dies + 1))), 0x7fffffffffff, x0x\(digits(dies + 5))
                rip=0x\(String(dies + 2, radix: 16, uppercase: true)) \(padded) \(digits(dies + 4))
                   0: 0x\(digits(dies + 6))
                   1: 0x\(digits(start)) - _start
                no end 0x\(digits(dies + 1)) 0x\(digits(dies + 7))
                """)
        #expect(run.status == 1)
        let lines = run.errors.split(separator: "\n").drop { !$0.hasPrefix("addresses") }
            .filter { !$0.hasPrefix("    in ") }
        // A return address lies after its call, which is the last instruction of the previous function.
        let before = try #require(values.filter { $0.value < start - 0x60_0000 }.max { $0.value < $1.value })
        #expect(
            lines == [
                "addresses in the output, with the image at 0x600000:",
                "  0x\(digits(dies + 1))  dies_here+0x1", "  0x\(digits(dies + 2))  dies_here+0x2",
                "  0x\(digits(dies + 3))  dies_here+0x3", "  0x\(digits(dies + 6))  dies_here+0x6",
                "  0x\(digits(start))  \(before.key)+0x\(digits(start - 0x60_0000 - before.value))",
                "  0x\(digits(dies + 7))  dies_here+0x7",
            ])
    }

    @Test(.enabled(if: hasCrash, "make fixtures")) func outputThatHurts() async throws {
        // No address, no end of line, no text, and more than the tool keeps.
        for text in ["", "\n\n", "0x", "\u{0}\u{1b}[31m", "panic " + String(repeating: "0x200000 ", count: 100_000)] {
            #expect(try await boot("crash", saying: text).status == 1)
        }
        let many =
            "panic\n" + (0..<10_000).map { "0x" + String(0x20_12a0 + $0 % 100, radix: 16) }.joined(separator: "\n")
        let run = try await boot("crash", saying: many, status: 47)
        #expect(run.status == 47)
        #expect(run.errors.contains("  and 68 more\n"))
    }

    @Test(.enabled(if: hasCrash, "make fixtures")) func successNeedsNoAddresses() async throws {
        let run = try await boot("crash", saying: "0x2012b0\n", status: 3)
        #expect(run.status == 0)
        #expect(!run.errors.contains("addresses"))
        #expect(run.errors.hasSuffix("QEMU status 3: the application ended with success\n"))
    }

    /// With a real guest: linked and as an object file, with the source line if there is a tool for it.
    @Test(.enabled(if: isReady, "make loader fixtures"), arguments: ["crash", "object-crash.o"])
    func crash(_ name: String) async throws {
        let run = try await Tool.run(
            ["boot", "--loader", "build/loader", "build/fixtures/\(name)"], in: Tool.root)
        #expect(run.status == 47)
        #expect(run.output.contains("[LOADER] error: CPU exception 14 (page fault)"))
        #expect(run.output.split(separator: "\n").allSatisfy { !$0.contains("QEMU") && !$0.contains("addresses") })
        #expect(run.errors.contains("QEMU ended with status 47\n"))
        #expect(run.errors.contains("  dies_here+0x"))
        #expect(run.errors.contains("    in dies_here at ./crash.c:7\n"), "binutils have addr2line")
        #expect(run.errors.contains("    in application at ./crash.c:11\n"))
    }

    /// QEMU reads the terminal's attributes, which stops a process that is not in the foreground.
    @Test(.enabled(if: isReady, "make loader fixtures")) func inATerminal() async throws {
        let folder = try Folder()
        let root = Tool.root.path
        let text = try await Tool.terminal(
            "timeout --foreground 300 \"$tool\" boot --loader '\(root)/build/loader' '\(root)/build/fixtures/crash'; [ $? = 47 ]",
            in: folder)
        #expect(text.contains("QEMU ended with status 47\r\n"), "\(text.debugDescription)")
    }

    /// The guest's output is passed on immediately, not at the end.
    @Test(.enabled(if: hasCrash, "make fixtures")) func outputComesAtOnce() async throws {
        let folder = try Folder()
        try folder.write("loader", Sample.fixed)
        let script =
            "#!/bin/sh\necho first; i=0; while [ $i -lt 1200 ] && ! [ -f seen ]; do sleep 0.1; i=$((i+1)); done; ls seen\n"
        let qemu = try folder.write("qemu", Array(script.utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: qemu.path)
        let crash = Tool.root.path + "/build/fixtures/crash"
        let run = try await Tool.run(
            program: "sh",
            [
                "-c",
                "'\(Tool.program.path)' boot --loader loader --qemu ./qemu '\(crash)' 2>/dev/null | "
                    + "while read line; do echo $line; : >seen; done",
            ], in: folder.url)
        #expect(run.output == "first\nseen\n")
    }

    @Test func missingThings() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        let cases: [([String], String)] = [
            (["app"], "there is no loader: make loader builds one"),
            (["--loader", "absent", "app"], "cannot read absent"),
            (["--loader", "loader", "--qemu", "no-such-qemu", "app"], "there is no no-such-qemu in PATH"),
            (
                ["--loader", "loader", "--qemu", "./app", "app"],
                "there is no ./app: --qemu, or QEMU in the environment, takes"
            ),
            (["--loader", "loader", "absent"], "cannot read absent"),
            (["--loader", "loader", "an app"], "cannot read an app"),
            (["--loader", "loader", "--module", "a lib", "app"], "cannot read a lib"),
            (["--loader", "loader", "--bogus", "app"], "Unknown option '--bogus'"),
            (["--loader", "loader", "--env", "NAME", "app"], "--env is NAME=VALUE"),
            (["--loader", "loader", "--port", "80", "app"], "'80' is invalid"),
            (["--loader", "loader", "--machine", "microvm", "--port", "80:80", "app"], "microvm has no PCI"),
            (["--loader", "loader", "--qemu", "/bin/true", "--share", "absent", "app"], "absent is no folder"),
            ([], "Missing expected argument"),
            (["--loader", "loader", "-"], "give a name instead of - for standard input"),
            (["--loader", "loader", "--protocol", "pvh", "--module", "app", "app"], "PVH boot has one module"),
        ]
        for (words, sentence) in cases {
            let run = try await Tool.run(["boot"] + words, in: folder.url)
            #expect(run.status == 64, "\(words)")
            #expect(run.output.isEmpty)
            #expect(run.errors.contains(sentence), "\(words): \(run.errors)")
        }
    }

    /// QEMU gets the same memory as the rehearsal, in any unit.
    @Test func memoryIsWhatWasAskedFor() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", ELFWriter(type: 2, base: 0x10_0000).bytes)
        // microvm's RAM is free to its end, except for a hole below 4 GiB.
        for (given, told, last) in [
            ("3000K", "3000K", "0x2edfff"), ("3001K", "3008K", "0x2effff"), ("64", "64M", "0x3ffffff"),
            ("2048m", "2G", "0x7fffffff"), ("1500M", "1500M", "0x5dbfffff"), ("4t", "4T", "0x4003fffffff"),
            // QEMU 7.2 has these numbers of bytes.
            ("1.5G", "1536M", "0x5fffffff"), ("123.456M", "126424K", "0x7b75fff"), ("3.0001m", "3080K", "0x301fff"),
            ("3.g", "3G", "0xbfffffff"), ("4096.0001K", "4M", "0x3fffff"), ("4GiB", "4G", "0x13fffffff"),
            ("512 MiB", "512M", "0x1fffffff"),
            ("64MB", "64M", "0x3ffffff"), ("1.5gib", "1536M", "0x5fffffff"), ("0004M", "4M", "0x3fffff"),
        ] {
            let words = ["--machine", "microvm", "-m", given, "--loader", "loader", "app"]
            let run = try await Tool.run(["boot", "--dry-run", "--qemu", "/bin/true"] + words, in: folder.url)
            #expect(run.output.contains(" -m \(told) "), "\(run.output)\(run.errors)")
            let map = try await Tool.run(["map"] + words, in: folder.url)
            #expect(map.output.contains("to scale: 0x0-\(last)\n"), "\(map.output)\(map.errors)")
        }
        for wrong in [
            "0", "1M", "1.999M", "65T", "64.1T", "much", "-1", "0x1000", "18446744073709551616", "1024.5", ".5G",
            "1e1G", "1.5",
            "1.2.3G", "1,5G", " 4M", "G", "4i", "4GiBs", "4  GiB", "GiB",
        ] {
            #expect(try await Tool.run(["-m", wrong, "app"], in: folder.url).status == 64, "\(wrong)")
        }
    }

    @Test func dryRunShowsTheCommand() async throws {
        let folder = try Folder()
        try folder.write("a,pp", Sample.application)
        try folder.write("loader", Sample.fixed)
        let run = try await Tool.run(
            [
                "boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true", "--memory", "4G", "--machine", "q35",
                "--command-line", "-- it's", "--loader-options", "loader.quiet", "--qemu-arg", "-d", "--qemu-arg",
                "int",
                "--smp", "2", "a,pp", "-x", "--", "two",
            ], in: folder.url)
        #expect(run.status == 0)
        #expect(run.output.hasPrefix("/bin/true -M q35 -m 4G -smp 2 -cpu "))
        #expect(run.output.hasSuffix(" -initrd 'a,,pp loader.quiet' -append '-- it'\\''s -x -- two' -d int\n"))
    }

    /// The rehearsed CPU is the one that boots, unless QEMU's options name another.
    @Test func theCPUIsWhatWasAskedFor() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        for (options, end) in [
            ([], ",xsaveopt "), (["--without-nx"], ",xsaveopt,-nx "), (["--gigabyte-pages"], ",xsaveopt,pdpe1gb "),
        ] {
            let words = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true"] + options
            let run = try await Tool.run(words + ["app"], in: folder.url)
            #expect(run.output.contains("\(end)-display none "), "\(run.output)\(run.errors)")
            let own = try await Tool.run(words + ["--qemu-arg", "-cpu", "--qemu-arg", "max", "app"], in: folder.url)
            #expect(!own.output.contains("qemu64") && own.output.hasSuffix(" -cpu max\n"), "\(own.output)")
        }
    }

    /// QEMU starts a 64-bit file by Multiboot if it has both headers.
    @Test func aDryRunByPVHLeavesALoaderWithoutMultiboot() async throws {
        let folder = try Folder()
        try folder.write("a,pp", Sample.application)
        // The magic number alone is no header, nor is one that is not aligned.
        let header: [UInt8] = [0x02, 0xb0, 0xad, 0x1b, 3, 0, 1, 0, 0xfb, 0x4f, 0x51, 0xe4]
        var loader = Sample.fixed
        while loader.count % 4 != 0 { loader.append(0) }
        let start = loader.count + 8
        loader += header.prefix(4) + [0, 0, 0, 0] + header + [0] + header
        try folder.write("loader", loader)
        let run = try await Tool.run(
            [
                "boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true", "--protocol", "pvh", "--command-line",
                "-- one", "--loader-options", "loader.quiet", "a,pp",
            ], in: folder.url)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.hasSuffix(" -initrd a,pp -append 'loader.quiet -- one'\n"), "\(run.output)")
        let path = try #require(run.output.firstMatch(of: #/ -kernel ([^ ]+) /#)?.1)
        defer {
            let made = URL(fileURLWithPath: String(path)).deletingLastPathComponent()
            try? FileManager.default.removeItem(at: made)
        }
        loader.replaceSubrange(start..<start + 4, with: [0, 0, 0, 0])
        #expect(try Data(contentsOf: URL(fileURLWithPath: String(path))) == Data(loader))
    }

    @Test(.enabled(if: isReady, "make loader fixtures")) func byPVH() async throws {
        let run = try await Tool.run(
            [
                "boot", "--loader", "build/loader", "--protocol", "pvh", "--loader-options",
                "loader.generation=4-identity", "--command-line", "-- one two", "build/fixtures/demo",
            ], in: Tool.root)
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        #expect(run.output.contains("[LOADER] started by PVH"), "\(run.output)")
        let path = try #require(run.errors.firstMatch(of: #/ -kernel ([^ ]+) /#)?.1)
        #expect(!FileManager.default.fileExists(atPath: String(path)))
    }

    /// QEMU's ROM for PVH overwrites the start info if the command line is too long for it: the host predicts the result
    /// and warns.
    @Test(.enabled(if: isReady, "make loader fixtures"), arguments: ["pc", "microvm"])
    func longCommandLinesByPVH(_ kind: String) async throws {
        for count in [4095, 4100, 4200] {
            let words = [
                "--loader", "build/loader", "--protocol", "pvh", "--machine", kind, "--memory", "64M", "--command-line",
                String(repeating: "a", count: count), "build/fixtures/demo",
            ]
            let said = try await Tool.run(words, in: Tool.root)
            let booted = try await Tool.run(["boot", "--force"] + words, in: Tool.root)
            let boots = kind == "microvm" || count < 4200
            #expect(said.status == (boots ? 0 : 1), "\(count): \(said.output)")
            #expect((booted.status == 45) == !boots, "\(count): \(booted.output)")
            let isTooLong = kind == "pc" && count > 4095
            #expect(said.output.contains("warning      the command line has \(count) bytes, ") == isTooLong)
            #expect(booted.errors.hasPrefix("warning: the command line has \(count) bytes, ") == isTooLong)
        }
    }

    @Test func aSilentEndIsRehearsed() async throws {
        let folder = try Folder()
        try folder.write("loader", Sample.fixed)
        try folder.write("undefined", Sample.undefined)
        try folder.write("application", Sample.application)
        for (name, status) in [("undefined", 0), ("application", 0), ("undefined", 35)] {
            let qemu = try qemu(saying: "", status: status, in: folder)
            let run = try await Tool.run(
                ["boot", "--force", "--loader", "loader", "--qemu", qemu, name], in: folder.url)
            let isTold = run.errors.contains("it does not boot either: DT_RELA entry 0: undefined: 'nobody'")
            #expect(isTold == (name == "undefined" && status == 0), "\(name) \(status): \(run.errors)")
        }
    }
}
