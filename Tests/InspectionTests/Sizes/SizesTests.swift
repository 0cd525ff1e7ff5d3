// Sizes by part: every byte counts once.

import Foundation
@testable import Inspection
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SizesTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    private struct Sizes {
        var file: UInt64, memory: UInt64
        var parts: [String: (file: UInt64, memory: UInt64)] = [:]
    }

    private func sizes(_ words: [String]) async throws -> Sizes {
        let run = try await Tool.run(["sizes", "--json"] + words, in: folder.url)
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any], "\(run)")
        func number(_ value: Any?) -> UInt64 { (value as? NSNumber)?.uint64Value ?? .max }
        var sizes = Sizes(file: number(document["fileSize"]), memory: number(document["memorySize"]))
        var last = UInt64.max
        for row in try #require(document["rows"] as? [[String: Any]]) {
            let part = (file: number(row["fileSize"]), memory: number(row["memorySize"]))
            let name = try #require(row["name"] as? String)
            #expect(sizes.parts.updateValue(part, forKey: name) == nil, "\(name) is there twice")
            #expect(max(part.file, part.memory) <= last, "the largest first")
            last = max(part.file, part.memory)
        }
        #expect(sizes.parts.values.reduce(0) { $0 + $1.file } == sizes.file, "\(words)")
        #expect(sizes.parts.values.reduce(0) { $0 + $1.memory } == sizes.memory, "\(words)")
        return sizes
    }

    @Test(arguments: ["section", "segment", "symbol", "crate"]) func everyByteCountsOnce(_ kind: String) async throws {
        var others = FileOfAnyForm(isWide: false, isBigEndian: true)
        try folder.write("foreign", others.bytes)
        others.hasSections = false
        try folder.write("stripped", others.bytes)
        for (name, bytes) in Sample.all + [("built", Sample.built)] where name != "truncated" {
            try folder.write(name, bytes)
            #expect(try await sizes(["--by", kind, name]).file == UInt64(bytes.count))
        }
        for name in ["foreign", "stripped"] {
            let parts = try await sizes(["--by", kind, name]).parts
            if kind == "symbol" { #expect(parts["run"]?.memory == 12, "\(name): \(parts)") }
        }
        try folder.write("truncated", Sample.truncated)
        #expect(try await Tool.run(["sizes", "truncated"], in: folder.url).status == 2)
    }

    /// Symbols at one place, inside each other, and larger than their section.
    @Test func symbolsThatOverlap() async throws {
        var object = ObjectFile()
        object.sections = [ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0, count: 100))]
        object.symbols = [
            ObjectSymbol(name: "outer", value: 10, size: 40, info: 0x12, section: 1),
            ObjectSymbol(name: "alias", value: 10, size: 20, info: 0x12, section: 1),
            ObjectSymbol(name: "inner", value: 40, size: 30, info: 0x12, section: 1),
            ObjectSymbol(name: "long", value: 90, size: .max, info: 0x12, section: 1),
            ObjectSymbol(name: "beyond", value: 200, size: 8, info: 0x12, section: 1),
        ]
        try folder.write("app.o", object.bytes)
        let parts = try await sizes(["--by", "symbol", "app.o"]).parts
        #expect(parts["outer"]?.memory == 40 && parts["inner"]?.memory == 20 && parts["long"]?.memory == 10)
        #expect(parts["alias"] == nil && parts["beyond"] == nil && parts["[.text]"]?.memory == 30)
    }

    @Test func crates() throws {
        for (symbol, crate) in [
            ("_ZN3app4main17h0123456789abcdefE", "app"), ("main", "(not Rust)"), ("_ZN3foo3barEv", "(not Rust)"),
            ("_ZN4core3ptr46drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$17h0123456789abcdefE", "core"),
            ("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str17h0123456789abcdefE", "alloc"),
            ("_ZN42_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE", "core"),
            ("_ZN48_$LT$$u5b$u8$u5d$$u20$as$u20$my_crate..Trait$GT$3fmt17h0123456789abcdefE", "my_crate"),
            ("_RNvCs1234_7mycrate3foo", "mycrate"), ("_RNvNtCs1234_7mycrate3bar3baz", "mycrate"),
        ] { #expect(CrateName.of(symbol) == crate, "\(symbol): \(Demangler.rustName(symbol) ?? "none")") }
        #expect(CompileUnits.stable("src/main.rs/@/3xgv9") == "src/main.rs" && CompileUnits.stable("a.c") == "a.c")
    }

    /// The growth of a crate.
    @Test func differencesByCrate() async throws {
        for (name, size) in [("old.o", 20), ("new.o", 52)] as [(String, UInt64)] {
            var object = ObjectFile()
            object.sections = [ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0, count: 100))]
            let main = "_ZN3app4main17h0123456789abcdefE"
            object.symbols = [ObjectSymbol(name: main, size: size, info: 0x12, section: 1)]
            try folder.write(name, object.bytes)
        }
        let run = try await Tool.run(["diff", "old.o", "new.o"], in: folder.url)
        #expect(run.output.contains("\ncrates: 1 grown (+32), 0 as before\n"), "\(run.output)")
        try folder.write("fixed", Sample.fixed)
        #expect(try await !Tool.run(["diff", "fixed", "fixed"], in: folder.url).output.contains("crates"))
    }

    private static let hasLibdw = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"].contains {
        FileManager.default.fileExists(atPath: $0 + "/libdw.so.1")
    }

    @Test(
        .enabled(if: hasLibdw && isInstalled("gcc") && isInstalled("objcopy"), "libdw1, gcc or objcopy is not there"))
    func compileUnits() async throws {
        try folder.write("one.c", Array("int two(int); int one(int x) { return two(x) * x; }\n".utf8))
        try folder.write("two.c", Array("int two(int x) { while (x & 3) x = x * 7 - 1; return x; }\n".utf8))
        let script = """
            set -e; gcc -g -O1 -fPIC -shared -nostdlib -Wl,--build-id one.c two.c -o lib.so
            objcopy --only-keep-debug lib.so lib.debug; objcopy --strip-all lib.so bare.so
            gcc -g -gz -O1 -fPIC -shared -nostdlib one.c two.c -o packed.so; gcc -g -c one.c
            """
        let made = try await Tool.run(program: "sh", ["-c", script], in: folder.url)
        #expect(made.status == 0, "\(made.errors)")
        let symbols = try await sizes(["--by", "symbol", "lib.so"]).parts
        for words in [["lib.so"], ["packed.so"], ["--debug-file", "lib.debug", "bare.so"]] {
            let units = try await sizes(["--by", "unit"] + words).parts
            #expect(units["one.c"]?.memory == symbols["one"]?.memory, "\(words): \(units)")
            #expect(units["two.c"]?.memory == symbols["two"]?.memory && symbols["two"] != nil, "\(words): \(units)")
        }
        let kept = try await sizes(["--by", "symbol", "--debug-file", "lib.debug", "bare.so"]).parts
        #expect(kept["one"]?.memory == symbols["one"]?.memory && kept["one"] != nil, "\(kept)")
        let none = try await Tool.run(["sizes", "--by", "unit", "bare.so"], in: folder.url)
        #expect(none.status == 1 && none.errors.contains("no debugging information"), "\(none)")
        let object = try await Tool.run(["sizes", "--by", "unit", "one.o"], in: folder.url)
        #expect(object.status == 64 && object.errors.contains("an object file have no addresses"), "\(object)")
        // Damaged debugging information ends the list, not the program.
        let bytes = Array(try Data(contentsOf: folder.url.appendingPathComponent("lib.so")))
        var random = SeededGenerator(seed: 9)
        for round in 0..<20 {
            var damaged = bytes
            for _ in 0..<50 { damaged[0x1000 + Int(random.next() % UInt64(bytes.count - 0x1000))] = UInt8(round * 13) }
            try folder.write("damaged", damaged)
            let run = try await Tool.run(["sizes", "--by", "unit", "damaged"], in: folder.url)
            // The status depends on the compiler that wrote the bytes; no signal may end the program.
            #expect((0...2).contains(run.status), "round \(round): \(run)")
        }
    }

    /// Zeros of thread-local storage have no address; the addresses after the template belong to other sections.
    @Test(.enabled(if: isInstalled("gcc"), "there is no gcc")) func threadLocalZeros() async throws {
        let source = """
            __thread char zeros[8192]; __thread int set = 1; int x; int *const table[4] = {&x, &x, &x, &x};
            int f(int i) { return zeros[i] + set; }

            """
        try folder.write("tls.c", Array(source.utf8))
        let made = try await Tool.run(
            program: "gcc", ["-O1", "-fPIC", "-shared", "-nostdlib", "tls.c", "-o", "tls.so"], in: folder.url)
        #expect(made.status == 0, "\(made.errors)")
        let parts = try await sizes(["--by", "symbol", "tls.so"]).parts
        #expect(parts["table"]?.memory == 32 && parts["set"]?.memory == 4 && parts["zeros"] == nil, "\(parts)")
    }

    @Test func options() async throws {
        try folder.write("application", Sample.application)
        for words in [
            ["--by", "weight"], ["--debug-file", "application"], ["--debug-file", "application", "application"],
        ] {
            #expect(try await Tool.run(["sizes"] + words + ["application"], in: folder.url).status == 64, "\(words)")
        }
        let text = try await Tool.run(["sizes", "application"], in: folder.url).output
        #expect(text.hasSuffix(" 100.0% all of it\n"), "\(text)")
    }

    // MARK: Files among others

    @Test func elfFilesOnly() async throws {
        try folder.write("application", Sample.application)
        try folder.write("loader.efi", Array("MZ and more".utf8))
        try folder.write("undefined", Sample.undefined)
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("folder"), withIntermediateDirectories: true)
        let all = ["application", "folder", "loader.efi"]
        #expect(try await Tool.run(["--quiet"] + all, in: folder.url).status == 64)
        let run = try await Tool.run(["--quiet", "--elf-only"] + all, in: folder.url)
        let alone = try await Tool.run(["--quiet", "application"], in: folder.url)
        #expect(
            run.status == 0 && run.output == alone.output && run.errors == "left out 2 files: no ELF files\n",
            "\(run)")
        // Missing files and files that do not boot are reported as usual.
        let bad = try await Tool.run(["--quiet", "--elf-only", "undefined"] + all, in: folder.url)
        #expect(bad.status == 1 && bad.output.hasPrefix("undefined: will not boot"))
        #expect(try await Tool.run(["--elf-only", "absent"] + all, in: folder.url).status == 64)
        #expect(try await Tool.run(["segments", "--elf-only"] + all, in: folder.url).status == 0)
        let none = try await Tool.run(["--elf-only", "folder", "loader.efi"], in: folder.url)
        #expect(none.status == 2 && none.errors.contains("none of the files"), "\(none)")
    }
}
