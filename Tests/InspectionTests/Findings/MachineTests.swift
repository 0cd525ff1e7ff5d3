// Machines on which the loader boots a file, but the kernel then fails.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MachineTests {
    static let hasGenuine = ["hello_world", "hello_c"].map(Project.genuine).allSatisfy(Project.exists)

    /// An application of entry version `version` whose panics name Hermit's sources.
    private static func kernel(_ notes: [UInt8], acpi: Bool = true) -> [UInt8] {
        var writer = ELFWriter()
        writer.append([0xf4, 0xeb, 0xfd])
        writer.append(Array("src/arch/x86_64/kernel/processor.rs".utf8))
        if acpi { writer.append(Array("src/arch/x86_64/kernel/acpi.rs".utf8)) }
        writer.addNotes(notes)
        return writer.bytes
    }

    /// The smallest machines of genuine kernels, as measured in QEMU, and machines with a little less memory.
    @Test(
        .enabled(if: hasGenuine, "the genuine images are not there"),
        arguments: [
            ("hello_world", "20616K", "", 1), ("hello_world", "20648K", "", 0), ("hello_world", "16M", "", 1),
            ("hello_world", "45100K", "loader.base=0x1000000", 1),
            ("hello_world", "45300K", "loader.base=0x1000000", 0),
            ("hello_world", "143400K", "loader.base=0x4000000", 1),
            ("hello_world", "143800K", "loader.base=0x4000000", 0), ("hello_c", "53400K", "", 1),
            ("hello_c", "53800K", "", 0), ("hello_c", "1G", "", 0),
        ])
    func leastMemory(_ name: String, _ memory: String, _ options: String, _ status: Int) async throws {
        // The guest's loader needs more than the assumed one; neither comes near the next 2 MiB.
        let words = ["--memory", memory, "--loader-options", options, "--quiet", Project.genuine(name).path]
        let run = try await Tool.run(words)
        #expect(run.status == Int32(status), "\(run.output)")
        #expect(run.output.contains("of RAM the kernel has no room for a heap") == (status == 1))
        guard status == 1 else { return }
        // The advice, followed.
        let advice = try #require(run.output.firstMatch(of: #/say --memory ([0-9]+[MG]) or more/#)).1
        let again = try await Tool.run([
            "--memory", String(advice), "--loader-options", options, Project.genuine(name).path,
        ])
        #expect(again.status == 0, "\(again.output)")
        let document =
            try JSONSerialization.jsonObject(
                with: Data(try await Tool.run(["--json"] + words).output.utf8)) as? [String: Any]
        let error = document?["error"] as? [String: Any]
        #expect(error?["rule"] as? String == "kernelMemory" && error?["qemuStatus"] as? Int == 1)
    }

    /// A fact known only for some versions is a warning; kernels other than Hermit's get none.
    @Test func littleMemory() async throws {
        let folder = try Folder()
        try folder.write("hermit", Self.kernel(hermitNote(4) + abiTag(0, 13, 2)))
        try folder.write("other", Sample.application)
        for (name, memory, isWarned) in [("hermit", "32M", true), ("hermit", "64M", false), ("other", "32M", false)] {
            let run = try await Tool.run(["--memory", memory, name], in: folder.url)
            #expect(run.status == 0)
            #expect(run.output.contains("known to run with 64M") == isWarned, "\(run.output)")
        }
    }

    @Test func microvm() async throws {
        let folder = try Folder()
        try folder.write("acpi", Self.kernel(hermitNote(4) + abiTag(0, 13, 2)))
        try folder.write("plain", Self.kernel(hermitNote(4) + abiTag(0, 13, 2), acpi: false))
        for (name, machine, isWarned) in [
            ("acpi", "microvm", true), ("acpi", "pc", false), ("plain", "microvm", false),
        ] {
            let run = try await Tool.run(["--quiet", "--machine", machine, name], in: folder.url)
            #expect(run.status == 0)
            let text = run.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                .joined(separator: " ")
            #expect(text.contains("microvm's second I/O APIC") == isWarned, "\(run.output)")
            #expect(
                text.contains("boot --machine microvm --qemu-arg -M --qemu-arg ioapic2=off acpi") == isWarned,
                "\(run.output)")
        }
    }

    /// QEMU opens no initrd of 2 GiB: this is reported before the file is read, and the file is not kept in memory.
    @Test(arguments: [["verdict"], ["map"], ["boot", "--loader", "loader", "--qemu", "/bin/false"]])
    func hugeFile(_ words: [String]) async throws {
        let folder = try Folder()
        try folder.write("loader", ELFWriter(type: 2, base: 0x10_0000).bytes)
        let file = try folder.write("huge", Sample.application)
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: 1 << 31)
        try handle.close()
        let limited = "ulimit -v 8000000; exec \"$0\" \"$@\""
        let run = try await Tool.run(
            program: "/bin/sh", ["-c", limited, Tool.program.path] + words + ["--memory", "8G", "huge"],
            in: folder.url)
        #expect(run.status == 1)
        let sentence =
            "huge has 2147483648 bytes, and QEMU opens no -initrd of 2 GiB or more; remove its debugging"
        #expect((run.output + run.errors).contains(sentence), "\(run.output)\(run.errors)")
        let explained = try await Tool.run(["explain", "initrdTooLarge"])
        #expect(explained.status == 0 && explained.output.contains("QEMU boots no file of 2 GiB or more"))
        let module = try await Tool.run(["--memory", "8G", "--module", "huge", "loader"], in: folder.url)
        #expect(module.status != 0 && module.output.contains("no -initrd of 2 GiB or more"), "\(module.output)")
    }

    /// The guest's memory shares the pages of the file's mapping: a verdict neither keeps them twice nor reads pages that it does not need.
    @Test func memoryOfALargeFile() async throws {
        let folder = try Folder()
        let file = try folder.write("large", Sample.application)
        try folder.write("small", Sample.application)
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: 256 << 20)
        try handle.close()
        // KiB at the peak, by getrusage.
        let script = """
            import resource, subprocess, sys
            subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
            print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
            """
        var peaks: [Int] = []
        for name in ["small", "large"] {
            let run = try await Tool.run(
                program: "python3", ["-c", script, Tool.program.path, "--quiet", name], in: folder.url)
            peaks.append(try #require(Int(run.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(run.errors)"))
        }
        #expect(peaks[1] < peaks[0] + (32 << 10), "KiB: \(peaks)")
    }

    /// If no loader is found, its addresses are assumed, and the tool says so; otherwise they are the loader's.
    @Test func assumedLoader() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let run = try await Tool.run(["app"], in: folder.url)
        #expect(
            run.output.contains("\n  loader       no file found, so it is assumed at 0x100000-0x"), "\(run.output)")
        for view in ["bootinfo", "pages", "map", "load"] {
            let run = try await Tool.run([view, "app"], in: folder.url)
            #expect(run.errors.hasPrefix("no loader found: 0x100000-0x"), "\(run.errors)")
        }
        var loader = ELFWriter(type: 2, base: 0x10_0000)
        loader.zeroFill = 0x4_2000
        try folder.write("other", loader.bytes)
        let given = try await Tool.run(["--loader", "other", "app"], in: folder.url)
        #expect(given.output.contains("\n  loader       other at 0x100000-0x142fff\n"), "\(given.output)")
        #expect(try await Tool.run(["pages", "--loader", "other", "app"], in: folder.url).errors.isEmpty)
        let json = try await Tool.run(["--json", "app"], in: folder.url)
        #expect(json.output.contains(#""isAssumed" : true"#))
    }
}
