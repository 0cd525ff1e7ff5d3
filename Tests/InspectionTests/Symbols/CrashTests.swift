// Names in a crash report: only the function that really contains an address, demangled, from any place of a stripped file's symbols.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct CrashTests {
    static let hasTools = isInstalled("objcopy", "strip", "addr2line", "as", "ld", "nm")
    static let crash = Tool.root.appendingPathComponent("build/fixtures/crash")

    private func sh(_ script: String, in folder: Folder) async throws -> Run {
        let run = try await Tool.run(
            program: "sh", ["-ec", "tool='\(Tool.program.path)'; root='\(Tool.root.path)'; " + script], in: folder.url)
        #expect(run.status == 0, "\(script): \(run.errors)")
        return run
    }

    /// A log with an address in the function that dies, one a byte past it, and one in no function.
    private static let log = """
        a=$(nm crash | sed -n 's/ T dies_here//p')
        printf '[LOADER] image at 0x200000-0x203fff\\r\\nheap at 0x200000\\r\\npanic at 0x%x\\r\\n' $((0x$a + 0x200003)) >log

        """

    @Test(.enabled(if: BootTests.hasCrash && hasTools, "make fixtures; binutils"))
    func strippedFiles() async throws {
        let folder = try Folder()
        try FileManager.default.copyItem(at: Self.crash, to: folder.url.appendingPathComponent("crash"))
        let names = "  dies_here+0x3\n    in dies_here at ./crash.c:7\n"
        let whole = try await sh(Self.log + "\"$tool\" symbolize crash log", in: folder)
        #expect(whole.output.contains(names) && !whole.output.contains("0x200000 "), "\(whole.output)")
        // From standard input, with `-` and without a name.
        let input = try await sh("\"$tool\" symbolize crash <log; \"$tool\" symbolize crash - <log", in: folder)
        #expect(input.output == whole.output + whole.output)
        // Without symbols the tool says so, and prints no name.
        let bare = try await sh("cp crash bare; strip -s bare; \"$tool\" symbolize bare log", in: folder)
        #expect(bare.output.contains("bare is stripped") && bare.output.contains("  .text+0x"), "\(bare.output)")
        #expect(!bare.output.contains("dies_here"))
        let given = try await sh("\"$tool\" symbolize --debug-file crash bare log", in: folder)
        #expect(given.output.contains(names), "\(given.output)")
        // By .gnu_debuglink, beside the file and in .debug; not with another checksum.
        let linked = try await sh(
            "cp bare linked; objcopy --only-keep-debug crash app.debug; objcopy --add-gnu-debuglink=app.debug linked; "
                + "\"$tool\" symbolize linked log; mkdir .debug; mv app.debug .debug; \"$tool\" symbolize linked log",
            in: folder)
        #expect(linked.output.components(separatedBy: names).count == 3, "\(linked.output)")
        #expect(linked.output.contains("(symbols are those of "))
        let other = try await sh("echo >>.debug/app.debug; \"$tool\" symbolize linked log", in: folder)
        #expect(other.output.contains("linked is stripped") && !other.output.contains("dies_here"), "\(other.output)")
    }

    /// The kernel in an image has no path for the programs that read lines.
    @Test(.enabled(if: BootTests.hasCrash && hasTools, "make fixtures; binutils"))
    func images() async throws {
        let folder = try Folder()
        try FileManager.default.copyItem(at: Self.crash, to: folder.url.appendingPathComponent("crash"))
        let whole = try await sh(Self.log + "\"$tool\" symbolize crash log", in: folder)
        let packed = try await sh(
            "\"$tool\" image create --kernel crash --output app.tar.gz; cp crash bare; strip -s bare; "
                + "\"$tool\" image create --kernel bare --output bare.tar.gz; mkdir tmp; export TMPDIR=$PWD/tmp; "
                + "\"$tool\" symbolize app.tar.gz log; \"$tool\" symbolize bare.tar.gz log; ls tmp", in: folder)
        #expect(packed.output.hasPrefix(whole.output) && whole.output.contains("dies_here+0x3"), "\(packed.output)")
        // No file is left, and the image appears under its own name.
        let rest = packed.output.dropFirst(whole.output.count)
        #expect(rest.contains("bare.tar.gz is stripped") && rest.hasSuffix("\n") && !rest.contains("file1"), "\(rest)")
    }

    /// Libraries from the archive have sections in the picture, like given ones.
    @Test(.enabled(if: BootTests.isReady, "make loader fixtures")) func librariesInImages() async throws {
        let folder = try Folder()
        let fixtures = Tool.root.path + "/build/fixtures/"
        let names = ["libtop.so", "libmiddle.so", "libbase.so"]
        let files = names.flatMap { ["--file", "lib/\($0)=\(fixtures)\($0)"] }
        let made = try await Tool.run(
            ["image", "create", "--kernel", fixtures + "libraries-pie", "--output", "app.tar.gz"] + files,
            in: folder.url)
        #expect(made.status == 0, "\(made.errors)")
        let map = try await Tool.run(["map", "app.tar.gz"], in: folder.url)
        // Small neighbours share a line, which names one of them.
        let section = #/(lib[a-z]+)\.so \.[a-z]/#
        #expect(
            map.status == 0 && Set(map.output.matches(of: section).map(\.1)) == ["libtop", "libmiddle", "libbase"],
            "\(map.output)\(map.errors)")
        let script = try await Tool.run(["gdb-script", "app.tar.gz"], in: folder.url)
        #expect(script.status == 64 && script.errors.contains("let boot --gdb do it"), "\(script.errors)")
    }

    /// A file of another build would give wrong names.
    @Test(.enabled(if: BootTests.hasCrash && hasTools, "make fixtures; binutils"))
    func otherBuilds() async throws {
        let folder = try Folder()
        let object = Tool.root.path + "/build/fixtures/object-crash.o"
        let run = try await sh(
            "for id in 01 02; do ld -pie -e _start --no-dynamic-linker --build-id=0x$id$id '\(object)' -o $id; done; "
                + "echo 'panic 0x201000' >log; \"$tool\" symbolize --debug-file 01 01 log; "
                + "! \"$tool\" symbolize --debug-file 02 01 log", in: folder)
        #expect(run.errors.contains("02 is from a different build than 01"), "\(run.output)\(run.errors)")
    }

    /// A symbol with a size ends there; one without extends to the next symbol, or to the end of the section.
    @Test(.enabled(if: hasTools, "binutils")) func whatAnAddressIsIn() async throws {
        let folder = try Folder()
        let source = """
            .include "\(Tool.root.path)/Fixtures/Objects/start.S"
            .text
            application: hlt
            .size application, 1
            .balign 64
            .type sized, @function
            sized: .skip 4
            .size sized, 4
            .skip 60
            unsized: .skip 8
            .type outer, @function
            outer: .skip 8
            .type inner, @function
            inner: .skip 4
            .size inner, 4
            .skip 4
            .size outer, 16
            .data
            .skip 64

            """
        try folder.write("a.s", Array(source.utf8))
        let run = try await sh(
            """
            as a.s -o a.o && ld -pie -z noseparate-code -e _start --no-dynamic-linker a.o -o app
            s=$((0x$(nm app | sed -n 's/ t sized//p') + 0x200000))
            echo panic >log; for offset in 0 3 4 63 64 71 72 80 83 84 87 88; do printf '0x%x\\n' $((s + offset)) >>log; done
            "$tool" symbolize --base 0x200000 app log
            """, in: folder)
        let names = run.output.split(separator: "\n").dropFirst().compactMap { $0.split(separator: " ").last }
            .map { $0.replacing(/^\.text\+.*/, with: ".text") }
        #expect(
            names == [
                "sized+0x0", "sized+0x3", ".text", ".text", "unsized+0x0", "unsized+0x7", "outer+0x0", "inner+0x0",
                "inner+0x3", "outer+0xc", "outer+0xf",
            ]
                || names.dropLast() == [
                    "sized+0x0", "sized+0x3", ".text", ".text", "unsized+0x0", "unsized+0x7", "outer+0x0", "inner+0x0",
                    "inner+0x3", "outer+0xc", "outer+0xf",
                ] && !(names.last?.hasPrefix("outer") ?? true), "\(run.output)")
    }

    /// Of the symbols at one address the first function is used, or else the last symbol: by the crash report as by the
    /// loader's own search, which a finding shows.
    @Test(.enabled(if: hasTools, "binutils"))
    func symbolsAtOneAddress() async throws {
        let folder = try Folder()
        var source = ".include \"\(Tool.root.path)/Fixtures/Objects/start.S\"\n.text\napplication: hlt\n"
        // At each address three symbols, in the order of the table.
        let kinds = [
            ["function", "object", "function"], ["object", "function", "gnu_indirect_function"],
            ["notype", "gnu_indirect_function", "function"], ["object", "notype", "object"],
        ]
        for (place, kinds) in kinds.enumerated() {
            for (index, kind) in kinds.enumerated() { source += ".type p\(place)s\(index), @\(kind)\n" }
            for index in kinds.indices { source += "p\(place)s\(index):\n" }
            source += ".skip 16\n"
            for index in kinds.indices { source += ".size p\(place)s\(index), 16\n" }
        }
        try folder.write("a.s", Array(source.utf8))
        for (place, best) in [0, 1, 1, 2].enumerated() {
            let run = try await sh(
                """
                as a.s -o a.o && ld -pie -z noseparate-code -e _start --no-dynamic-linker a.o -o app
                s=$((0x$(nm app | sed -n 's/ [a-zA-Z] p\(place)s0//p') + 4))
                printf 'panic\\n0x%x\\n' $((s + 0x200000)) >log
                "$tool" symbolize --base 0x200000 app log
                ld -pie -z noseparate-code -e $s --no-dynamic-linker a.o -o inside && "$tool" inside
                """, in: folder)
            let name = "p\(place)s\(best)"
            #expect(run.output.contains("  \(name)+0x4\n"), "\(run.output)\(run.errors)")
            #expect(!run.output.contains("  in p"), "\(run.output)")
            let text = run.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(text.contains("it is 0x4 bytes into \(name);"), "\(run.output)\(run.errors)")
        }
    }

    /// A name whose parameter is a pair of pairs, `depth` levels deep: the second of each pair refers to the first, so its text
    /// doubles at each level.
    private func doubling(_ depth: Int) -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        // A number is its digits and a mark: 0 is the mark alone, 1 the digit 0 and the mark.
        func reference(_ position: Int) -> String { "B\(digits[position - 1])_" }
        func pair(_ depth: Int, at position: Int) -> String {
            depth == 0 ? "l" : "T" + pair(depth - 1, at: position + 1) + reference(position + 1) + "E"
        }
        return "_RINvC1a1f" + pair(depth, at: 8) + "E"
    }

    /// Both manglings of Rust, and C++'s.
    @Test(.enabled(if: hasTools, "binutils"))
    func mangledNames() async throws {
        let names = [
            ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
            ("_RNCNvC5hello4main0", "hello::main::{closure#0}"),
            ("_RINvC5hello4callNtNtB2_4deep1SE", "hello::call::<hello::deep::S>"),
            ("_RNvMC5helloNtB2_1S2go", "<hello::S>::go"),
            ("_RNvXC5helloNtB2_1SNtB2_2Tr2go", "<hello::S as hello::Tr>::go"),
            ("_RINvC5hello1fTahEAtj8_RSmDNtB2_1TEL_E", "hello::f::<(i8, u8), [u16; 8], &[u32], dyn hello::T>"),
            ("_RINvC5hello1fFG_RL0_hPeEuE", "hello::f::<for<'a> fn(&'a u8, *const str)>"),
            ("_RINvC5hello1fKb1_Kc78_Kin5_E", "hello::f::<true, 'x', -5>"),
            ("_RNvC5hellou8gdel_5qa", "hello::gödel"),
            ("_ZN5hello4deep4dies17h0123456789abcdefE", "hello::deep::dies"),
            (
                "_ZN45_$LT$$RF$str$u20$as$u20$hello..deep..Dies$GT$4dies17hd744a1599bec5165E",
                "<&str as hello::deep::Dies>::dies"
            ),
            ("_ZN3foo3barEi", "foo::bar(int)"),
            // Longer than the tool's limit for other texts of a file, mangled or not.
            (
                "_RINvC1a1fT" + String(repeating: "h", count: 400) + "EE",
                "a::f::<(" + Array(repeating: "u8", count: 400).joined(separator: ", ") + ")>"
            ),
            (String(repeating: "long_", count: 80), String(repeating: "long_", count: 80)), ("größe", "größe"),
            // Names of no language, and hostile ones.
            ("_R", "_R"), ("_RNvB_3foo", "_RNvB_3foo"), ("_ZN9999999999", "_ZN9999999999"),
            ("_RYYYYYYYYYYYYYYYYYYYY", "_RYYYYYYYYYYYYYYYYYYYY"),
            (doubling(3), "a::f::<(((i32, i32), (i32, i32)), ((i32, i32), (i32, i32)))>"),
            (doubling(40), doubling(40)),
        ]
        let folder = try Folder()
        var source = ".include \"\(Tool.root.path)/Fixtures/Objects/start.S\"\n.text\napplication: hlt\n"
        for (mangled, _) in names {
            source += ".type \"\(mangled)\", @function\n\"\(mangled)\": hlt\n.size \"\(mangled)\", 1\n"
        }
        try folder.write("a.s", Array(source.utf8))
        let run = try await sh(
            """
            as a.s -o a.o && ld -pie -z noseparate-code -e _start --no-dynamic-linker a.o -o app
            s=$((0x$(nm app | sed -n 's/ t application//p') + 0x200001))
            echo panic >log; i=0; while [ $i -lt \(names.count) ]; do printf '0x%x\\n' $((s + i)) >>log; i=$((i+1)); done
            "$tool" symbolize --base 0x200000 app log
            """, in: folder)
        let told = run.output.split(separator: "\n").filter { $0.hasPrefix("  0x") }
            .compactMap { $0.firstMatch(of: /0x[0-9a-f]+\ \ (.*)\+0x0$/)?.1 }.map { String($0) }
        #expect(told == names.map(\.1), "\(run.output)\(run.errors)")
    }

    static let hasCargo = isInstalled("cargo", "rustc", "cc")

    /// A real cargo project with this tool as its runner.
    @Test(.enabled(if: RunnerTests.isReady && hasCargo, "cargo, rustc and cc, or make loader fixtures"))
    func cargoRun() async throws {
        let folder = try Folder()
        let script = """
            PATH=$(dirname "$tool"):$PATH; export PATH LOADER="$root/build/loader" CARGO_TARGET_DIR="$PWD/target"
            cp -R "$root/Fixtures/Cargo" project; cd project
            status=0; cargo --offline run -- one "two words" || status=$?; echo "status $status"
            status=0; cargo --offline run -- crash || status=$?; echo "status $status"
            """
        let run = try await sh(script, in: folder)
        #expect(
            run.output.contains("\none 'two words'\r\n[0][INFO] shutting down with code 42\r\nstatus 42\n"),
            "\(run.output)\(run.errors)")
        #expect(run.output.hasSuffix("status 47\n"), "\(run.output)")
        #expect(run.errors.contains("  <&str as hello::deep::Dies>::dies+0x"), "\(run.errors)")
        #expect(run.errors.contains("    inlined into <&str as hello::deep::Dies>::dies at "), "\(run.errors)")
        #expect(run.errors.contains("src/main.rs:"), "\(run.errors)")
    }
}
