// Random programs and libraries, compared word by word with the system's dynamic linker's result.

import Commands
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(
    .serialized, .disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))
) struct RandomLibraryTests {
    @Test func likeTheDynamicLinker() async throws {
        var linkers: [String] = []
        for linker in ["ld.bfd", "ld.gold", "ld.lld"] {
            if (try? await run([linker, "--version"]))?.succeeded == true {
                linkers.append(linker)
            } else {
                _ = skipped("random libraries linked by \(linker)", "it is not installed")
            }
        }
        let scratch = try Folder()
        let path = scratch.url.path
        for (name, source) in [("writer", LibraryWitnessSources.writer), ("caller", Self.caller)] {
            let file = try scratch.write("\(name).c", source).path
            try await make(
                [
                    "gcc", "-c", "-O1", "-w", "-fPIE", "-ffreestanding", "-mgeneral-regs-only", "-o",
                    "\(path)/\(name).o", file,
                ])
        }
        let cLibrary = try await run(["gcc", "-print-file-name=libc.so.6"]).output
        try FileManager.default.createSymbolicLink(
            atPath: "\(path)/libc.so.6", withDestinationPath: String(cLibrary.prefix { $0 != "\n" }))
        var total = Comparison()
        var unbuilt: [String] = []
        var refused: [Rule: Int] = [:]
        let seeds = Seeds.chosen(6)
        for seed in seeds {
            let build = LibraryBuild(set: RandomLibraries(seed: seed, linkers: linkers), folder: path)
            do {
                try await build.make()
                let ran = try await build.run("program")
                guard ran.succeeded else { throw CommandFailure(description: ran.output) }
                var compared = try compareTogether(try build.files(), with: WitnessSet(try build.result()))
                let called = try await build.run("caller")
                guard called.succeeded else { throw CommandFailure(description: called.output) }
                let theirs = String(decoding: try build.result(), as: UTF8.self)
                let ours = compared.called.map { String($0.dropFirst(3).first ?? "?") }.joined()
                if theirs != ours {
                    compared.comparison.differences.append("called in the order \(ours), not \(theirs)")
                }
                // The same with a library that lacks some of its definitions.
                try await build.deplete(Int(seed) % build.set.libraries.count)
                let files = try build.files()
                let refusal = FilesTogether(files).refusal()
                let again = try await build.run("program")
                if let refusal { refused[refusal.rule, default: 0] += 1 }
                if again.output.contains("Segmentation fault") {
                    // glibc 2.36's dynamic linker crashes on R_X86_64_SIZE64 against an undefined weak symbol.
                    unbuilt.append("seed \(seed), depleted: \(again.output)")
                } else if again.succeeded != (refusal == nil) {
                    compared.comparison.differences.append(
                        "refused for '\(refusal?.sentence ?? "")', by the dynamic linker for '\(again.output)'")
                } else if refusal == nil {
                    compared.comparison += try compareTogether(files, with: WitnessSet(try build.result())).comparison
                }
                compared.comparison.differences = compared.comparison.differences.map { "seed \(seed): \($0)" }
                total += compared.comparison
            } catch let error as CommandFailure {
                // A linker of another version, or its dynamic linker, may refuse the files.
                unbuilt.append("seed \(seed): \(error)")
            }
        }
        #expect(unbuilt.count <= max(1, seeds.count / 10), "\(unbuilt)")
        print("\(total.summary)\nrefused by both: \(refused)")
        #expect(total.differences == [])
        let seen = Set(total.equal.keys).union(total.chosen.keys)
        #expect(seen.isSuperset(of: [1, 5, 6, 7, 8, 16, 17, 18, 33, 36, 37]), "types that no linker left: \(seen)")
    }

    /// Calls the function that the dynamic linker passes for the libraries' finalisers, and writes what has been called.
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
}

/// A program and its libraries, in files.
private struct LibraryBuild {
    var set: RandomLibraries
    var folder: String

    /// Builds them, and a program that differs only in what it writes.
    func make() async throws {
        for file in [set.program] + set.libraries {
            try await assemble(file.definitions.joined() + file.assembly, "\(file.name).definitions")
            try await assemble(file.references, "\(file.name).references")
            try file.versions.write(toFile: "\(folder)/\(file.name).map", atomically: true, encoding: .utf8)
        }
        // First without references, for libraries that need each other.
        for library in set.libraries { try await link(library, [], [], as: library.name) }
        for library in set.libraries {
            try await link(library, ["\(library.name).references.o"], library.needed, as: library.name)
        }
        // Finalisers are called only with a C library.
        for (name, parts) in [("program", ["writer.o"]), ("caller", ["caller.o", "libc.so.6"])] {
            try await link(set.program, ["program.references.o"] + parts, set.program.needed, as: name)
        }
    }

    /// Builds the library at `index` once more, with the remaining definitions.
    func deplete(_ index: Int) async throws {
        let library = set.libraries[index]
        try await assemble(library.remaining.joined() + library.assembly, "\(library.name).definitions")
        try await link(library, ["\(library.name).references.o"], library.needed, as: library.name)
    }

    private func assemble(_ text: String, _ name: String) async throws {
        try text.write(toFile: "\(folder)/\(name).s", atomically: true, encoding: .utf8)
        try await Commands.make(["as", "-o", "\(folder)/\(name).o", "\(folder)/\(name).s"])
    }

    private func link(
        _ file: RandomLibraries.File, _ parts: [String], _ needed: [Int], as name: String
    ) async throws {
        let versions = file.versions.isEmpty ? [] : ["--version-script=\(folder)/\(file.name).map"]
        let inputs = ["\(file.name).definitions.o"] + parts + needed.map { set.libraries[$0].name }
        try await Commands.make(
            [file.linker, "-o", "\(folder)/\(name)"] + file.options + versions + inputs.map { "\(folder)/\($0)" })
    }

    /// Runs `program` by the dynamic linker.
    func run(_ program: String) async throws -> (succeeded: Bool, output: String) {
        try await Commands.run([
            "sh", "-c", "LD_BIND_NOW=1 LD_LIBRARY_PATH='\(folder)' '\(folder)/\(program)' > '\(folder)/result'",
        ])
    }

    /// The output of the last run.
    func result() throws -> [UInt8] { try bytes("result") }

    /// The files, the program first and without PT_INTERP.
    func files() throws -> [(name: String, bytes: [UInt8])] {
        var files = try ([set.program] + set.libraries).map { (name: $0.name, bytes: try bytes($0.name)) }
        files[0].bytes.removeInterpreter()
        return files
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
    }
}
