// Everything that was measured, as tables and as JSON.

import Foundation

/// The figures of one run.
struct Results: Codable {
    var machine: MachineDescription
    /// The command line.
    var command = CommandLine.arguments
    var boot: [BootFigures]?
    var loader: LoaderFile?
    var relocations: [RelocationFigures]?
    var listings: [ListingFigures]?
    var images: [ImageFigures]?

    init(machine: MachineDescription) { self.machine = machine }

    /// Prints the tables.
    func show() {
        print((machine.lines + ["command: " + command.joined(separator: " ")]).joined(separator: "\n"))
        if let boot, !boot.isEmpty { showBoot(boot) }
        if let loader {
            print("\nThe loader, bytes: its parts by size, where text includes constants, and the file after strip\n")
            Results.table([
                ["text", "data", "bss", "file, stripped"],
                ["\(loader.text)", "\(loader.data)", "\(loader.bss)", "\(loader.stripped)"],
            ])
        }
        if let relocations { showRelocations(relocations) }
        if let listings { showListings(listings) }
        if let images { showImages(images) }
    }

    private func showBoot(_ boot: [BootFigures]) {
        print(
            """

            Instructions from the loader's first to its jump, a repeated string instruction as one, then with every iteration. \
            Serial bytes are the loader's own.

            """)
        Results.table(
            [["application", "RAM", "instructions", "+ iterations", "serial bytes"]]
                + boot.map { row in
                    [row.application, row.memory, "\(row.instructions)", "\(row.iterations)", "\(row.serialBytes)"]
                })
        let remarks = boot.filter { $0.remark != nil }
        if !remarks.isEmpty { print() }
        for row in remarks { print("\(row.application), \(row.memory): \(row.remark ?? "")") }
        // One amount of memory is enough to show where a loader spends its time.
        if let row = boot.first(where: { !$0.functions.isEmpty }) {
            print("\nThe functions that execute the most: \(row.application), \(row.memory)\n")
            let most = row.functions.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(15)
            Results.table([["function", "instructions"]] + most.map { [$0.key, "\($0.value)"] })
        }
        let timed = boot.filter { $0.wall != nil }
        guard !timed.isEmpty else { return }
        print("\nMilliseconds from the loader's first to the application's first byte on the serial line, 1 GiB, TCG\n")
        Results.table(
            [["application", "minimum", "median", "maximum", "boots"]]
                + timed.compactMap { row in
                    row.wall.map {
                        [
                            row.application, decimal($0.minimum, 1), decimal($0.median, 1), decimal($0.maximum, 1),
                            "\($0.boots)",
                        ]
                    }
                })
    }

    private func showRelocations(_ figures: [RelocationFigures]) {
        print(
            """

            Relocation on the host, nanoseconds per entry, the smallest of several runs: ours, a copy that moves as many bytes, \
            and the system's dynamic linker, in memory that is present; then both with the page faults of a mapped file.

            """)
        Results.table(
            [
                [
                    "kind", "entries", "ours", "copy", "ours/copy", "ld.so", "ld.so/ours", "faults: ours",
                    "faults: ld.so", "faults: ld.so/ours",
                ]
            ]
                + figures.map { row in
                    [
                        row.kind.rawValue, "\(row.count)", decimal(row.apply, 2), decimal(row.copy, 2),
                        decimal(row.apply / row.copy, 2), believable(row).map { decimal($0, 2) } ?? "-",
                        believable(row).map { decimal($0 / row.apply, 1) } ?? "-", decimal(row.mapped, 2),
                        decimal(row.dynamicLinkerMapped, 2), decimal(row.dynamicLinkerMapped / row.mapped, 2),
                    ]
                })
    }

    /// The dynamic linker's time, unless it was lost in the noise of the two times whose difference it is.
    private func believable(_ row: RelocationFigures) -> Double? {
        row.dynamicLinker.flatMap { $0 > row.copy / 2 ? $0 : nil }
    }

    private func showListings(_ figures: [ListingFigures]) {
        print(
            """

            loader-inspect beside others: milliseconds (median) / MiB of memory (peak); the last column is the time of the fastest \
            of the others relative to loader-inspect.

            """)
        let names = ["loader-inspect", "readelf", "eu-readelf", "llvm-readelf"]
        Results.table(
            [["file", "MB", "view", "rows"] + names + ["fastest other/ours"]]
                + figures.map { row in
                    let others = row.programs.filter { $0.key != "loader-inspect" }.map(\.value.ratio)
                    return [row.file, decimal(row.megabytes, 0), row.view, "\(row.rows)"]
                        + names.map { name in
                            row.programs[name].map {
                                "\(decimal($0.seconds * 1000, 1)) / \(decimal($0.peakMebibytes, 0))"
                            }
                                ?? "-"
                        } + [others.min().map { decimal($0, 1) } ?? "-"]
                })
    }

    private func showImages(_ figures: [ImageFigures]) {
        print(
            """

            Unpacking a Hermit image beside other programs: milliseconds (median), the tool's with its start and a walk through \
            the archive; last, gzip's time divided by the tool's.

            """)
        let names = ["loader-inspect", "gzip -dc", "pigz -dc"]
        Results.table(
            [["contents", "packed, bytes", "unpacked, bytes"] + names + ["gzip/ours"]]
                + figures.map { row in
                    let times = names.map { row.seconds[$0].map { decimal($0 * 1000, 1) } ?? "-" }
                    let own = row.seconds["loader-inspect"] ?? .nan
                    let ratio = row.seconds["gzip -dc"].map { decimal($0 / own, 2) } ?? "-"
                    return [row.contents, "\(row.packed)", "\(row.unpacked)"] + times + [ratio]
                })
    }

    private func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

    /// Prints a table in Markdown, with columns as wide as necessary.
    private static func table(_ lines: [[String]]) {
        let columns = lines[0].indices
        let widths = columns.map { column in lines.map { $0[column].count }.max() ?? 0 }
        let row = { (cells: [String]) in
            "| "
                + columns.map { index in
                    let pad = String(repeating: " ", count: widths[index] - cells[index].count)
                    return index == 0 ? cells[index] + pad : pad + cells[index]
                }.joined(separator: " | ") + " |"
        }
        print(row(lines[0]))
        print("|" + columns.map { String(repeating: "-", count: widths[$0] + 1) + ($0 == 0 ? "-|" : ":|") }.joined())
        for line in lines.dropFirst() { print(row(line)) }
        fflush(nil)
    }
}

/// The machine of the measurement, and the versions of the programs.
struct MachineDescription: Codable {
    var cpu = "unknown"
    var cores: Int
    var memoryGiB: Int
    var system: String
    /// The first line of each program's version.
    var versions: [String: String] = [:]

    init() async {
        cores = ProcessInfo.processInfo.activeProcessorCount
        memoryGiB = Int((Double(ProcessInfo.processInfo.physicalMemory) / Double(1 << 30)).rounded())
        let kernel = await Runner.attempt("uname", ["-sr"]) ?? ""
        system = kernel.trimmingCharacters(in: .whitespacesAndNewlines)
        let processors = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        if let line = processors.split(separator: "\n").first(where: { $0.hasPrefix("model name") }) {
            cpu = line.split(separator: ":").dropFirst().joined().trimmingCharacters(in: .whitespaces)
        }
        let commands: [(String, [String], String)] = [
            ("swiftc", ["--version"], "Swift"), ("qemu-system-x86_64", ["--version"], "QEMU"),
            ("ldd", ["--version"], "ld"), ("readelf", ["--version"], "readelf"),
            ("eu-readelf", ["--version"], "eu-readelf"), ("llvm-readelf", ["--version"], "LLVM"),
        ]
        for (program, arguments, word) in commands {
            let lines = (await Runner.attempt(program, arguments) ?? "").split(separator: "\n")
            if let line = lines.first(where: { $0.contains(word) }) {
                versions[program] = line.trimmingCharacters(in: .whitespaces)
            }
        }
    }

    /// The description as text.
    var lines: [String] {
        ["\(cpu), \(cores) cores, \(memoryGiB) GiB, \(system)"]
            + versions.keys.sorted().map { "\($0): \(versions[$0] ?? "")" }
    }
}
