// An object file has the same bytes if a linker links it, with the loader's addresses for its sections.

import Commands
import Diagnostics
import Foundation
import Linking
import Testing
import TestSupport

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct LinkerWitnessTests {
    static let models = ["static", "medium", "pic", "noplt", "pic-large", "sections", "crel"]

    static let fixtures = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("build/fixtures")
    static let areBuilt = models.allSatisfy {
        FileManager.default.fileExists(atPath: fixtures.appendingPathComponent("object-\($0).o").path)
    }

    @Test(.enabled(if: areBuilt, "make fixtures builds what is compared"), arguments: models)
    func sameBytesAsLLD(model: String) async throws { try await compare(model, "ld.lld") }

    /// GNU ld refuses R_X86_64_GOT64 against a function that chooses its implementation, so not `pic-large`; nor does it know
    /// SHT_CREL.
    @Test(
        .enabled(if: areBuilt, "make fixtures builds what is compared"),
        arguments: models.filter { $0 != "pic-large" && $0 != "crel" })
    func sameBytesAsGNULinker(model: String) async throws { try await compare(model, "ld") }

    private func compare(_ model: String, _ linker: String) async throws {
        let fixture = Self.fixtures.appendingPathComponent("object-\(model).o")
        let result = try await LinkerWitness.compare(
            LinkerWitness.withoutMerging([UInt8](try Data(contentsOf: fixture))), linkedBy: linker)
        #expect(result.differences == [], "\(linker), \(model)")
        #expect(result.bytes > 2000)
        #expect(result.words.values.reduce(0, +) > 50)
        print("\(model) by \(linker): \(result.summary)")
    }

    /// Random files.
    @Test(arguments: ["ld.lld", "ld.bfd"]) func madeUpFiles(linker: String) async throws {
        let folder = try Folder()
        let source = folder.place("source.s"), object = folder.place("made-up.o")
        var total = Comparison()
        var unbuilt: [String] = []
        for seed in Seeds.chosen() {
            try RandomObject(seed: seed, isGNU: linker == "ld.bfd").assembly
                .write(to: source, atomically: true, encoding: .utf8)
            do {
                let relaxes = seed % 2 == 0 ? "yes" : "no"
                try await make(["as", "-mrelax-relocations=\(relaxes)", "-o", object.path, source.path])
                let result = try await LinkerWitness.compare([UInt8](try Data(contentsOf: object)), linkedBy: linker)
                #expect(result.differences == [], "seed \(seed)")
                total += result
            } catch let error as CommandFailure {
                // An assembler or a linker of another version may refuse the file.
                unbuilt.append("seed \(seed): \(error)")
            }
        }
        #expect(unbuilt.count <= Seeds.chosen().count / 10, "\(unbuilt)")
        print("made up, by \(linker): \(total.summary)")
        let types: Set<UInt32> = [
            1, 2, 4, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 31, 32, 33, 34, 41, 42,
        ]
        #expect(types.subtracting(total.words.keys) == [], "types that were not compared")
    }

    /// Values that fit in a field and values that do not, according to one of the linkers: they do not agree on all of them.
    @Test func sameLimits() async throws {
        let folder = try Folder()
        let source = folder.place("source.s"), object = folder.place("object.o")
        // The type, its width, and the symbol without an addend.
        let types: [(String, Int64, String)] = [
            ("8", 8, "zero"), ("16", 16, "zero"), ("32", 32, "zero"), ("32S", 32, "zero"), ("PC8", 8, "here"),
            ("PC16", 16, "here"), ("PC32", 32, "here"), ("TPOFF32", 32, "variable"), ("DTPOFF32", 32, "variable"),
            ("SIZE32", 32, "sized"),
        ]
        for (type, width, symbol) in types {
            let (half, all) = (Int64(1) << (width - 1), Int64(1) << width)
            // The last value that fits and the first that does not, at either limit, for two readings of the field.
            let limits = [-half - 1, -half, half - 1, half, all - 1, all]
            for value in isSoak ? [-all, -1] + limits : limits {
                let assembly = """
                    .globl _start, zero
                    zero = 0
                    .text
                    _start: ret
                    .section .tdata, "awT", @progbits
                    variable: .quad 0
                    .data
                    .globl sized
                    .size sized, 0
                    sized: .quad 0
                    here: .reloc here, R_X86_64_\(type), \(symbol) + \(value)
                    .quad 0

                    """
                try assembly.write(to: source, atomically: true, encoding: .utf8)
                try await make(["as", "-o", object.path, source.path])
                let file = [UInt8](try Data(contentsOf: object))
                var accepted: [Bool] = []
                for linker in ["ld.bfd", "ld.lld"] {
                    accepted.append(
                        try await run([
                            linker, "-static", "-o", folder.place("linked").path, object.path,
                        ]).succeeded)
                }
                let refusal = refusal(of: file, bias: LinkerWitness.base)
                #expect(refusal == nil || refusal?.rule == .relocationOverflow)
                #expect(accepted.contains(refusal == nil), "\(type), \(value)")
            }
        }
    }
}
