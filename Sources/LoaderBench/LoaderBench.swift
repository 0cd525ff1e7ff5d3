// `make bench`: the costs of a boot, the loader, a relocation and a listing, in one run on one machine.

import ArgumentParser
import Foundation

/// The parts that can be measured.
enum BenchPart: String, CaseIterable, ExpressibleByArgument {
    case boot, loader, relocations, listings, images
}

/// The command line.
@main
struct LoaderBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loader-bench",
        abstract: "Measures a loader, relocation on the host, and loader-inspect, as docs/benchmarks.md describes.",
        discussion: """
            Boots are counted, not timed: QEMU runs the loader one instruction at a time and logs each (-d exec,nochain), \
            filtered to the loader's addresses; a repeated string instruction is logged once per iteration. Any loader can \
            be counted, whatever it is written in:

              loader-bench --parts boot --loader path/to/another-loader app
              loader-bench --parts boot --loader loader --prefix "[boot]" app --qemu -cpu max -append verbose
            """)

    @Option(help: "The loader's file, whatever QEMU's -kernel takes.")
    var loader = "build/loader"

    @Option(
        help: ArgumentHelp(
            "Where the loader executes, instead of the addresses of its PT_LOAD segments: 0x100000..0x11ffff; several with commas.",
            valueName: "ranges"))
    var range: String?

    @Option(
        help: ArgumentHelp(
            "End the count at this instruction: the application's entry point, if it lies at the loader's addresses.",
            valueName: "address"))
    var until: String?

    @Option(help: "The prefix of the loader's own lines on the serial line.")
    var prefix = "[LOADER]"

    @Option(
        help: ArgumentHelp(
            "The number of instructions, all iterations counted, after which a loader is given up.",
            valueName: "instructions"))
    var most = 10_000_000

    @Option(help: "Sizes of RAM to boot with, separated by commas.")
    var memory = "128M,1G,8G,64G"

    @Option(help: "What to measure, separated by commas: boot, loader, relocations, listings, images.")
    var parts = "boot,loader,relocations,listings,images"

    @Option(
        help:
            "A file of limits: lines of application, memory, figure and the most that it may be; see budget.txt.")
    var budget: String?

    @Flag(help: "One or two minutes instead of ten: fewer runs, smaller files.")
    var quick = false

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: "The program of timer.c.")
    var timer = "build/bench-timer"

    @Option(help: "loader-inspect.")
    var inspect = "build/loader-inspect"

    @Argument(
        help: "The applications to boot, in the form of -initrd: app, or \"app options,module\".", completion: .file())
    var applications: [String] = []

    @Option(name: .customLong("qemu"), parsing: .remaining, help: "All that follows goes to QEMU.")
    var arguments: [String] = []

    func run() async throws {
        let selected = try Set(
            parts.split(separator: ",").map { name in
                guard let part = BenchPart(rawValue: String(name)) else {
                    throw ValidationError("there is no part \(name)")
                }
                return part
            })
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("loader-bench-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let runner = Runner(folder: folder, timer: absolute(timer))
        var results = Results(machine: await MachineDescription())
        if selected.contains(.boot) { results.boot = try await boots(runner) }
        if selected.contains(.loader) || budget != nil {
            results.loader = try await LoaderFile(measuring: loader, in: folder)
        }
        if selected.contains(.relocations) {
            let sizes = [10_000, 100_000, 1_000_000] + (quick ? [] : [10_000_000])
            results.relocations = try await RelocationBench(runner: runner, sizes: sizes).run()
        }
        if selected.contains(.listings) {
            results.listings = try await ListingBench(runner: runner, inspect: absolute(inspect), isQuick: quick).run()
        }
        if selected.contains(.images) {
            results.images = try await ImageBench(runner: runner, inspect: absolute(inspect), isQuick: quick).run()
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(results), as: UTF8.self))
        } else {
            results.show()
        }
        if let budget {
            let text = try String(contentsOfFile: budget, encoding: .utf8)
            try Budget(text).check(results)
        }
    }

    private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }

    private func boots(_ runner: Runner) async throws -> [BootFigures] {
        var end: UInt64?
        if let until {
            end = UInt64(until.hasPrefix("0x") ? until.dropFirst(2) : until[...], radix: 16)
            guard end != nil else { throw ValidationError("--until needs a hexadecimal address, not \(until)") }
        }
        let bench = try await BootBench(
            runner, loader: loader,
            BootOptions(range: range, end: end, prefix: prefix, most: most, arguments: arguments))
        let sizes = memory.split(separator: ",").map(String.init)
        var figures: [BootFigures] = []
        for application in applications {
            for size in sizes {
                note("boot of \(application), \(size)")
                figures.append(try await bench.count(application, size))
                // A boot that failed guards nothing.
                if budget != nil, let remark = figures.last?.remark {
                    throw BenchError("\(application) with \(size): \(remark)")
                }
            }
            // Wall time is not part of a budget.
            if budget == nil, let index = figures.lastIndex(where: { $0.memory == "1G" }) {
                figures[index].wall = try await bench.time(application, "1G", boots: quick ? 5 : 21)
            }
        }
        return figures
    }
}
