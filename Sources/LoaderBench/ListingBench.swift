// loader-inspect beside readelf, eu-readelf and llvm-readelf: the same listings of the same large files.

import ELF
import Foundation

/// The figures of all programs for one listing of one file.
struct ListingFigures: Codable {
    var file: String
    var megabytes: Double
    var view: String
    var rows: Int
    /// By program: the median of seconds; the peak of MiB of memory; the time relative to loader-inspect.
    var programs: [String: Program]

    /// The figures of one program.
    struct Program: Codable {
        var seconds: Double
        var peakMebibytes: Double
        var ratio: Double
    }
}

/// Measures listings.
struct ListingBench {
    let runner: Runner
    let inspect: String
    let isQuick: Bool

    /// The programs, and their options for each view.
    private static let programs: [(name: String, options: [String: String])] = [
        ("readelf", ["relocations": "-rW", "symbols": "-sW", "sections": "-SW"]),
        ("eu-readelf", ["relocations": "-r", "symbols": "-s", "sections": "-S"]),
        ("llvm-readelf", ["relocations": "-r", "symbols": "-s", "sections": "-S"]),
    ]

    func run() async throws -> [ListingFigures] {
        var figures: [ListingFigures] = []
        if let library = await largeLibrary() {
            for view in ["relocations", "symbols", "sections"] { figures.append(try await measure(library, view)) }
        } else {
            note("no library of the toolchain is over 100 MB")
        }
        let count = isQuick ? 1_000_000 : 5_000_000
        let made: [(RelocationKind, [String])] = [
            (.relative, ["relocations"]), (.symbolic, ["relocations", "symbols"]),
        ]
        for (kind, views) in made {
            let number = kind == .symbolic ? count / 5 : count
            let path = runner.folder.appendingPathComponent(
                "\(number)-\(kind == .symbolic ? "symbolic" : "relative").so"
            ).path
            try RelocationFile.write(kind, number, to: path)
            for view in views { figures.append(try await measure(path, view)) }
            try? FileManager.default.removeItem(atPath: path)
        }
        let sections = runner.folder.appendingPathComponent("200000-sections.o").path
        try SectionFile.write(200_000, to: sections)
        figures.append(try await measure(sections, "sections"))
        try? FileManager.default.removeItem(atPath: sections)
        return figures
    }

    /// The file of the Swift toolchain over 100 MB with the most relocations: over 200,000.
    private func largeLibrary() async -> String? {
        guard let compiler = await Runner.attempt("which", ["swiftc"]) else { return nil }
        let root = URL(fileURLWithPath: compiler.trimmingCharacters(in: .newlines)).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("lib")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        let files = names.compactMap { name -> (size: Int, path: String)? in
            let path = root.appendingPathComponent(name).path
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            guard attributes?[.type] as? FileAttributeType == .typeRegular, let size = attributes?[.size] as? Int,
                size > 100_000_000, name.contains(".so")
            else { return nil }
            return (size, path)
        }
        return files.max { $0.size < $1.size }?.path
    }

    private func measure(_ file: String, _ view: String) async throws -> ListingFigures {
        note("\(view) of \((file as NSString).lastPathComponent)")
        var commands: [(name: String, command: [String])] = [("loader-inspect", [inspect, view, file])]
        for (name, options) in Self.programs { commands.append((name, [name, options[view] ?? "", file])) }
        let rows =
            (await Runner.attempt("sh", ["-c", "\(quoted(inspect)) \(view) \(quoted(file)) | wc -l"]))
            .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 1
        var times: [String: [Double]] = [:]
        var peaks: [String: Int] = [:]
        // In turn, so that other load on the machine affects all of them alike; the slow ones less often.
        let rounds = isQuick ? 5 : 11
        for round in 0..<rounds {
            for (name, command) in commands {
                if round >= 2, let first = times[name]?.first, first > 1e9 { continue }
                guard let (time, memory) = await runner.time(command) else { continue }
                times[name, default: []].append(time)
                peaks[name] = max(peaks[name] ?? 0, memory)
            }
        }
        guard let own = times["loader-inspect"].map(median) else {
            throw BenchError("\(inspect) does not list \(view) of \(file): make inspect builds it")
        }
        let size = (try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
        return ListingFigures(
            file: (file as NSString).lastPathComponent, megabytes: Double(size) / 1e6, view: view, rows: rows - 1,
            programs: times.reduce(into: [:]) { result, entry in
                let time = median(entry.value)
                result[entry.key] = .init(
                    seconds: time / 1e9, peakMebibytes: Double(peaks[entry.key] ?? 0) / 1024, ratio: time / own)
            })
    }

    private func quoted(_ path: String) -> String { "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'" }
}

/// An object file that consists of section headers only.
enum SectionFile {
    static func write(_ count: Int, to path: String) throws {
        typealias Flags = SectionHeader.Flags
        // e_shnum is 0.
        var words = headerWords(
            .relocatable, programHeaderCount: 0, sectionHeaders: FileHeader.size, sectionHeaderCount: 0, nameSection: 1)
        // There are more than fit in e_shnum, so their number is in section header 0.
        words += [0, 0, 0, 0, UInt64(count), 0, 0, 0]
        var names: [UInt8] = [0] + Array(".shstrtab".utf8) + [0]
        let namesOffset = FileHeader.size + UInt64(count) * SectionHeader.size
        let placeholder = words.count
        words += Array(repeating: 0, count: 8)
        for index in 2..<count {
            let flags = Flags.alloc | (index % 2 == 0 ? Flags.execute : Flags.write)
            words += [
                UInt64(names.count) | UInt64(SectionHeader.Kind.programBits) << 32, flags, 0, FileHeader.size,
                UInt64(index % 4096), 0, 16, 0,
            ]
            names += Array(".text.function_\(index)".utf8) + [0]
        }
        words.replaceSubrange(
            placeholder..<placeholder + 8,
            with: [
                1 | UInt64(SectionHeader.Kind.stringTable) << 32, 0, 0, namesOffset, UInt64(names.count), 0, 1, 0,
            ])
        unsafe try (words.withUnsafeBytes { unsafe Data($0) } + Data(names)).write(to: URL(fileURLWithPath: path))
    }
}
