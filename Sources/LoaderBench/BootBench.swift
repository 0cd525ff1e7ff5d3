// What a boot costs: instructions by phase, counted, and wall time on the serial line.

import Foundation

/// One boot's figures.
struct BootFigures: Codable {
    var application: String
    var memory: String
    /// Instructions, iterations of string instructions left out but the first.
    var instructions: Int
    /// With every iteration.
    var iterations: Int
    var phases: [String: Int]
    /// Bytes that the loader printed.
    var serialBytes: Int
    /// Milliseconds from the loader's first byte on the serial line to the application's first; absent where not measured.
    var wall: Wall?

    /// Over several boots.
    struct Wall: Codable {
        var minimum: Double
        var median: Double
        var maximum: Double
        var boots: Int
    }
}

/// Boots applications with a loader: any ELF file that QEMU's -kernel takes.
struct BootBench {
    let runner: Runner
    let loader: String
    /// The loader's addresses, as QEMU's -dfilter takes them.
    let range: String
    /// What its symbols tell of its functions, unless there is a file with debugging information beside it.
    private let symbols: FunctionNames
    private let debugFile: String?

    /// Finds the address range of `loader` in its program headers unless `range` is given, and its functions with llvm-nm;
    /// where there is a `loader`.debug, llvm-symbolizer tells functions that were inlined apart.
    init(_ runner: Runner, loader: String, range: String?) async throws {
        self.runner = runner
        self.loader = loader
        self.range = try range ?? LoaderFile.range(path: loader)
        symbols = FunctionNames(nm: await Runner.attempt("llvm-nm", ["-n", "--defined-only", loader]) ?? "")
        debugFile = FileManager.default.fileExists(atPath: loader + ".debug") ? loader + ".debug" : nil
    }

    /// The functions that the instructions of `trace` belong to.
    private func functions(_ trace: GuestTrace) async throws -> FunctionNames {
        guard let debugFile else { return symbols }
        // The addresses are too many for a command line.
        let file = runner.folder.appendingPathComponent("addresses")
        defer { try? FileManager.default.removeItem(at: file) }
        let addresses = Set(trace.addresses).map { "0x" + String($0, radix: 16) }
        try addresses.joined(separator: "\n").write(to: file, atomically: false, encoding: .utf8)
        return try FunctionNames(
            symbolizer: await Runner.capture(
                "llvm-symbolizer",
                ["--obj=\(debugFile)", "--output-style=JSON", "--no-demangle", "--inlines", "@\(file.path)"]))
    }

    /// Counts one boot.
    func count(_ application: String, _ size: String) async throws -> BootFigures {
        let log = runner.folder.appendingPathComponent("trace")
        let serial = runner.folder.appendingPathComponent("serial")
        defer { for file in [log, serial] { try? FileManager.default.removeItem(at: file) } }
        _ = try await Runner.capture(
            "timeout",
            ["60"] + qemu(application, size) + [
                "-serial", "file:\(serial.path)", "-singlestep", "-d", "exec,nochain", "-dfilter", range, "-D",
                log.path,
            ])
        let output = (try? Data(contentsOf: serial)) ?? Data()
        let ours = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix("[LOADER]") }
        let trace = GuestTrace(log: try Data(contentsOf: log, options: .alwaysMapped))
        guard !trace.addresses.isEmpty else { throw BenchError("\(loader) executes nothing in \(range)") }
        let phases = trace.phases(try await functions(trace))
        return BootFigures(
            application: (application as NSString).lastPathComponent, memory: size,
            instructions: trace.addresses.count, iterations: trace.iterations,
            phases: Dictionary(uniqueKeysWithValues: phases.map { ($0.key.rawValue, $0.value) }),
            serialBytes: ours.reduce(0) { $0 + $1.utf8.count + 2 })
    }

    /// Times `boots` boots, from the first byte of a line that begins with `[LOADER]` to the first of another line behind it.
    func time(_ application: String, _ size: String, boots: Int) async throws -> BootFigures.Wall? {
        var times: [Double] = []
        let command = ["serial", "[LOADER]", "timeout", "60"] + qemu(application, size) + ["-serial", "stdio"]
        for _ in 0..<boots {
            guard let output = await Runner.attempt(runner.timer, command) else { continue }
            if let time = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) { times.append(time / 1e6) }
        }
        guard let minimum = times.min(), let maximum = times.max() else { return nil }
        return .init(minimum: minimum, median: median(times), maximum: maximum, boots: times.count)
    }

    private func qemu(_ application: String, _ size: String) -> [String] {
        [
            "qemu-system-x86_64", "-cpu", "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt", "-smp", "1", "-m",
            size, "-object", "memory-backend-ram,id=ram,size=\(size),reserve=off", "-machine", "memory-backend=ram",
            "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", loader,
            "-initrd", application,
        ]
    }
}

/// The sizes of a loader's file, and where it lies.
struct LoaderFile: Codable {
    var text: Int
    var data: Int
    var bss: Int
    /// Bytes of the file, fully stripped.
    var stripped: Int

    /// Asks size and strip.
    init(measuring path: String, in folder: URL) async throws {
        let line = try await Runner.capture("size", [path]).split(separator: "\n").last ?? ""
        let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard numbers.count >= 3 else { throw BenchError("size does not understand \(path)") }
        (text, data, bss) = (numbers[0], numbers[1], numbers[2])
        let copy = folder.appendingPathComponent("stripped").path
        _ = try await Runner.capture("strip", ["--strip-all", "-o", copy, path])
        stripped = (try FileManager.default.attributesOfItem(atPath: copy)[.size] as? Int) ?? 0
        try? FileManager.default.removeItem(atPath: copy)
    }

    /// From the lowest address of a PT_LOAD segment to the highest, of an ELF file of either class, since loaders that
    /// Multiboot starts are often 32-bit files; as QEMU's -dfilter takes it.
    static func range(path: String) throws -> String {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let word = { (offset: Int, size: Int) -> Int in
            guard offset >= 0, offset + size <= bytes.count else { return 0 }
            return (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << ($1 * 8) }
        }
        guard word(0, 4) == 0x464c_457f else {
            throw BenchError("\(path) is no ELF file: give its addresses with --range")
        }
        let isWide = word(4, 1) == 2
        let (start, entrySize, count) =
            isWide ? (word(32, 7), word(54, 2), word(56, 2)) : (word(28, 4), word(42, 2), word(44, 2))
        var range: (start: Int, end: Int)?
        for index in 0..<count where word(start + index * entrySize, 4) == 1 {
            let header = start + index * entrySize
            // p_vaddr and p_memsz.
            let (address, size) =
                isWide ? (word(header + 16, 7), word(header + 40, 7)) : (word(header + 8, 4), word(header + 20, 4))
            range = (min(range?.start ?? address, address), max(range?.end ?? 0, address + size))
        }
        guard let range, range.end > range.start else { throw BenchError("\(path) has no PT_LOAD segment") }
        return "0x\(String(range.start, radix: 16))..0x\(String(range.end - 1, radix: 16))"
    }
}
