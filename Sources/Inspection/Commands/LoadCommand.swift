// The relocated image, byte for byte as in the guest.

import AnyELF
import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Glibc

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Writes the image as it is in the guest's memory when the kernel is entered.",
        discussion: """
              loader-inspect load --output image.bin app
              loader-inspect load --base 0x200000 --output image.bin app
              loader-inspect load --memory 4G --machine q35 --memory-dump handoff.bin app

            Without --base the image goes where the loader would put it on the given machine. With it the loader is told loader.base=, \
            and says where the image cannot be there.

            --memory-dump writes what the loader leaves besides the image, in one piece: page tables, BootInfo, device tree, \
            command line and stack. Both come with address, size and SHA-256, and with the loader's report. One of them may go to \
            standard output, by the name -; then the rest goes to standard error.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "The address of the image's first byte; without it, where the loader puts it.")
    var base: Address?
    @Option(name: .shortAndLong, help: "The file to write the image to.", completion: .file())
    var output: String?
    @Option(help: "The file to write the handoff block to.", completion: .file())
    var memoryDump: String?
    @Argument(help: "The ELF file; - is standard input.", completion: .file())
    var file: String

    mutating func validate() throws {
        if output == "-", memoryDump == "-" { throw ValidationError("only one of the two can go to standard output") }
    }

    func run() throws {
        Progress.shared.show(file)
        defer { Progress.shared.show(nil) }
        let input = try InputFile.openingOnly(file)
        let view = ByteView(input.bytes)
        let console = Output(descriptor: [output, memoryDump].contains("-") ? 2 : 1, color: .never)
        do {
            try rehearse(view, input, console)
        } catch let refusal as Refusal {
            console.flush()
            throw ExitCode(refusal.tell(file))
        }
    }

    private func rehearse(_ view: ByteView, _ input: InputFile, _ console: Output) throws {
        var host = try machine.host(for: file, input)
        // If there are several, the last one counts.
        if let base { host.loaderOptions += (host.loaderOptions.isEmpty ? "" : " ") + "loader.base=\(hex(base.value))" }
        host.tellAssumptions()
        let rehearsal = try Rehearsal(view, on: host, gigabytePages: machine.gigabytePages)
        let plan = rehearsal.plan
        try write("image", rehearsal.guest.span(plan.image), at: plan.image.start, to: output, console)
        let handoff = plan.handoff.range
        try write("handoff", rehearsal.guest.span(handoff), at: handoff.start, to: memoryDump, console)
        console.write(rehearsal.report)
        if !rehearsal.resolvers.isEmpty {
            console.line(
                "\(counted(rehearsal.resolvers.count, "word")) as in the file: only the guest can call resolver functions"
            )
        }
    }

    /// Address, size and SHA-256 of `bytes`, which go to the file at `path`.
    private func write(_ name: String, _ bytes: RawSpan, at address: UInt64, to path: String?, _ console: Output) throws
    {
        let digest = FileDigest(of: ByteView(bytes))
        console.line("\(name) \(hex(address)) \(bytes.byteCount) bytes, SHA-256 \(digest.digits)")
        if let path { try Inspection.write(bytes, toFileAt: path) }
    }
}

extension FileDigest {
    /// The digest as sha256sum prints it.
    var digits: String { words.span.indices.map { words[$0].hexadecimalDigits }.joined() }
}
