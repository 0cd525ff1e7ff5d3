// Failures outside the inspected file: files that cannot be read or written, and closed descriptors.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FailureTests {
    private let folder: Folder

    init() throws { folder = try Folder.withSamples() }

    @Test(arguments: [
        "diff absent application", "map absent", "load absent", "gdb-script absent", "boot absent", "absent",
        "--module absent application", "--loader absent application", "relocations --module absent application",
    ])
    func whatCannotBeRead(_ words: String) async throws {
        let run = try await Tool.run(words.split(separator: " ").map { String($0) }, in: folder.url)
        #expect(run.status == 64 && run.output.isEmpty)
        // The command line is right, so the message has no usage.
        #expect(run.errors == "Error: cannot read absent: No such file or directory\n")
    }

    @Test func namesThatAreNotUTF8() async throws {
        let run = try await folder.shell("name=$(printf 'a\\377'); cp application \"$name\"; $tool \"$name\"")
        #expect(run.status == 64 && run.output.isEmpty)
        let reason = "No such file or directory; a name that is not UTF-8 "
        #expect(run.errors.hasPrefix("Error: cannot read a\u{fffd}: \(reason)"), "\(run.errors)")
    }

    /// The standard error of `run`, without the note about the assumed loader.
    private func failure(of run: Run) -> Substring {
        run.errors.hasPrefix("no loader found: ") ? run.errors.drop { $0 != "\n" }.dropFirst() : run.errors[...]
    }

    @Test(arguments: ["application", "map application", "gdb-script application", "explain", "diff fixed application"])
    func whatCannotBeWritten(_ words: String) async throws {
        let run = try await folder.shell("$tool \(words) > /dev/full")
        #expect(run.status == 74)
        #expect(failure(of: run) == "Error: cannot write standard output: No space left on device\n")
    }

    @Test(arguments: ["map --output map.svg", "load --output load"])
    func filesThatCannotBeWritten(_ line: String) async throws {
        let words = line.split(separator: " ").map { String($0) }
        let absent = try await Tool.run(words.dropLast() + ["absent/" + words[2], "application"], in: folder.url)
        #expect(absent.status == 74)
        #expect(failure(of: absent) == "Error: cannot write absent/\(words[2]): No such file or directory\n")
        let full = try await folder.shell("ln -s /dev/full \(words[2]); $tool \(line) application")
        #expect(full.status == 74)
        #expect(failure(of: full) == "Error: cannot write \(words[2]): No space left on device\n")
    }

    @Test(arguments: ["absent", "truncated", "load truncated", "segments truncated"])
    func withoutStandardError(_ words: String) async throws {
        let expected = try await folder.shell("$tool \(words)")
        #expect([2, 64].contains(expected.status))
        #expect(try await folder.shell("$tool \(words) 2>&-").status == expected.status)
    }

    /// A concurrent build: the tool has opened the old file before it waits for the new one.
    @Test func aFileThatBecomesShorter() async throws {
        let run = try await folder.shell(
            """
            mkfifo new
            $tool diff application new & exec 3>new
            : > application; cat fixed >&3; exec 3>&-
            wait $!
            """)
        #expect(run.status == 64)
        #expect(run.errors == "Error: a file became shorter while it was read, or its disk failed\n")
    }

    /// Takes 4 GiB of memory for some seconds.
    @Test(.enabled(if: isSoak, "only in make soak")) func whatHasNoEnd() async throws {
        let run = try await Tool.run(["segments", "/dev/zero"])
        #expect(run.status == 64 && run.errors == "Error: cannot read /dev/zero: File too large\n")
    }

    /// Files for which QEMU would wait, or which it would find empty.
    @Test(arguments: ["boot pipe", "boot --module pipe application", "boot /dev/zero"])
    func filesThatQEMUCannotBoot(_ words: String) async throws {
        let run = try await folder.shell(
            "mkfifo pipe; (cat application > pipe) & timeout 300 $tool \(words) --qemu /bin/true; s=$?; kill $!; exit $s"
        )
        #expect(run.status == 64, "\(run.errors)")
        #expect(run.errors.hasPrefix("Error: QEMU cannot boot from a pipe or a device: copy "), "\(run.errors)")
    }

    /// A fault of the file given as the loader is not reported as the application's.
    @Test func filesThatAreNoLoader() async throws {
        try folder.write("empty", [])
        // Linked below 1 MiB, and far above the end of RAM.
        try folder.write("low", Sample.fixed.putting(0x8000 as UInt64, at: 64 + 16))
        try folder.write("high", Sample.fixed.putting(0xffff_ffff_ffff_f000 as UInt64, at: 64 + 16))
        for name in ["empty", "truncated", "application", "low", "high"] {
            let run = try await Tool.run(["--loader", name, "application"], in: folder.url)
            #expect(run.status == 64 && run.output.isEmpty, "\(name): \(run.output)")
            #expect(run.errors == "Error: \(name) is not a loader: make loader builds one\n")
        }
        #expect(try await Tool.run(["--loader", "fixed", "application"], in: folder.url).status == 0)
    }

    /// If an image cannot be at this base, none of its rows are listed; other files are listed.
    @Test func basesThatCannotBe() async throws {
        var aligned = ELFWriter(base: 0x20_0000)
        aligned.alignment = 0x40_0000
        aligned.addNotes(hermitNote(4))
        try folder.write("aligned", aligned.bytes)
        // Sizes are those that `load` prints.
        var sizes: [String: String] = [:]
        for name in ["application", "object"] {
            let output = try await Tool.run(["load", name], in: folder.url).output
            sizes[name] = output.split(separator: " ").dropFirst(2).first.map { String($0) }
        }
        func wrap(_ name: String, _ base: String) -> String {
            "\(name) has \(sizes[name] ?? "") bytes in memory: from \(base) on they do not fit in 64 bits"
        }
        let cannot = [
            ("fixed", "0x200000", "fixed is linked at a fixed address, 0x1000000: it cannot be elsewhere"),
            ("object", "0x200008", "a section of object needs an address that is a multiple of 0x10"),
            ("application", "0x200800", "a segment of application needs an address that is a multiple of 0x1000"),
            (
                "aligned", "0x400000",
                "a segment of aligned needs an address that is a multiple of 0x400000 plus 0x200000"
            ),
            ("application", "0xfffffffffffff000", wrap("application", "0xfffffffffffff000")),
            ("application", "0xffffffffffffffff", wrap("application", "0xffffffffffffffff")),
            ("object", "0xfffffffffffffff0", wrap("object", "0xfffffffffffffff0")),
            ("object", "0xffffffffffffffff", wrap("object", "0xffffffffffffffff")),
        ]
        for (name, base, sentence) in cannot {
            let run = try await Tool.run(["relocations", "--base", base, name], in: folder.url)
            #expect(run.status == 64 && run.output.isEmpty, "\(run.output)")
            #expect(run.errors == "Error: \(sentence)\n")
        }
        let can = [
            ("fixed", "0x1000000"), ("object", "0x200010"), ("application", "0x201000"), ("aligned", "0x600000"),
            ("application", "0xffffffffffff0000"),
        ]
        for (name, base) in can {
            let run = try await Tool.run(["relocations", "--base", base, name], in: folder.url)
            #expect(run.status == 0 && run.errors.isEmpty, "\(name): \(run.errors)")
        }
        let several = try await Tool.run(["relocations", "--base", "0x200000", "fixed", "object"], in: folder.url)
        #expect(several.status == 64 && several.output.contains(" 0x200004 "), "\(several.output)")
    }

    /// The loader itself loads an image at a given address, and refuses impossible ones.
    @Test func basesAreTheLoaders() async throws {
        for (words, rule) in [
            (["0x200000", "fixed"], "baseOfFixedImage"), (["0x201000", "application"], "baseMisaligned"),
            (["0xfffffffffffff000", "application"], "baseMisaligned"),
            (["0x80000000", "application"], "baseOutsideMemory"),
            (["0xffffffffffe00000", "object"], "baseOutsideMemory"),
        ] {
            let run = try await Tool.run(["load", "--base"] + words, in: folder.url)
            let told = try await Tool.run(
                ["verdict", "--json", "--loader-options", "loader.base=\(words[0])", words[1]], in: folder.url)
            #expect(run.status == 1 && run.output.isEmpty)
            #expect(told.output.contains("\"rule\" : \"\(rule)\""), "\(told.output)")
            #expect(failure(of: run).hasPrefix("\(words[1]): error: loader.base: "), "\(run.errors)")
        }
        for (base, name) in [("0x1000000", "fixed"), ("0x600000", "application"), ("4194304", "object")] {
            let run = try await Tool.run(
                ["load", "--base", base, "-o", "image", "--memory-dump", "handoff", name], in: folder.url)
            #expect(run.status == 0 && failure(of: run).isEmpty, "\(run.errors)")
            let files = ["image", "handoff"].map { folder.url.appendingPathComponent($0) }
            let bytes = try files.map { try Data(contentsOf: $0) }
            let told = try await Tool.run(
                ["load", "--loader-options", "loader.base=\(base)", "-o", "image", "--memory-dump", "handoff", name],
                in: folder.url)
            #expect(try told.output == run.output && files.map { try Data(contentsOf: $0) } == bytes)
            #expect(bytes.allSatisfy { !$0.isEmpty } && run.output.hasPrefix("image 0x"), "\(run.output)")
        }
    }

    /// A file that can be read only once, such as a pipe, works even if several machines boot it.
    @Test func modulesAreReadOnce() async throws {
        let run = try await folder.shell(
            "mkfifo pipe; cat undefined > pipe & timeout 300 $tool --module pipe application fixed")
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.output)\(run.errors)")
        #expect(run.output.contains("application: boots\n") && run.output.contains("fixed: boots\n"))
    }
}
