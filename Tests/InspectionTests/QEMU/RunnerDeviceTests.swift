// `boot` as a runner: ports, folders, processors, and the debugger.

import Foundation
import TestSupport
import Testing

extension RunnerTests {
    /// QEMU's command line for a boot with the options `words`.
    private func line(_ words: [String]) async throws -> String {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true"]
        let run = try await Tool.run(common + words + ["app"], in: folder.url)
        #expect(run.status == 0, "\(run.errors)")
        return run.output
    }

    @Test(.enabled(if: hasKVM, "there is no KVM")) func processorOfKVM() async throws {
        let kvm = try await line(["--accel", "kvm", "--without-nx"])
        #expect(kvm.contains(" -accel kvm -cpu host,-pdpe1gb,-nx -display"), "\(kvm)")
    }

    @Test func devices() async throws {
        let ports = try await line(["--port", "8080:80", "--port", "0.0.0.0:53:5353/udp"])
        #expect(ports.contains(",hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:5353 -device virtio-net-pci,"))
        #expect(try await line(["--cpu", "max,+nx"]).contains(" -cpu max,+nx -display"))
        let folder = try Folder()
        try folder.write("app", Sample.application)
        for wrong in ["80:0", "80:", "8080:80/sctp", "a b:80:80", "70000:80", "1:2:3:4"] {
            let run = try await Tool.run(["boot", "--port", wrong, "app"], in: folder.url)
            #expect(run.status == 64, "\(wrong)")
        }
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

    /// The port is open as long as the guest runs.
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

    /// gdb cannot read an image, so it gets the kernel's file.
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

    /// Whether the processor itself runs guests: some machines have a /dev/kvm in software, which emulates a kernel.
    private static let hasHardware =
        hasKVM && ["kvm_intel", "kvm_amd"].contains { access("/sys/module/" + $0, F_OK) == 0 }

    @Test(.enabled(if: isReady && hasHardware, "KVM by the processor (kvm_intel, kvm_amd), or make loader fixtures"))
    func byKVM() async throws {
        for words in [["--accel", "kvm"], ["--accel", "kvm", "--protocol", "pvh"]] {
            let run = try await boot(["-q"] + words, ["say"])
            #expect(run.status == 0, "\(words): \(run.output)\(run.errors)")
        }
    }
}
