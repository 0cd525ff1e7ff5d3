// Every relocated word of a program and its libraries, compared with the system's dynamic linker's result.

import Architecture
import Bytes
import Commands
import Diagnostics
import ELF
import Foundation
@testable import Linking
import TestSupport
import Testing

@Suite(
    .serialized, .disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))
) struct LibraryWitnessTests {
    /// A way to build a program and its libraries.
    struct Build: CustomStringConvertible {
        var compiler: String
        /// Options for all files, for the program, and for the middle library.
        var flags: [String] = []
        var program: [String]
        var middle: [String] = []
        /// Whether the base library needs the top one, which makes a circle.
        var isCircular = false
        /// Types that the comparison must include.
        var types: Set<UInt32>
        var description: String { ([compiler] + flags + program + middle).joined(separator: " ") }
    }

    static let lld = ["-fuse-ld=lld"]
    static let fixed = ["-fno-pie", "-no-pie"]
    static let pie = ["-fPIE", "-pie"]
    static let builds: [Build] = [
        Build(compiler: "clang", flags: lld, program: pie, types: [1, 6, 7, 8, 16, 17, 18]),
        Build(compiler: "clang", flags: lld, program: fixed, types: [1, 5, 6, 7, 8, 16, 17, 18]),
        Build(
            compiler: "clang", flags: lld + ["-Wl,--hash-style=sysv"], program: fixed, middle: ["-Wl,-Bsymbolic"],
            types: [1, 5, 6, 7, 16]),
        Build(
            compiler: "clang", flags: lld + ["-mtls-dialect=gnu2", "-Wl,-z,pack-relative-relocs"], program: pie,
            isCircular: true, types: [1, 6, 7, 36]),
        Build(compiler: "gcc", program: pie, types: [1, 6, 7, 8, 16, 17]),
        Build(compiler: "gcc", program: fixed, types: [1, 5, 6, 7, 8, 16, 17]),
        Build(
            compiler: "gcc", flags: ["-Wl,--hash-style=sysv", "-ftls-model=initial-exec"], program: pie,
            isCircular: true, types: [1, 6, 7, 8, 18]),
        Build(
            compiler: "gcc", flags: ["-mtls-dialect=gnu2", "-O2"], program: fixed, middle: ["-Wl,-Bsymbolic"],
            types: [1, 5, 6, 7, 36]),
    ]

    @Test(arguments: builds) func programsWithLibraries(build: Build) async throws {
        let scratch = try Folder()
        let names = try await compile(build, in: scratch)
        let dump = "\(scratch.url.path)/dump"
        let ran = try await run([
            "sh", "-c", "LD_BIND_NOW=1 LD_LIBRARY_PATH='\(scratch.url.path)' '\(scratch.url.path)/program' > '\(dump)'",
        ])
        try #require(ran.succeeded, "\(ran.output)")
        let witness = WitnessSet(Array(try #require(FileManager.default.contents(atPath: dump))))

        var files: [(name: String, bytes: [UInt8])] = []
        for name in names {
            files.append(
                (name, Array(try #require(FileManager.default.contents(atPath: "\(scratch.url.path)/\(name)")))))
        }
        files[0].bytes.removeInterpreter()
        let result = try compareTogether(files, with: witness)
        print("\(build):\n\(result.comparison.summary)")
        #expect(result.comparison.differences == [])
        var seen = Set(result.comparison.equal.keys).union(result.comparison.chosen.keys)
        if result.comparison.packed > 0 { seen.insert(8) }
        #expect(build.types.subtracting(seen) == [], "types that the linker did not leave")
        // The order in which the dynamic linker called the initialisers.
        let letters = result.called.map { String($0.dropFirst(3).first ?? "?") }.joined()
        #expect(witness.text("libbase.so", at: result.events, 8).prefix { $0 != "\0" } == letters)
    }

    /// The names of the files, the program first.
    private func compile(_ build: Build, in scratch: Folder) async throws -> [String] {
        let versions = try scratch.write("base.map", LibraryWitnessSources.versions).path
        let shared =
            ["-shared", "-fPIC", "-nostdlib", "-ffreestanding", "-mgeneral-regs-only", "-w", "-O1"] + build.flags
        let semantic = build.compiler == "clang" ? ["-fsemantic-interposition"] : []
        let path = "\(scratch.url.path)/"
        func make(_ name: String, _ source: String, _ flags: [String]) async throws {
            let file = try scratch.write("\(name).c", source).path
            let output = name == "program" ? path + name : path + "lib\(name).so"
            let built = try await run([build.compiler, "-o", output, file] + flags)
            try #require(built.succeeded, "\(name): \(built.output)")
        }
        func library(_ name: String, _ source: String, _ flags: [String]) async throws {
            try await make(name, source, shared + semantic + ["-Wl,-soname,lib\(name).so", "-Wl,-z,undefs"] + flags)
        }
        let base = ["-Wl,--version-script=\(versions)"]
        try await library("base", LibraryWitnessSources.base, base)
        try await library("middle", LibraryWitnessSources.middle, build.middle + [path + "libbase.so"])
        try await library("top", LibraryWitnessSources.top, [path + "libmiddle.so", path + "libbase.so"])
        if build.isCircular {
            try await library("base", LibraryWitnessSources.base, base + ["-Wl,--no-as-needed", path + "libtop.so"])
        }
        try await make(
            "program", LibraryWitnessSources.program,
            ["-nostdlib", "-ffreestanding", "-mgeneral-regs-only", "-w", "-O1", "-Wl,--export-dynamic"] + build.flags
                + build.program + [
                    "-Wl,--allow-shlib-undefined", path + "libtop.so", path + "libmiddle.so", path + "libbase.so",
                ])
        return ["program", "libbase.so", "libtop.so", "libmiddle.so"]
    }
}

/// The cost of symbols of other files.
@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct SymbolSearchCostTests {
    /// Twice as many relocations against twice as many symbols take twice as many steps, whatever their order.
    @Test(arguments: ["gnu", "sysv"]) func costIsLinear(style: String) async throws {
        let scratch = try Folder()
        var costs: [Double] = []
        for count in [4000, 8000] {
            let names = (0..<count).map { "_ZN5scope6symbolI\($0)EEv" }
            let definitions = names.map { ".globl \($0)\n\($0): .quad 0" }
            // Ten times each symbol, scattered.
            let places = (0..<count * 10).map { ".quad \(names[$0 &* 7919 % count])" }
            for (name, text) in [("one", definitions), ("app", places)] {
                let source = try scratch.write("\(name).s", ".data\n" + text.joined(separator: "\n") + "\n").path
                let built = try await run(
                    [
                        "clang", "-shared", "-nostdlib", "-fuse-ld=lld", "-Wl,--hash-style=\(style)",
                        "-Wl,-soname,\(name).so",
                        "-Wl,-e,0x1000", "-o", "\(scratch.url.path)/\(name).so", source,
                    ] + (name == "app" ? ["\(scratch.url.path)/one.so"] : []))
                try #require(built.succeeded, "\(built.output)")
            }
            var files = try ["app", "one"].map {
                ("\($0).so", Array(try #require(FileManager.default.contents(atPath: "\(scratch.url.path)/\($0).so"))))
            }
            // The entry point is some byte of a segment.
            files[0].1.replaceSubrange(24..<32, with: files[0].1.firstSegment)
            let result = try FilesTogether(files.map { (name: $0.0, bytes: $0.1) }).load(bias: 0x60_0000)
            #expect(result.counts[1] == UInt64(count) * 10)
            costs.append(Double(result.counts.searchSteps) / Double(count * 10))
        }
        print("\(style): steps per relocation, with n and with 2n: \(costs)")
        #expect(costs[1] < costs[0] * 1.2)
        #expect(costs[1] < 200)
    }
}

extension [UInt8] {
    /// The bytes of p_vaddr of the first PT_LOAD.
    fileprivate var firstSegment: [UInt8] {
        let table = (0..<8).reduce(0) { $0 | Int(self[32 + $1]) << ($1 * 8) }
        for header in stride(from: table, to: table + 56 * Int(self[56]), by: 56) where self[header] == 1 {
            return Array(self[header + 16..<header + 24])
        }
        return []
    }

    /// Makes PT_INTERP a PT_NULL, since a file that needs a program interpreter does not boot.
    mutating func removeInterpreter() {
        func number(_ offset: Int, _ size: Int) -> Int {
            (0..<size).reduce(0) { $0 | Int(self[offset + $1]) << ($1 * 8) }
        }
        for index in 0..<number(56, 2) {
            let header = number(32, 8) + index * 56
            if number(header, 4) == 3 { replaceSubrange(header..<header + 4, with: [0, 0, 0, 0]) }
        }
    }
}

/// The dynamic linker's result for several files.
struct WitnessSet {
    /// Memory by the last part of the path; the program's is "program".
    private(set) var files: [String: WitnessMemory] = [:]

    init(_ dump: [UInt8]) {
        var offset = 0
        func word() -> Int? {
            guard offset + 8 <= dump.count else { return nil }
            defer { offset += 8 }
            return Int((0..<8).reduce(0 as UInt64) { $0 | UInt64(dump[offset + $1]) << UInt64($1 * 8) })
        }
        while let length = word() {
            let name = String(decoding: dump[offset..<offset + length], as: UTF8.self)
            offset += length
            guard let count = word() else { break }
            let last = name.split(separator: "/").last.map(String.init) ?? "program"
            files[last] = WitnessMemory(Array(dump[offset..<offset + count]))
            offset += count
        }
    }

    /// `count` bytes of a file at a link address, as text.
    func text(_ file: String, at address: UInt64, _ count: Int) -> String {
        let bytes = (0..<UInt64(count)).map { UInt8(files[file]?.number(address + $0, 1) ?? 0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The file that contains a run-time address.
    func file(at address: UInt64) -> String? { files.first { $0.value.contains(runTime: address) }?.key }
}

/// Compares each relocation of each of `files` with the word in `witness`. Also returns the library of each initialiser and then of each
/// finaliser, in calling order, and the link address of the symbol `events` in libbase.so.
func compareTogether(
    _ files: [(name: String, bytes: [UInt8])], with witness: WitnessSet
) throws(Fault) -> (comparison: Comparison, called: [String], events: UInt64) {
    let together = FilesTogether(files)
    var comparison = Comparison()
    var room = [LinkPlan()]
    let count = try together.link(room.mutableSpan).count
    // The dynamic linker's addresses of the files.
    let bias = witness.files["program"]?.bias ?? 0
    for index in 0..<count {
        let name = files[room[0].linkedFiles[index].file].name
        room[0].linkedFiles[index].displacement = (witness.files[name]?.bias ?? 0) &- bias
    }
    let moved = LinkMap(room.span)
    var events: UInt64 = 0
    for index in 0..<moved.count {
        let name = files[moved[index].file].name
        guard let theirs = witness.files[name] else {
            comparison.differences.append("\(name): not loaded by the dynamic linker")
            continue
        }
        let relocator = moved.relocator(index, together.view, bias)
        let file = files[moved[index].file].bytes
        let image = try LinkedImage(ByteView(file.span.bytes), as: .library)
        var memory = [UInt8](repeating: 0, count: Int(image.size))
        var span = memory.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: image.linkStart)
        try image.load(into: &region)
        var listed = relocator.listed
        while let relocation = try listed.next() {
            let entry = relocation.entry
            if relocation.location.table == 36 { comparison.packed += 1 }
            let size = Int(RelocationType(entry.type)?.field.size ?? 0)
            let actual = theirs.number(entry.offset, size)
            let what =
                "\(name): \(RelocationType(entry.type)?.name.description ?? "?") at 0x\(String(entry.offset, radix: 16))"
            switch try relocator.outcome(of: entry, relocation.location, in: region) {
            case .nothing: break
            case .value(let value):
                let ours = size == 8 ? value : value & (1 << UInt64(size * 8) - 1)
                if ours == actual {
                    comparison.equal[entry.type, default: 0] += 1
                } else {
                    comparison.differences.append(
                        "\(what): ours 0x\(String(ours, radix: 16)), theirs 0x\(String(actual ?? 0, radix: 16))")
                }
            case .descriptor(_, let argument):
                if theirs.number(entry.offset + 8, 8) != argument {
                    comparison.differences.append("\(what): argument 0x\(String(argument, radix: 16))")
                }
                comparison.equal[entry.type, default: 0] += 1
            case .indirect(let resolver):
                // In the file of the resolver function.
                if witness.file(at: actual ?? 0) != witness.file(at: resolver) || actual == resolver {
                    comparison.differences.append("\(what): 0x\(String(actual ?? 0, radix: 16))")
                }
                comparison.chosen[entry.type, default: 0] += 1
            case .copy(let source, let size):
                let home = witness.file(at: source).flatMap { witness.files[$0] }
                for offset in 0..<size
                where home?.number(source &- (home?.bias ?? 0) &+ offset, 1) != theirs.number(entry.offset + offset, 1)
                {
                    comparison.differences.append("\(what): byte \(offset) of \(size)")
                }
                comparison.equal[entry.type, default: 0] += 1
            }
        }
        if name == "libbase.so" {
            for number in 1..<1000 as Range<UInt32> {
                guard let symbol = relocator.symbol(at: number) else { break }
                if String(decoding: file[Int(symbol.nameOffset)...].prefix { $0 != 0 }, as: UTF8.self) == "events" {
                    events = symbol.symbol.value
                }
            }
        }
    }
    // The arrays hold run-time addresses; finalisers follow initialisers.
    let loaded = try together.load(bias: 0x60_0000)
    var called: [String] = []
    for word in stride(from: room[0].initialisersStart, to: room[0].dataEnd, by: 8) {
        let address = loaded.word(word) &- 0x60_0000
        for index in 1..<count {
            let linked = loaded.linkedFiles[index]
            if address &- (linked.linkStart &+ linked.displacement) < linked.memorySize {
                called.append(files[linked.file].name)
            }
        }
    }
    return (comparison, called, events)
}
