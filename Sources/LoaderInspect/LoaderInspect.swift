// The command line: will this file boot, where, how, and if not, why not?

import ArgumentParser
import Bytes
import Diagnostics
import Foundation

/// `loader-inspect FILE…`
@main
struct LoaderInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loader-inspect",
        abstract: "Tells whether the loader boots a file, where it goes, and if not, why not.",
        discussion: """
            Runs the loader's own code on the file, on a machine as QEMU would make it.

              loader-inspect app                        will it boot in 1 GiB of RAM?
              loader-inspect --memory 64M --machine q35 app
              loader-inspect --quiet *.elf              only those that will not

            Exit status: 0 every file boots, 1 one will not boot, 2 one is malformed, 64 the command line is wrong.
            """)

    @Option(name: .shortAndLong, help: "RAM, as QEMU's -m takes it.")
    var memory = MemorySize(bytes: 1 << 30)

    @Option(help: "QEMU's machine.")
    var machine = MachineKind.pc

    @Option(name: .customLong("protocol"), help: "How the loader is started.")
    var startProtocol = StartProtocol.multiboot

    @Option(help: "The loader's file, for its size; without it, one beside this program, or else 160 KiB.")
    var loader: String?

    @Flag(name: .shortAndLong, help: "Say nothing of files that boot.")
    var quiet = false

    @Argument(help: "ELF files; - is standard input.")
    var files: [String]

    func run() throws {
        var host = HostMachine(kind: machine, memory: memory, startProtocol: startProtocol)
        if let data = try loaderData() {
            // Data's bytes outlive the closure's span.
            host.loader = try unsafe data.withUnsafeBytes { buffer in
                try HostMachine.loaderRange(ByteView(unsafe RawSpan(_unsafeBytes: buffer)))
            }
        }
        var status: Int32 = 0
        for (index, file) in files.enumerated() {
            let inspection = Inspection(try Self.read(file), on: host)
            status = max(status, inspection.status)
            if quiet && inspection.fault == nil { continue }
            if index > 0 && !quiet { print() }
            show(inspection, file)
        }
        if status != 0 { throw ExitCode(status) }
    }

    private func loaderData() throws -> Data? {
        if let loader { return try Self.read(loader) }
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return try? Data(
            contentsOf: own.deletingLastPathComponent().appendingPathComponent("loader"), options: .alwaysMapped)
    }

    private static func read(_ file: String) throws -> Data {
        if file == "-" { return try FileHandle.standardInput.readToEnd() ?? Data() }
        do {
            return try Data(contentsOf: URL(fileURLWithPath: file), options: .alwaysMapped)
        } catch {
            throw ValidationError("cannot read \(file): \(error.localizedDescription)")
        }
    }

    private func show(_ inspection: Inspection, _ file: String) {
        if let refusal = inspection.refusal {
            print("\(file): \(inspection.status == 2 ? "malformed" : "will not boot")")
            print("  error: \(refusal)")
        } else {
            print("\(file): boots")
        }
        if quiet { return }
        for (label, text) in inspection.facts {
            print("  \(label.padding(toLength: 12, withPad: " ", startingAt: 0)) \(text)")
        }
        guard !inspection.segments.isEmpty else { return }
        print("  segments     type             offset      address   in file  in memory flags align")
        for line in inspection.segments { print("          \(line)") }
    }
}
