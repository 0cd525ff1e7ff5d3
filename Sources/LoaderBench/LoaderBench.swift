// `make bench`: what a boot costs, in instructions executed by the guest, and how large the loader is.

import ArgumentParser
import Foundation
import Subprocess

/// The command line.
@main
struct LoaderBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loader-bench",
        abstract: "Counts the instructions from a loader's first to its jump, under QEMU without acceleration.",
        discussion: """
            QEMU runs the loader one instruction at a time and logs each (-singlestep -d exec,nochain), filtered to the \
            loader's addresses; a repeated string instruction is logged once per iteration. Any loader can be counted: \
            give its file and its address range.
            """)

    @Option(help: "The loader's file.")
    var loader = "build/loader"

    @Option(help: "The loader's address range, as QEMU's -dfilter takes it.")
    var range = "0x100000..0x11ffff"

    @Option(help: "Sizes of RAM to boot with, separated by commas.")
    var memory = "128M,1G,8G,64G"

    @Option(
        help:
            "A budget file: lines of `application memory phase instructions`, and `loader - text bytes`; exceeding one by over 5 % fails."
    )
    var budget: String?

    @Flag(help: "Print JSON.")
    var json = false

    @Argument(help: "The applications to boot.")
    var applications: [String]

    func run() async throws {
        let nm = try await Self.capture("llvm-nm", ["-n", "--defined-only", loader])
        let symbols = SymbolMap(nm: nm)
        var rows: [Row] = []
        for application in applications {
            for size in memory.split(separator: ",").map(String.init) {
                let (counts, bytes) = try await count(application, size, symbols)
                rows.append(
                    Row(
                        application: (application as NSString).lastPathComponent, memory: size,
                        instructions: counts.instructions, iterations: counts.iterations,
                        phases: Dictionary(uniqueKeysWithValues: counts.phases.map { ($0.key.rawValue, $0.value) }),
                        serialBytes: bytes))
            }
        }
        let sizes = try await Self.capture("size", [loader])
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        } else {
            show(rows)
            print(sizes, terminator: "")
        }
        if let budget {
            let text = sizes.split(separator: "\n").last?.split(separator: "\t").first.map {
                Int($0.filter(\.isNumber))
            }
            try check(rows, text: (text ?? nil) ?? 0, against: String(contentsOfFile: budget, encoding: .utf8))
        }
    }

    /// One boot's figures.
    struct Row: Codable {
        var application: String
        var memory: String
        var instructions: Int
        var iterations: Int
        var phases: [String: Int]
        var serialBytes: Int
    }

    private func count(_ application: String, _ size: String, _ symbols: SymbolMap) async throws -> (
        InstructionCounts, Int
    ) {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("loader-bench-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = directory.appendingPathComponent("trace")
        let serial = directory.appendingPathComponent("serial")
        _ = try await Self.capture(
            "timeout",
            [
                "60", "qemu-system-x86_64", "-cpu", "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt", "-smp",
                "1", "-m", size, "-object", "memory-backend-ram,id=ram,size=\(size),reserve=off", "-machine",
                "memory-backend=ram", "-display", "none", "-serial", "file:\(serial.path)", "-no-reboot", "-device",
                "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", loader, "-initrd", application, "-singlestep",
                "-d",
                "exec,nochain", "-dfilter", range, "-D", log.path,
            ])
        let output = (try? Data(contentsOf: serial)) ?? Data()
        let ours = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline)
            .filter { $0.hasPrefix("[LOADER]") }
        return (
            InstructionCounts(log: try Data(contentsOf: log, options: .alwaysMapped), symbols: symbols),
            ours.reduce(0) { $0 + $1.utf8.count + 2 }
        )
    }

    private static func capture(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .name(program), arguments: Arguments(arguments), output: .string(limit: 1 << 24), error: .discarded)
        return result.standardOutput
    }

    private func show(_ rows: [Row]) {
        let phases = Phase.allCases.map(\.rawValue)
        let titles = ["application", "RAM", "instructions", "+ iterations"] + phases + ["serial bytes"]
        var lines = [titles]
        for row in rows {
            lines.append(
                [row.application, row.memory, "\(row.instructions)", "\(row.iterations)"]
                    + phases.map { "\(row.phases[$0] ?? 0)" } + ["\(row.serialBytes)"])
        }
        let widths = titles.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        for line in lines {
            print(
                line.indices.map { index in
                    let pad = String(repeating: " ", count: widths[index] - line[index].count)
                    return index == 0 ? line[index] + pad : pad + line[index]
                }.joined(separator: "  "))
        }
    }

    private func check(_ rows: [Row], text: Int, against budget: String) throws {
        var checked = 0
        var exceeded: [String] = []
        for line in budget.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count == 4, let limit = Int(fields[3]) else {
                throw ValidationError("not a budget line: \(line)")
            }
            let values =
                fields[0] == "loader"
                ? [text]
                : rows.filter { $0.application == fields[0] && $0.memory == fields[1] }.map {
                    fields[2] == "total"
                        ? $0.instructions : $0.phases[fields[2].replacingOccurrences(of: "-", with: " ")] ?? 0
                }
            for value in values {
                checked += 1
                if value > limit + limit / 20 { exceeded.append("\(line): \(value)") }
            }
        }
        print("\(checked) budgets checked, \(exceeded.count) exceeded")
        exceeded.forEach { print("exceeded: \($0)") }
        // A budget that names nothing that was measured guards nothing.
        if checked == 0 || !exceeded.isEmpty { throw ExitCode.failure }
    }
}
