// Unpacking a Hermit image beside gzip -dc: the tool's time to list an image, which is to unpack it and to walk the archive.

import Foundation

/// The figures for one image.
struct ImageFigures: Codable {
    /// Its contents, and how it was packed.
    var contents: String
    /// The bytes of the file, and those of the archive in it.
    var packed: Int, unpacked: Int
    /// Seconds by program, the median.
    var seconds: [String: Double]
}

/// Measures unpacking.
struct ImageBench {
    let runner: Runner
    let inspect: String
    let isQuick: Bool

    /// The programs, each with its arguments for unpacking.
    private static let programs = [
        (name: "gzip -dc", command: ["gzip", "-dc"]), (name: "pigz -dc", command: ["pigz", "-dc"]),
    ]

    func run() async throws -> [ImageFigures] {
        var figures: [ImageFigures] = []
        // Code, the sort of file that images are made of; zeros, which are the fewest bits for a byte; noise, which is stored.
        let contents = [
            ("program", "cat \(quoted(inspect))"), ("zeros", "head -c 32000000 /dev/zero"),
            ("noise", "head -c 16000000 /dev/urandom"),
        ]
        for (name, command) in isQuick ? Array(contents.prefix(1)) : contents {
            for level in name == "program" && !isQuick ? ["-1", "-6", "-9"] : ["-6"] {
                figures.append(try await measure("\(name), gzip \(level)", command, level))
            }
        }
        return figures
    }

    private func measure(_ contents: String, _ command: String, _ level: String) async throws -> ImageFigures {
        note("unpacking \(contents)")
        let folder = runner.folder.appendingPathComponent("image")
        let script = """
            set -e; mkdir -p \(quoted(folder.path)); cd \(quoted(folder.path)); \(command) >app
            printf 'version = "1"\\nkernel = "app"\\n' >hermit.toml
            tar -cf archive.tar hermit.toml app; gzip \(level) -c archive.tar >app.tar.gz; wc -c <archive.tar; wc -c <app.tar.gz
            """
        guard let sizes = await Runner.attempt("sh", ["-c", script])?.split(separator: "\n").compactMap({ Int($0) }),
            sizes.count == 2
        else { throw BenchError("tar and gzip make no image of \(contents)") }
        let image = folder.appendingPathComponent("app.tar.gz").path
        var commands = [(name: "loader-inspect", command: [inspect, "files", image])]
        for program in Self.programs { commands.append((program.name, program.command + [image])) }
        var times: [String: [Double]] = [:]
        // In turn, so that other work of the machine hits all of them alike.
        for _ in 0..<(isQuick ? 5 : 11) {
            for (name, command) in commands {
                guard let (time, _) = await runner.time(command) else { continue }
                times[name, default: []].append(time)
            }
        }
        guard times["loader-inspect"] != nil else {
            throw BenchError("\(inspect) does not list \(image): make inspect builds it")
        }
        try? FileManager.default.removeItem(at: folder)
        return ImageFigures(
            contents: contents, packed: sizes[1], unpacked: sizes[0], seconds: times.mapValues { median($0) / 1e9 })
    }

    private func quoted(_ path: String) -> String { "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'" }
}
