// Every relocated word of shared objects, compared with the system's dynamic linker's result.

import Commands
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(
    .serialized, .disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))
) struct WitnessTests {
    /// A way to build an object of `WitnessSources`, and the relocation types that it must have then.
    struct Build: CustomStringConvertible {
        var compiler: String
        var flags: [String]
        var assembly: String
        var types: Set<UInt32>
        var isPacked = false
        var description: String { ([compiler] + flags).joined(separator: " ") }
    }

    static let lld = ["-fuse-ld=lld"]
    static let builds: [Build] = [
        Build(
            compiler: "clang", flags: lld, assembly: WitnessSources.sizeAssembly,
            types: [1, 6, 7, 8, 16, 17, 33]),
        Build(
            compiler: "clang", flags: lld + ["-Wl,-z,pack-relative-relocs", "-Wl,--hash-style=sysv"],
            assembly: WitnessSources.sizeAssembly, types: [1, 6, 7, 8, 16, 17, 33], isPacked: true),
        Build(
            compiler: "clang", flags: lld + ["-mtls-dialect=gnu2", "-Wl,--hash-style=gnu"], assembly: "",
            types: [1, 6, 7, 8, 36]),
        Build(compiler: "clang", flags: lld + ["-ftls-model=initial-exec"], assembly: "", types: [1, 6, 7, 8, 18]),
        Build(compiler: "clang", flags: lld + ["-Wl,-Bsymbolic", "-O2"], assembly: "", types: [8, 16, 37]),
        Build(
            compiler: "gcc", flags: [],
            assembly: WitnessSources.sizeAssembly + "\n" + WitnessSources.narrowAssembly,
            types: [1, 2, 6, 7, 8, 16, 17, 32, 33, 37]),
        Build(
            compiler: "gcc", flags: ["-Wl,-z,pack-relative-relocs", "-Wl,--hash-style=sysv"], assembly: "",
            types: [1, 6, 7, 8, 16, 17, 37], isPacked: true),
        Build(compiler: "gcc", flags: ["-mtls-dialect=gnu2"], assembly: "", types: [1, 6, 7, 8, 36, 37]),
        Build(compiler: "gcc", flags: ["-ftls-model=initial-exec", "-O2"], assembly: "", types: [1, 6, 7, 8, 18, 37]),
        Build(
            compiler: "gcc", flags: ["-ftls-model=local-dynamic", "-Wl,-z,now"], assembly: "", types: [1, 8, 16, 37]),
    ]

    /// Opens `objects` with the dynamic linker; nil for those that it cannot open.
    func witness(_ objects: [String], _ scratch: Folder) async throws -> [WitnessMemory?] {
        let program = "\(scratch.url.path)/witness"
        let source = try scratch.write("witness.c", WitnessSources.program).path
        let built = try await run(["gcc", "-w", "-O1", "-o", program, source, "-ldl"])
        try #require(built.succeeded, "\(built.output)")
        let dumps = "\(scratch.url.path)/dumps"
        let copies = "\(scratch.url.path)/copies"
        for directory in [dumps, copies] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        let result = try await run([program, dumps, copies] + objects)
        try #require(result.succeeded, "\(result.output)")
        return objects.indices.map { index in
            let path = "\(dumps)/\(index)"
            defer { try? FileManager.default.removeItem(atPath: path) }
            return FileManager.default.contents(atPath: path).flatMap { WitnessMemory(Array($0)) }
        }
    }

    @Test(arguments: builds)
    func builtObjects(build: Build) async throws {
        let scratch = try Folder()
        let c = try scratch.write("object.c", WitnessSources.c).path
        let assembly = try scratch.write(
            "places.s", WitnessSources.assembly + "\n" + build.assembly + "\n" + WitnessSources.assemblyEnd
        ).path
        let object = "\(scratch.url.path)/libwitnessed.so"
        let built = try await run([build.compiler, "-shared", "-fPIC", "-w", "-o", object, c, assembly] + build.flags)
        try #require(built.succeeded, "\(built.output)")
        let file = try #require(FileManager.default.contents(atPath: object).map { Array($0) })
        let memory = try #require(try await witness([object], scratch)[0], "the dynamic linker does not open it")
        let comparison = try compare("object", file, memory)
        print("\(build):\n\(comparison.summary)")
        #expect(comparison.differences == [])
        #expect(comparison.strayBytes == [:])
        #expect((comparison.packed > 0) == build.isPacked)
        var seen = Set(comparison.equal.keys).union(comparison.chosen.keys).union(comparison.shifted.keys)
        if comparison.packed > 0 { seen.insert(8) }
        #expect(build.types.subtracting(seen) == [], "types that the linker did not leave")
        #expect(comparison.elsewhere.keys.allSatisfy { [1, 6, 7].contains($0) })
    }

    /// A sample of the system's own libraries; at least 300 of them in a soak.
    @Test func systemLibraries() async throws {
        let scratch = try Folder()
        let directory = "/usr/lib/x86_64-linux-gnu"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        var seen = Set<String>()
        var objects: [String] = []
        for name in names.sorted() where name.contains(".so") {
            let path = URL(fileURLWithPath: "\(directory)/\(name)").resolvingSymlinksInPath().path
            guard seen.insert(path).inserted, let size = try? FileManager.default.attributesOfItem(atPath: path)[.size],
                let size = size as? Int, size < 4 << 20, !path.contains("/ld-")
            else { continue }
            guard let start = FileHandle(forReadingAtPath: path)?.readData(ofLength: 4),
                Array(start) == [0x7f, 0x45, 0x4c, 0x46]
            else { continue }
            objects.append(path)
        }
        try #require(objects.count >= 300, "this machine has too few libraries in \(directory)")
        let wanted = samples(60, soak: 600)
        let step = max(1, objects.count / wanted)
        objects = Array(stride(from: 0, to: objects.count, by: step).map { objects[$0] }.prefix(wanted))
        var total = Comparison()
        var compared = 0
        var unopened = 0
        for (object, memory) in zip(objects, try await witness(objects, scratch)) {
            guard let memory else {
                unopened += 1
                continue
            }
            let file = try #require(FileManager.default.contents(atPath: object).map { Array($0) })
            do {
                total += try compare(object, file, memory)
                compared += 1
            } catch {
                Issue.record("\(object): \(sentence(error, file))")
            }
        }
        print(
            "\(compared) of the system's libraries, \(unopened) that the dynamic linker does not open:\n\(total.summary)"
        )
        #expect(total.differences == [])
        // Resolvers do run, and a few of them remember the CPU's features.
        #expect(total.strayBytes.values.reduce(0, +) < 100)
        #expect(compared >= samples(30, soak: 300))
        #expect(total.equalCount > samples(5_000, soak: 100_000))
    }
}
