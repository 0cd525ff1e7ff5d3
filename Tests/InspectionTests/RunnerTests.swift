// `boot` as a runner: the application's arguments and status, all of its output, and nothing left after it.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct RunnerTests {
    static let obedient = Tool.root.path + "/build/fixtures/obedient"
    static let isReady = WitnessTests.isReady && FileManager.default.fileExists(atPath: obedient)
    static let hasKVM = access("/dev/kvm", R_OK | W_OK) == 0

    private func boot(_ options: [String] = [], _ arguments: [String], in folder: Folder? = nil) async throws -> Run {
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
        // What splits such lines gets back what was given.
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

    @Test func devices() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        func line(_ words: [String]) async throws -> String {
            let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true"]
            let run = try await Tool.run(common + words + ["app"], in: folder.url)
            #expect(run.status == 0, "\(run.errors)")
            return run.output
        }
        let ports = try await line(["--port", "8080:80", "--port", "0.0.0.0:53:5353/udp"])
        #expect(ports.contains(",hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:5353 -device virtio-net-pci,"))
        #expect(try await line(["--cpu", "max,+nx"]).contains(" -cpu max,+nx -display"))
        if Self.hasKVM {
            let kvm = try await line(["--accel", "kvm", "--without-nx"])
            #expect(kvm.contains(" -accel kvm -cpu host,-pdpe1gb,-nx -display"), "\(kvm)")
        }
        for wrong in ["80:0", "80:", "8080:80/sctp", "a b:80:80", "70000:80", "1:2:3:4"] {
            let run = try await Tool.run(["boot", "--port", wrong, "app"], in: folder.url)
            #expect(run.status == 64, "\(wrong)")
        }
    }

    // MARK: Status

    // MARK: Firmware

    private static let hasUEFI =
        isReady && FileManager.default.fileExists(atPath: Tool.root.path + "/build/loader.efi")
        && FileManager.default.fileExists(atPath: "/usr/share/ovmf/OVMF.fd")

    /// The application has its arguments and variables, and the loader its options.
    @Test(.enabled(if: hasUEFI, "ovmf, or make loader fixtures"), arguments: ["pc", "q35"])
    func startedByUEFI(_ machine: String) async throws {
        let words = ["boot", "--loader", Tool.root.path + "/build/loader", "--firmware", "ovmf", "--machine", machine]
        let options = ["--loader-options", "loader.verbose", "--env", "GREETING=hello"]
        let demo = Tool.root.path + "/build/fixtures/demo"
        let run = try await Tool.run(words + options + [demo, "one", "two"])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        for line in [
            "[LOADER] started by UEFI", "[LOADER] segment 1: ", "bootargs            env=GREETING=hello -- one two",
            "demo: all 25 checks passed",
        ] {
            #expect(run.output.contains(line), "\(line): \(run.output)")
        }
    }

    @Test func whatUEFINeeds() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true", "--firmware", "ovmf"]
        for (words, sentence) in [
            (["app"], "there is no loader.efi, which is started so: make loader builds it"),
            (["--machine", "microvm", "app"], "OVMF needs --machine pc or q35"),
            (["--module", "app", "app"], "QEMU gives UEFI one file"),
        ] {
            let run = try await Tool.run(common + words, in: folder.url)
            #expect(run.status == 64 && run.errors.contains(sentence), "\(run.errors)")
        }
        try folder.write("loader.efi", [0x4d, 0x5a])
        let run = try await Tool.run(
            program: "env",
            ["OVMF=firmware", Tool.program.path] + common + ["--loader-options", "loader.quiet", "app", "x"],
            in: folder.url)
        #expect(run.output.contains(" -bios firmware -net none "), "\(run.output)\(run.errors)")
        #expect(run.output.hasSuffix(" -kernel loader.efi -initrd app -append 'loader.quiet -- x'\n"), "\(run.output)")
    }

    // MARK: Starters

    /// What takes no tool but QEMU.
    @Test func `who can start what, and by which file`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        try folder.write("loader.efi", [0x4d, 0x5a])
        let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true"]
        for (words, end) in [
            (["--protocol", "linux"], " -kernel loader.efi -initrd app -append 'loader.quiet -- x'"),
            (
                ["--firmware", "qboot"],
                " -bios qboot.rom -net none -kernel loader -initrd 'app loader.quiet' -append '-- x'"
            ),
            (
                ["--firmware", "qboot", "--machine", "microvm", "--protocol", "linux"],
                " -bios qboot.rom -kernel loader.efi -initrd app -append 'loader.quiet -- x'"
            ),
        ] {
            let run = try await Tool.run(
                common + words + ["--loader-options", "loader.quiet", "app", "x"], in: folder.url)
            #expect(run.status == 0 && run.output.hasSuffix(end + "\n"), "\(words): \(run.output)\(run.errors)")
        }
        for (words, sentence) in [
            (["--protocol", "multiboot2"], "QEMU starts the loader by --protocol multiboot, pvh or linux: verdict"),
            (
                ["--starter", "grub", "--protocol", "pvh"],
                "GRUB starts the loader by --protocol multiboot2, multiboot or linux"
            ),
            (["--starter", "pxe", "--protocol", "uefi"], "iPXE starts the loader by --protocol multiboot or linux"),
            (["--firmware", "ovmf", "--protocol", "linux"], "OVMF starts the loader by --protocol uefi"),
            (["--starter", "disk", "--firmware", "bios"], "--starter disk takes --firmware ovmf"),
            (["--starter", "pxe", "--firmware", "ovmf"], "--starter pxe takes --firmware bios"),
            (["--starter", "grub", "--firmware", "qboot"], "take --firmware bios"),
            (["--starter", "grub", "--machine", "microvm"], "microvm has no PCI: --starter takes --machine pc or q35"),
            (["--protocol", "linux", "--module", "app"], "Linux's protocol has one initrd"),
            (["--starter", "grub", "--command-line", "a;b"], "GRUB would take ; on the command line for its own"),
            (["--starter", "pxe", "--command-line", "$a"], "iPXE would take $ on the command line for its own"),
        ] {
            let run = try await Tool.run(common + words + ["app"], in: folder.url)
            #expect(run.status == 64 && run.errors.contains(sentence), "\(words): \(run.errors)")
        }
    }

    /// A program that is missing is said by its name, and where it comes from.
    @Test(arguments: [("grub", "xorriso"), ("disk", "sfdisk")])
    func `what makes the medium is not there`(_ starter: String, _ program: String) async throws {
        guard ["/usr/sbin/", "/sbin/"].allSatisfy({ !FileManager.default.fileExists(atPath: $0 + program) }) else {
            try Test.cancel(
                "\(skipped("what makes the medium for \(starter)", "\(program) is where the tool looks, whatever PATH says"))"
            )
        }
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        try folder.write("loader.efi", [0x4d, 0x5a])
        let run = try await Tool.run(
            program: "env",
            [
                "PATH=/nowhere", Tool.program.path, "boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true",
                "--starter", starter, "app",
            ], in: folder.url)
        #expect(
            run.status == 64 && run.errors.contains(/there is no (\/usr\/lib\/grub|xorriso|sfdisk)/), "\(run.errors)")
        #expect(run.errors.contains("apt-get install"), "\(run.errors)")
    }

    private static let canStart =
        hasUEFI
        && ["/usr/bin/grub-mkrescue", "/usr/lib/grub/i386-pc", "/usr/bin/xorriso", "/usr/bin/mformat"]
            .allSatisfy(FileManager.default.fileExists)

    /// Arguments and variables arrive by each of them.
    @Test(
        .enabled(if: canStart, "GRUB, xorriso, mtools or ovmf, or make loader fixtures"),
        arguments: [
            (["--starter", "grub"], "Multiboot 2"),
            (["--starter", "pxe", "--protocol", "linux"], "the Linux boot protocol"),
            (["--starter", "disk", "--machine", "q35"], "UEFI"),
        ])
    func `others than QEMU start it`(_ words: [String], _ name: String) async throws {
        let common = ["boot", "--loader", Tool.root.path + "/build/loader", "--loader-options", "loader.verbose"]
        let demo = Tool.root.path + "/build/fixtures/demo"
        let run = try await Tool.run(common + words + ["--env", "A=b", demo, "one", "two"])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        for text in ["[LOADER] started by \(name),", "[LOADER] segment 1: ", "env=A=b -- one two", "checks passed"] {
            #expect(run.output.contains(text), "\(text): \(run.output)")
        }
    }

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
        #expect(late.status == 124 && late.errors.contains("QEMU was ended: 0.7 seconds are over\n"), "\(late.errors)")
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

    /// However this program is ended, QEMU is, and no file is left.
    @Test(
        .enabled(if: isReady, "make loader fixtures"),
        arguments: [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131), ("KILL", 137)])
    func nothingIsLeft(_ signal: String, _ status: Int) async throws {
        let folder = try Folder()
        try folder.write("an app", Array(Data(contentsOf: URL(fileURLWithPath: Self.obedient))))
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("temporary"), withIntermediateDirectories: true)
        // A job of its own in the background would ignore interrupts. The name stands on QEMU's command line.
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

    /// A guest that does not ask its serial port for room loses nothing, however slow the reader is. What QEMU alone takes for the
    /// same is printed beside it.
    @Test(.enabled(if: isReady, "make loader fixtures")) func noByteIsLost() async throws {
        let folder = try Folder()
        let (lines, loader) = (20_000, Tool.root.path + "/build/loader")
        let line = "0123456789abcdef0123456789ABCDEF........................ flood\r\n"
        let words = [
            "boot", "--loader", loader, "--loader-options", "loader.quiet", Self.obedient, "flood", "\(lines)",
        ]
        let clock = ContinuousClock()
        var whole = Run(status: 0, output: "", errors: "")
        let own = try await clock.measure { whole = try await Tool.run(words) }
        #expect(whole.status == 0 && whole.output == String(repeating: line, count: lines), "bytes were lost")
        // More than the pipe holds, and a reader that begins late.
        let slow = try await Tool.run(
            program: "sh", ["-c", #""$@" 2>/dev/null | { sleep 4; cat; }"#, "sh", Tool.program.path] + words)
        #expect(slow.output == whole.output, "\(slow.output.utf8.count) of \(whole.output.utf8.count) bytes arrived")
        let ended = line.replacingOccurrences(of: "\r", with: "")
        let quiet = try await Tool.run(["boot", "-q"] + words.dropFirst())
        #expect(quiet.output == String(repeating: ended, count: lines) && quiet.errors.isEmpty)
        let dry = try await Tool.run(["boot", "--dry-run"] + words.dropFirst())
        let alone = try await clock.measure {
            _ = try await Tool.run(
                program: "sh", ["-c", dry.output.trimmingCharacters(in: .newlines) + " > alone"], in: folder.url)
        }
        let arrived = try Data(contentsOf: folder.url.appendingPathComponent("alone")).count
        print(
            "\(lines) lines: QEMU alone into a file \(alone), boot \(own); \(arrived) and \(whole.output.utf8.count) bytes"
        )
    }

    /// If the reader of the output has gone, QEMU ends, and so does this program, as others do.
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

    /// Addresses that a kernel prints at its start are not a crash.
    @Test(.enabled(if: isReady, "make loader fixtures")) func addressesOfTheStart() async throws {
        let calm = try await boot([], ["start", "0"])
        #expect(calm.status == 1 && !calm.errors.contains("addresses in the output"), "\(calm.errors)")
        let crash = try await boot([], ["start", "1"])
        #expect(crash.status == 47 && crash.errors.contains("  application+0x"), "\(crash.errors)")
        #expect(!crash.errors.contains("\n  0x200000 "), "\(crash.errors)")
    }

    // MARK: Devices

    static let hasDaemon =
        getuid() == 0
        && ["/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd"].contains {
            FileManager.default.isExecutableFile(atPath: $0)
        }

    @Test(.enabled(if: isReady && hasDaemon, "virtiofsd and its rights, or make loader fixtures"))
    func sharedFolders() async throws {
        let folder = try Folder()
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("a, folder"), withIntermediateDirectories: true)
        let run = try await boot(["-q", "--share", "a, folder:data", "--share", "."], ["say"], in: folder)
        #expect(run.status == 0 && run.output.hasSuffix("-- say\n"), "\(run.errors)")
    }

    /// Somebody listens at the port, as long as the guest runs.
    @Test(.enabled(if: isReady, "make loader fixtures")) func ports() async throws {
        let folder = try Folder()
        let script = """
            import socket, subprocess, sys
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command = [word.replace("PORT", str(port)) for word in sys.argv[1:]]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            for line in child.stdout:
                if b"hanging" in line: break
            socket.create_connection(("127.0.0.1", port), 10).close()
            child.terminate()
            print("connected", child.wait())
            """
        let run = try await Tool.run(
            program: "python3",
            [
                "-c", script, Tool.program.path, "boot", "--timeout", "300", "--port", "PORT:80", "--port",
                "PORT:53/udp",
                "--loader", Tool.root.path + "/build/loader", Self.obedient, "hang",
            ], in: folder.url)
        #expect(run.output == "connected 143\n", "\(run.errors)")
    }

    @Test(.enabled(if: isReady && GDBTests.hasGDB, "gdb, or make loader fixtures")) func debugger() async throws {
        let crash = Tool.root.path + "/build/fixtures/crash"
        let run = try await Tool.run(
            ["boot", "--timeout", "300", "--gdb", "--loader", Tool.root.path + "/build/loader", crash],
            input: Array("break dies_here\ncontinue\nbacktrace\ndisconnect\n".utf8))
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("#0  dies_here () at crash.c:7"), "\(run.output)\(run.errors)")
    }

    /// gdb reads no image, so that it gets the kernel in it.
    @Test(.enabled(if: isReady && GDBTests.hasGDB, "gdb, or make loader fixtures")) func debuggerOfAnImage()
        async throws
    {
        let folder = try Folder()
        let crash = Tool.root.path + "/build/fixtures/crash"
        let made = try await Tool.run(
            ["image", "create", "--kernel", crash, "--output", "app.tar.gz"], in: folder.url)
        #expect(made.status == 0, "\(made.errors)")
        let run = try await Tool.run(
            ["boot", "--timeout", "300", "--gdb", "--loader", Tool.root.path + "/build/loader", "app.tar.gz"],
            in: folder.url, input: Array("break dies_here\ncontinue\nbacktrace\ndisconnect\n".utf8))
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("#0  dies_here () at crash.c:7"), "\(run.output)\(run.errors)")
    }

    /// Whether the processor runs guests: some machines have a /dev/kvm that is software, and emulates what a kernel does.
    private static let hasHardware =
        hasKVM && ["kvm_intel", "kvm_amd"].contains { access("/sys/module/" + $0, F_OK) == 0 }

    @Test(.enabled(if: isReady && hasHardware, "KVM by the processor (kvm_intel, kvm_amd), or make loader fixtures"))
    func byKVM() async throws {
        for words in [["--accel", "kvm"], ["--accel", "kvm", "--protocol", "pvh"]] {
            let run = try await boot(["-q"] + words, ["say"])
            #expect(run.status == 0, "\(words): \(run.output)\(run.errors)")
        }
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
        // Not UTF-8, which no file system minds.
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
