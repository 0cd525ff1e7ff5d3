// Hostile files: every view shows rows or one sentence, and memory use stays bounded.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HostileTests {
    /// A section of zeros that is larger than any machine's memory must not be filled. Without room in the machine the status is 1; the
    /// largest ends beyond all addresses: the file is malformed, status 2.
    @Test(arguments: [(1 << 33, 1), (1 << 40, 1), (1 << 62, 2)] as [(UInt64, Int32)])
    func hugeSections(_ size: UInt64, _ status: Int32) async throws {
        var file = ObjectFile()
        file.symbols = [ObjectSymbol(name: "_start", size: 4, info: 0x12, section: 1)]
        file.sections = [
            ObjectSection(
                name: ".text", flags: 6, bytes: [1, 2, 3, 4, 5, 6, 7, 8],
                relocations: [Relocation(1, at: 0, symbol: 1, addend: 0)]),
            ObjectSection(name: ".bss", type: 8, zeros: size),
        ]
        let folder = try Folder()
        try folder.write("app.o", file.bytes)
        for words in [
            ["relocations"], ["load", "--base", "0x200000"], ["map"], ["pages"], ["gdb-script"], ["verdict"],
        ] {
            let run = try await Tool.run(words + ["app.o"], in: folder.url)
            #expect(run.status == status, "\(words): \(run.status)")
            #expect((run.output + run.errors).contains("error: "), "\(words)")
        }
    }

    /// A segment as large as numbers allow.
    @Test(arguments: [1 << 47, 1 << 63, .max &- 0xfff] as [UInt64]) func hugeSegments(_ size: UInt64) async throws {
        var file = Sample.application
        // p_memsz of the first program header.
        file.put(size, at: 64 + 40)
        let folder = try Folder()
        try folder.write("app", file)
        // Views of the file alone do not depend on the size in memory.
        let ofTheFile = ["header", "segments", "sections", "symbols", "notes", "dynamic", "versions", "sizes"]
        for view in GoldenTests.views + ["load --base 0x200000", "map", "gdb-script"] {
            let run = try await Tool.run(view.split(separator: " ").map { String($0) } + ["app"], in: folder.url)
            #expect(run.status == (ofTheFile.contains(view) ? 0 : 1), "\(view): status \(run.status)")
        }
    }

    /// Zeros larger than any machine take no memory of the host, for a file from any source.
    @Test func hugeZeros() async throws {
        var file = Sample.application
        file.put(1 << 39 as UInt64, at: 64 + 40)
        let folder = try Folder()
        try folder.write("app", file)
        let mapped = try await Tool.run(["relocations", "app"], in: folder.url)
        let copied = try await Tool.run(["relocations", "-"], input: file)
        let linked = try await Tool.run(["relocations", "--module", "app", "app"], in: folder.url)
        #expect(mapped.status == 0 && mapped.output == copied.output)
        #expect(linked.output.split(separator: "\n").count == mapped.output.split(separator: "\n").count + 1)
    }

    /// Random bytes are changed, the same in each run: no view ends by a signal.
    @Test func changedBytes() async throws {
        var random = SeededGenerator(seed: 5)
        let seeds = [Sample.application, Sample.object, Sample.built, Sample.fixed]
        let folder = try Folder()
        var names: [String] = []
        for index in 0..<60 {
            var bytes = seeds[index % seeds.count]
            for _ in 0..<(1 << (index % 4)) {
                let place = Int(random.next() % UInt64(bytes.count))
                bytes[place] = [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next())][index % 6]
            }
            names.append("file\(index)")
            try folder.write(names[index], bytes)
        }
        for view in GoldenTests.views + ["relocations --base 0x200000", "verdict --memory 64M"] {
            let words = view.split(separator: " ").map { String($0) }
            let run = try await Tool.run(words + ["--json"] + names, in: folder.url)
            // The status is that of the worst file, which depends on the random bytes; here no signal may end a view. Fixed files cannot
            // lie at that base.
            let most: [Int32] = words.contains("--base") ? [0, 1, 2, 64] : [0, 1, 2]
            #expect(most.contains(run.status), "\(view): status \(run.status)")
        }
        for index in stride(from: 0, to: 60, by: 6) {
            for words in [["diff", names[index], names[index + 1]], ["load", "--base", "0x200000", names[index + 2]]] {
                let run = try await Tool.run(words, in: folder.url)
                // Any of the tool's statuses, as above.
                #expect((0...2).contains(run.status) || run.status == 64, "\(words): \(run.status) \(run.errors)")
            }
        }
    }
}
