// `gdb-script` with a real gdb: it attaches to QEMU, stops at the entry point, and finds functions and lines at their addresses.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct GDBTests {
    static let hasGDB = ["/usr/bin/gdb", "/usr/local/bin/gdb"].contains {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test(.enabled(if: BootTests.isReady && hasGDB, "gdb, or build/loader or fixtures are missing"))
    func stopsWhereItIsTold() async throws {
        for (name, machine) in [("crash", "--machine pc"), ("object-crash.o", "--machine q35 --memory 3G")] {
            let folder = try Folder()
            let fixture = Tool.root.appendingPathComponent("build/fixtures/\(name)")
            try folder.write("app", Array(Data(contentsOf: fixture)))
            try folder.write("loader", Array(Data(contentsOf: Tool.root.appendingPathComponent("build/loader"))))
            // A socket in the folder, since all tests of this machine share its ports; the kernel marks sockets that listen.
            let script = """
                tool='\(Tool.program.path)'; options='\(machine) --loader loader'
                timeout 300 "$tool" boot $options --qemu-arg -S --qemu-arg -gdb --qemu-arg chardev:gdb --qemu-arg -chardev \\
                    --qemu-arg socket,id=gdb,path=gdb-$$,server=on,wait=off app >serial 2>&1 &
                i=0; while [ $i -lt 1200 ] && ! grep -q " 00010000 .*gdb-$$" /proc/net/unix; do sleep 0.1; i=$((i+1)); done
                "$tool" gdb-script $options --target ./gdb-$$ app >script || exit 1
                timeout 300 gdb -nx -batch -x script -ex 'info symbol $pc' -ex 'break dies_here' -ex continue \\
                    -ex backtrace -ex 'info registers rip' -ex kill </dev/null 2>&1
                wait
                """
            let run = try await Tool.run(program: "sh", ["-c", script], in: folder.url)
            #expect(run.output.contains("_start in section .text"), "\(name): \(run.output)\(run.errors)")
            #expect(run.output.contains("#0  dies_here () at crash.c:7"), "\(name): \(run.output)")
            #expect(run.output.contains(" in application (") && run.output.contains("at crash.c:11"), "\(name)")
        }
    }

    @Test func randomPlacesAreRefused() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let random = try await Tool.run(["gdb-script", "--loader-options", "loader.kaslr", "app"], in: folder.url)
        #expect(random.status == 64)
        let given = try await Tool.run(
            ["gdb-script", "--loader-options", "loader.kaslr loader.base=0x600000", "app"], in: folder.url)
        #expect(given.status == 0)
        #expect(given.output.contains("\nadd-symbol-file app -o 0x600000\n"))
        #expect(given.output.contains("\ntarget remote localhost:1234\n"))
        try folder.write("broken", Sample.truncated)
        let broken = try await Tool.run(["gdb-script", "broken"], in: folder.url)
        #expect(broken.status == 2 && broken.output.isEmpty)
    }

    /// A name is not a command, and standard input has no name for gdb to open.
    @Test func namesAreNoCommands() async throws {
        let folder = try Folder()
        for (name, status) in [("a\nshell id\n", 64), ("a\u{1b}[31m b", 0)] as [(String, Int32)] {
            try folder.write(name, Sample.application)
            let run = try await Tool.run(["gdb-script", name], in: folder.url)
            #expect(run.status == status && run.output.isEmpty == (status != 0), "\(run.output)")
            #expect(!run.errors.contains("Usage"))
            guard status == 0 else { continue }
            #expect(run.output.hasPrefix("# a?[31m b lies at 0x"))
            #expect(run.output.contains("\nadd-symbol-file 'a\u{1b}[31m b' -o 0x"))
        }
        let input = try await Tool.run(["gdb-script", "-"], input: Sample.application)
        #expect(input.status == 64 && input.output.isEmpty)
    }
}
