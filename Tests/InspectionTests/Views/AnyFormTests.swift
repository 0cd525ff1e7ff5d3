// Views of files that the loader cannot boot: of either class and byte order, for any machine, and core files; readelf is the witness.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AnyFormTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func witness() async throws {
        let script = Tool.root.appendingPathComponent("Tests/InspectionTests/Views/witness.py").path
        let run = try await Tool.run(program: "python3", [script, Tool.program.path, folder.url.path])
        #expect(run.status == 0 && run.output.contains("0 files differ"), "\(run.output)\(run.errors)")
        print(run.output)
    }

    private func rows(_ view: String, _ name: String) async throws -> [[String: Any]] {
        let run = try await Tool.run([view, "--json", name], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        return try #require(document?["rows"] as? [[String: Any]], "\(run)")
    }

    @Test func everyFormOfAFile() async throws {
        for (isWide, isBigEndian) in [(false, false), (false, true), (true, false), (true, true)] {
            for (machine, type) in [(20, 3), (40, 3), (22, 3), (2, 2), (20, 4)] as [(UInt16, UInt16)] {
                var file = FileOfAnyForm(isWide: isWide, isBigEndian: isBigEndian)
                (file.machine, file.type) = (machine, type)
                try folder.write("\(machine)-\(type)-\(isWide)-\(isBigEndian)", file.bytes)
            }
        }
        try await witness()
        // The dynamic section alone gives the same.
        var file = FileOfAnyForm(isWide: false, isBigEndian: true)
        try folder.write("whole", file.bytes)
        file.hasSections = false
        try folder.write("stripped", file.bytes)
        for (view, keys) in [
            ("symbols", ["value", "size", "type", "binding", "version", "name"]),
            ("versions", ["kind", "number", "file", "name", "parents"]),
            ("relocations", ["offset", "number", "addend", "symbol"]),
        ] {
            let cells = try await [rows(view, "whole"), rows(view, "stripped")].map { rows in
                rows.map { row in keys.map { "\(row[$0] ?? "absent")" } }
            }
            #expect(cells[0] == cells[1] && !cells[0].isEmpty, "\(view)")
        }
        let text = try await Tool.run(["symbols", "whole"], in: folder.url).output
        #expect(text.contains(" printf@LIBC_2\n") && text.contains(" run@@V_2\n"))
        for order in ["name", "size"] {
            let sorted = try await Tool.run(["symbols", "--sort", order, "whole"], in: folder.url).output
            #expect(sorted.contains(" printf@LIBC_2\n") && sorted.contains(" run@@V_2\n"))
        }
    }

    /// A file that is not for this loader is named so, and its map shows the file only.
    @Test func verdicts() async throws {
        for (machine, isWide, name) in [
            (20, false, "PowerPC"), (40, false, "ARM, 32 bits"), (8, true, "MIPS"), (22, true, "IBM S/390"),
            (243, false, "RISC-V"), (2, false, "SPARC"), (3, false, "i386"),
        ] as [(UInt16, Bool, String)] {
            var file = FileOfAnyForm(isWide: isWide, isBigEndian: machine != 3)
            file.machine = machine
            try folder.write("other", file.bytes)
            let run = try await Tool.run(["other"], in: folder.url)
            #expect(run.status == 1 && run.output.contains("e_machine \(machine) is \(name);"), "\(run.output)")
            #expect(run.output.contains("  0 LOAD "))
            let map = try await Tool.run(["map", "other"], in: folder.url)
            #expect(map.status == 1 && map.output.contains(".gnu.version_d"), "\(map.output)")
        }
    }

    /// The machines that `elf.h` of the C library has a relative type for, the form of their files, and the type's name.
    private static let relatives: [(machine: UInt16, isWide: Bool, name: String)] = [
        (2, false, "SPARC"), (3, false, "386"), (4, false, "68K"), (18, false, "SPARC"), (20, false, "PPC"),
        (21, true, "PPC64"), (22, true, "390"), (40, false, "ARM"), (42, false, "SH"), (43, true, "SPARC"),
        (62, false, "X86_64"), (183, false, "AARCH64_P32"), (183, true, "AARCH64"), (243, false, "RISCV"),
        (243, true, "RISCV"), (252, false, "CKCORE"), (258, true, "LARCH"), (0x9026, true, "ALPHA"),
    ]

    /// The C library's header, which is the witness for the numbers of relocation types.
    private static let header = try? String(contentsOfFile: "/usr/include/elf.h", encoding: .utf8)

    /// The number of the relocation type `name` in `header`, which may have it as the name of another.
    private func number(_ name: String, _ header: String) throws -> Int {
        var text: Substring?
        for line in header.split(separator: "\n") where line.hasPrefix("#define") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count > 2, words[1] == name { text = words[2] }
        }
        let found = try #require(text, "\(name)")
        if let number = Int(found) { return number }
        return try number(String(found), header)
    }

    /// An entry of a packed table has the number of its machine's relative type, or none if that is not known.
    @Test(.enabled(if: header != nil, "/usr/include/elf.h is not there")) func packedRelocations() async throws {
        let header = try #require(Self.header)
        func numbers(_ machine: UInt16, _ isWide: Bool) async throws -> [Int?] {
            var file = FileOfAnyForm(isWide: isWide, isBigEndian: true)
            (file.machine, file.packed) = (machine, [0x40, 0b101])
            try folder.write("packed", file.bytes)
            let found = try await rows("relocations", "packed").filter { $0["table"] as? String == ".relr.dyn" }
            #expect(found.map { $0["name"] as? String } == ["RELATIVE", "RELATIVE"])
            return found.map { $0["number"] as? Int }
        }
        for (machine, isWide, name) in Self.relatives {
            let expected = try number("R_\(name)_RELATIVE", header)
            let found = try await numbers(machine, isWide)
            #expect(!found.isEmpty && found.allSatisfy { $0 == expected }, "\(name): \(found)")
        }
        let unknown = try await numbers(0x7777, true)
        #expect(!unknown.isEmpty && unknown.allSatisfy { $0 == nil })
        let text = try await Tool.run(["relocations", "packed"], in: folder.url).output
        #expect(text.contains("    - RELATIVE "), "\(text)")
    }

    /// The Swift toolchain's compiler and linker support other machines.
    private static let targets = [
        "i386", "armv7", "armebv7", "powerpc", "powerpc64", "powerpc64le", "mips", "mipsel", "s390x", "riscv32",
        "riscv64", "aarch64", "aarch64_be",
    ]

    @Test(.enabled(if: isInstalled("clang") && isInstalled("ld.lld"), "clang or ld.lld is not there"))
    func otherMachines() async throws {
        let source = """
            extern int other(int); extern int weakling(void) __attribute__((weak));
            static int table[16]; int data = 5; int zeros[100]; __thread int local = 3;
            static int helper(int x) { return table[x & 15] + data; }
            int (*pointers[])(int) = { other, helper };
            int exported(int x) { return other(x) + helper(x) + local + (weakling ? weakling() : 0) + zeros[x]; }
            """
        try folder.write("one.c", Array(source.utf8))
        try folder.write("two.c", Array("int other(int x) { return x; }\n".utf8))
        try folder.write("one.map", Array("A { global: data; };\nB { global: exported; } A;\n".utf8))
        try folder.write("two.map", Array("C { global: other; };\n".utf8))
        // SPARC needs another compiler.
        let script = """
            set -e
            for target in \(Self.targets.joined(separator: " ")); do
                for name in one two; do clang --target=$target-linux-gnu -w -O1 -fPIC -c $name.c -o $name.$target.o; done
                style=both; case $target in mips*) style=sysv;; esac
                ld.lld -shared --hash-style=$style --version-script=two.map -soname two.so two.$target.o -o two.$target.so
                ld.lld -shared --hash-style=$style --version-script=one.map --build-id -z pack-relative-relocs \\
                    one.$target.o two.$target.so -o one.$target.so
            done
            """
        let made = try await Tool.run(program: "sh", ["-c", script], in: folder.url)
        #expect(made.status == 0, "\(made.errors)")
        try await witness()
    }

    /// A process that aborts leaves a core file if the system allows it; gdb writes one of a running process.
    @Test(.enabled(if: isInstalled("gdb"), "gdb is not there")) func coreFiles() async throws {
        let script = "gdb -q -batch -ex 'set startup-with-shell off' -ex starti -ex 'generate-core-file core' --args "
        let made = try await Tool.run(program: "sh", ["-c", script + "/bin/true one two"], in: folder.url)
        #expect(FileManager.default.fileExists(atPath: folder.url.path + "/core"), "\(made.output)\(made.errors)")
        try await witness()
        let notes = try await Tool.run(["notes", "core"], in: folder.url).output
        #expect(notes.contains("/true one two\n") && notes.contains(" NT_PRSTATUS: thread "))
        #expect(notes.contains(" NT_FILE: "))
        let verdict = try await Tool.run(["core"], in: folder.url)
        #expect(verdict.status == 1 && verdict.output.contains("e_type is ET_CORE"))
        #expect(verdict.output.contains("ET_CORE, a process's memory"))
        #expect(try await rows("segments", "core").contains { $0["type"] as? String == "LOAD" })
    }
}
