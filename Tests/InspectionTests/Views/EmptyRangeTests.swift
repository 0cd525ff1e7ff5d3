// Files whose segments and sections have no bytes, as `objcopy --only-keep-debug` leaves them: every view works.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct EmptyRangeTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    /// `file` with segments that have no bytes and point past its end.
    private static func emptied(_ file: [UInt8]) -> [UInt8] {
        var file = file
        for index in 0..<Int(file.number(UInt16.self, at: 56)) {
            file.put(UInt64(file.count) + 0x1000, at: 64 + index * 56 + 8)
            file.put(0 as UInt64, at: 64 + index * 56 + 32)
        }
        return file
    }

    static let views = ["segments", "sections", "symbols", "notes", "dynamic", "relocations"]

    /// The application, and the file of its debugging information alone.
    private func writeFiles() throws {
        let size = UInt64(Sample.application.count)
        let end = Int(size) + 0x2000
        // Sections in memory have sizes, but no bytes; others may be empty.
        let file = Sample.adding(
            [(".text", 8, end, 0x100), (".empty", 1, end, 0), (".note", 7, end, 0), (".dynsym", 8, end, 48)],
            to: Self.emptied(Sample.application))
        try folder.write("old", Sample.application)
        try folder.write("debug", file)
    }

    @Test(arguments: views + views.map { $0 + " --json" }) func everyView(_ words: String) async throws {
        try writeFiles()
        let run = try await Tool.run(words.split(separator: " ").map { String($0) } + ["debug"], in: folder.url)
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
        #expect(!run.output.isEmpty)
    }

    /// The new file does not boot, as the status shows.
    @Test func differences() async throws {
        try writeFiles()
        let run = try await Tool.run(["diff", "old", "debug"], in: folder.url)
        #expect(run.status == 1 && run.errors.isEmpty, "\(run.errors)")
        #expect(run.output.contains("debug: will not boot"), "\(run.output)")
    }

    /// The same with objcopy's own output.
    @Test(.enabled(if: isInstalled("objcopy"), "there is no objcopy"), arguments: views) func ofObjcopy(_ view: String)
        async throws
    {
        let source = "__attribute__((visibility(\"hidden\"))) int x; int *y = &x; void _start(void) { for (;;); }"
        try folder.write("a.c", Array(source.utf8))
        let build = "cc -g -ffreestanding -fpie -nostdlib -static-pie -o a a.c && objcopy --only-keep-debug a a.debug"
        let built = try await Tool.run(program: "sh", ["-c", build], in: folder.url)
        #expect(built.status == 0, "\(built.errors)")
        let run = try await Tool.run([view, "a.debug"], in: folder.url)
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    }
}
