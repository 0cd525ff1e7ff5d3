// The cost of a boot: the number of instructions, and wall time on the serial line.

import Architecture
import Foundation

/// One boot's figures.
struct BootFigures: Codable {
    var application: String
    var memory: String
    /// The number of instructions, with only the first iteration of string instructions.
    var instructions: Int
    /// The number of instructions with every iteration.
    var iterations: Int
    /// The numbers of instructions by function; empty if the loader has no symbols.
    var functions: [String: Int]
    /// The number of bytes that the loader printed.
    var serialBytes: Int
    /// How the run ended.
    var ending: String
    /// A reason to doubt that this was a boot, or where it ended; absent if there is none.
    var remark: String?
    /// Milliseconds from the loader's first byte on the serial line to the application's first; absent if not measured.
    var wall: Wall?

    /// The times over several boots.
    struct Wall: Codable {
        var minimum: Double
        var median: Double
        var maximum: Double
        var boots: Int
    }
}

/// The options for counting boots, for any loader.
struct BootOptions {
    /// The loader's addresses in the form of QEMU's -dfilter; nil for the addresses of its file.
    var range: String?
    /// The address of the instruction that ends the count.
    var end: UInt64?
    /// The prefix of the loader's own lines on the serial line.
    var prefix: String
    /// The number of instructions, over all iterations, after which a boot counts as stuck.
    var most: Int
    /// Further arguments for QEMU.
    var arguments: [String]
}

/// Boots applications with a loader: any file that QEMU's -kernel accepts.
struct BootBench {
    let runner: Runner
    let loader: String
    let options: BootOptions
    /// The loader's addresses in the form of QEMU's -dfilter.
    let range: String
    /// The loader's functions, by its symbols.
    private let functions: FunctionNames
    /// The option that makes QEMU execute one instruction at a time: version 8.1 renamed it.
    private let steps: [String]

    /// Finds the address range of `loader` in its program headers unless `options` has one, and its functions with nm.
    init(_ runner: Runner, loader: String, _ options: BootOptions) async throws {
        self.runner = runner
        self.loader = loader
        self.options = options
        range = try options.range ?? LoaderFile.ranges(path: loader)
        functions = FunctionNames(nm: await Runner.attempt("nm", ["-n", "--defined-only", loader]) ?? "")
        guard let help = await Runner.attempt(BootBench.qemu, ["-help"]) else {
            throw BenchError("there is no \(BootBench.qemu): install it (apt-get install qemu-system-x86)")
        }
        let isNew = help.contains("one-insn-per-tb") || !help.contains("-singlestep")
        steps = isNew ? ["-accel", "tcg,one-insn-per-tb=on"] : ["-singlestep"]
    }

    private static let qemu = "qemu-system-x86_64"

    /// The application's path, without the options and further modules that may follow it, as QEMU's -initrd takes them.
    private static func file(_ application: String) -> String {
        String(application.prefix { $0 != " " && $0 != "," })
    }

    /// Counts one boot. Throws if the loader executes nothing, or never jumps.
    func count(_ application: String, _ size: String) async throws -> BootFigures {
        let serial = runner.folder.appendingPathComponent("serial")
        defer { try? FileManager.default.removeItem(at: serial) }
        // A filter may have several ranges.
        let filter = range + (options.end.map { ",\(hex($0))..\(hex($0))" } ?? "")
        let run = try await TracedBoot(
            [BootBench.qemu] + machine(application, size) + ["-serial", "file:\(serial.path)"] + steps
                + ["-d", "exec,nochain", "-dfilter", filter] + options.arguments,
            GuestTrace(until: options.end), most: options.most)
        let trace = run.trace
        let name = (BootBench.file(application) as NSString).lastPathComponent
        guard let last = trace.addresses.last else {
            guard trace.messages.isEmpty else {
                throw BenchError("QEMU does not boot \(name) with \(loader): \(trace.messages.joined(separator: "; "))")
            }
            throw BenchError(
                "\(loader) executes nothing in \(range) with \(name): find out where it does, as docs/benchmarks.md describes, "
                    + "and give it with --range")
        }
        let place = hex(last) + (functions.name(at: last).map { " (\($0))" } ?? "")
        let output = String(decoding: (try? Data(contentsOf: serial)) ?? Data(), as: UTF8.self)
            .split(whereSeparator: \.isNewline)
        let said = output.last.map { "; the last line it printed: \($0)" } ?? "; it printed nothing"
        switch run.ending {
        case .endless, .late:
            let bound =
                "\(trace.iterations) instructions" + (options.most < trace.iterations ? "" : ", \(TracedBoot.limit) s")
            throw BenchError(
                "\(loader) with \(name) still executes in \(range) after \(bound), last at \(place)\(said). If it needs more, raise "
                    + "--most; if its application lies there, too, give the address where that begins with --until"
            )
        default: break
        }
        let ours = output.filter { $0.hasPrefix(options.prefix) }
        return BootFigures(
            application: name, memory: size, instructions: trace.addresses.count, iterations: trace.iterations,
            functions: trace.counts(functions), serialBytes: ours.reduce(0) { $0 + $1.utf8.count + 2 },
            ending: describe(run.ending, place), remark: remark(run.ending, place, output, application))
    }

    private func describe(_ ending: GuestEnding, _ place: String) -> String {
        switch ending {
        case .exited(let status): "QEMU ended with status \(status)"
        case .signalled(let number): "QEMU was ended by signal \(number)"
        case .reached: "\(hex(options.end ?? 0)) was reached"
        case .quiet: "stopped \(Int(TracedBoot.patience)) s after the loader's last instruction, at \(place)"
        case .endless, .late: "stopped"
        }
    }

    /// A reason to doubt the figures: for instance, a loader that refused the application, or died, has not booted it.
    private func remark(
        _ ending: GuestEnding, _ place: String, _ output: [Substring], _ application: String
    ) -> String? {
        var remarks: [String] = []
        switch ending {
        case .signalled, .quiet: remarks.append(describe(ending, place))
        default: break
        }
        if case .reached = ending {
        } else if let line = output.last, line.hasPrefix(options.prefix) {
            if case .exited = ending { remarks.append(describe(ending, place)) }
            remarks.append("the application printed nothing, the loader in the end: \(line)")
        } else if let entry = LoaderFile.fixedEntry(path: BootBench.file(application), in: range) {
            remarks.append(
                "the application lies in \(range) as well, where what it executes counts; --until \(hex(entry)), its entry "
                    + "point, ends the count there")
        }
        return remarks.isEmpty ? nil : remarks.joined(separator: "; ")
    }

    /// Times `boots` boots, from the first byte of a line that begins with the prefix to the first byte of a later line that does not.
    /// Nil if a boot has no such lines.
    func time(_ application: String, _ size: String, boots: Int) async throws -> BootFigures.Wall? {
        var times: [Double] = []
        let command =
            ["serial", options.prefix, "timeout", "60", BootBench.qemu] + machine(application, size)
            + ["-serial", "stdio"] + options.arguments
        for _ in 0..<boots {
            guard let output = await Runner.attempt(runner.timer, command),
                let time = Double(output.trimmingCharacters(in: .whitespacesAndNewlines))
            else {
                note(
                    "no wall time: \(runner.timer) is missing, or does not see the loader's lines and then the application's"
                )
                return nil
            }
            times.append(time / 1e6)
        }
        guard let minimum = times.min(), let maximum = times.max() else { return nil }
        return .init(minimum: minimum, median: median(times), maximum: maximum, boots: times.count)
    }

    private func machine(_ application: String, _ size: String) -> [String] {
        [
            "-cpu", "\(KernelProcessor.model)", "-smp", "1", "-m", size, "-object",
            "memory-backend-ram,id=ram,size=\(size),reserve=off", "-machine", "memory-backend=ram", "-display", "none",
            "-no-reboot", "-device", "isa-debug-exit,iobase=\(hex(UInt64(IOPort.debugExit))),iosize=0x04", "-kernel",
            loader, "-initrd",
            application,
        ]
    }
}

/// The address in QEMU's form.
func hex(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }
