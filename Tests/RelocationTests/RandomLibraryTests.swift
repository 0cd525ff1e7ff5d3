// Programs and libraries made up at random, compared word by word with what the system's dynamic linker makes of them.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct RandomLibraryTests {
    @Test func likeTheDynamicLinker() async throws {
        var linkers: [String] = []
        for linker in ["ld.bfd", "ld.gold", "ld.lld"] where (try? await run([linker, "--version"]))?.succeeded == true {
            linkers.append(linker)
        }
        let scratch = try ScratchDirectory()
        for (name, source) in [("writer", LibraryWitnessSources.writer), ("caller", Self.caller)] {
            let file = try scratch.write(source, "\(name).c")
            try await make(
                [
                    "gcc", "-c", "-O1", "-w", "-fPIE", "-ffreestanding", "-mgeneral-regs-only", "-o",
                    "\(scratch.path)/\(name).o", file,
                ])
        }
        let cLibrary = try await run(["gcc", "-print-file-name=libc.so.6"]).output
        try FileManager.default.createSymbolicLink(
            atPath: "\(scratch.path)/libc.so.6", withDestinationPath: String(cLibrary.prefix { $0 != "\n" }))
        var total = Comparison()
        var unbuilt: [String] = []
        for seed in Seeds.chosen {
            let set = RandomLibraries(seed: seed, linkers: linkers)
            do {
                total += try await compare(set, seed, scratch)
            } catch let error as CommandFailure {
                // What a linker of another version refuses, or its dynamic linker.
                unbuilt.append("seed \(seed): \(error)")
            }
        }
        #expect(unbuilt.count <= Seeds.chosen.count / 10, "\(unbuilt)")
        print("\(total.summary)")
        #expect(total.differences == [])
        let seen = Set(total.equal.keys).union(total.chosen.keys)
        #expect(seen.isSuperset(of: [1, 5, 6, 7, 8, 16, 17, 18, 33, 36, 37]), "types that no linker left: \(seen)")
    }

    /// Calls what the dynamic linker passes to call the libraries' finalisers, and writes what has been called.
    static let caller = #"""
        extern char events[];
        extern long event_count;
        __asm__(".globl _start\n_start: movq %rdx, %rdi\nandq $-16, %rsp\ncall write_events\n");
        void *__tls_get_addr(void *index) { return index; }
        __attribute__((used)) void write_events(void (*finish)(void)) {
            long done;
            finish();
            __asm__ volatile("syscall" : "=a"(done) : "a"(1), "D"(1), "S"(events), "d"(event_count) : "rcx", "r11", "memory");
            __asm__ volatile("syscall" : : "a"(231), "D"(0));
        }
        """#

    private func compare(_ set: RandomLibraries, _ seed: UInt64, _ scratch: ScratchDirectory) async throws -> Comparison
    {
        let path = scratch.path
        for file in [set.program] + set.libraries {
            for (name, text) in [
                ("\(file.name).definitions", file.assembly), ("\(file.name).references", file.references),
            ] {
                let assembly = try scratch.write(text, "\(name).s")
                try await make(["as", "-o", "\(path)/\(name).o", assembly])
            }
            _ = try scratch.write(file.versions, "\(file.name).map")
        }
        func link(_ file: RandomLibraries.File, _ parts: [String], _ needed: [Int], as name: String) async throws {
            let versions = file.versions.isEmpty ? [] : ["--version-script=\(path)/\(file.name).map"]
            try await make(
                [file.linker, "-o", "\(path)/\(name)"] + file.options + versions
                    + (["\(file.name).definitions.o"] + parts + needed.map { set.libraries[$0].name }).map {
                        "\(path)/\($0)"
                    })
        }
        // First without references, for those that need each other.
        for library in set.libraries { try await link(library, [], [], as: library.name) }
        for library in set.libraries {
            try await link(library, ["\(library.name).references.o"], library.needed, as: library.name)
        }
        // Finalisers are called where there is a C library.
        for (name, parts) in [("program", ["writer.o"]), ("caller", ["caller.o", "libc.so.6"])] {
            try await link(set.program, ["program.references.o"] + parts, set.program.needed, as: name)
        }
        func result(_ program: String) async throws -> [UInt8] {
            let ran = try await run([
                "sh", "-c", "LD_BIND_NOW=1 LD_LIBRARY_PATH='\(path)' '\(path)/\(program)' > '\(path)/result'",
            ])
            guard ran.succeeded else { throw CommandFailure(description: "\(program): \(ran.output)") }
            return Array(try #require(FileManager.default.contents(atPath: "\(path)/result")))
        }
        let witness = WitnessSet(try await result("program"))
        var files: [(name: String, bytes: [UInt8])] = []
        for name in [set.program.name] + set.libraries.map(\.name) {
            files.append((name, Array(try #require(FileManager.default.contents(atPath: "\(path)/\(name)")))))
        }
        files[0].bytes.removeInterpreter()
        var compared = try compareTogether(files, with: witness)
        compared.comparison.differences = compared.comparison.differences.map { "seed \(seed): \($0)" }
        let letters = compared.called.map { String($0.dropFirst(3).first ?? "?") }.joined()
        let theirs = String(decoding: try await result("caller"), as: UTF8.self)
        if theirs != letters {
            compared.comparison.differences.append(
                "seed \(seed): functions called in the order \(letters), theirs \(theirs)")
        }
        return compared.comparison
    }
}
