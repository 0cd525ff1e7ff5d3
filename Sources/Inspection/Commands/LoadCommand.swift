// The relocated image, byte for byte as in the guest.

import AnyELF
import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Glibc
import Linking

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Writes the image as it is in the guest's memory when the kernel is entered.",
        discussion: """
              loader-inspect load --output image.bin app
              loader-inspect load --base 0x200000 --output image.bin app
              loader-inspect load --memory 4G --machine q35 --memory-dump handoff.bin app

            Without --base the image goes where the loader would put it on the given machine.

            --memory-dump writes what the loader leaves besides the image, in one piece: page tables, BootInfo, device tree, \
            command line and stack. Both come with address, size and SHA-256, and with the loader's report. One of them may go to \
            standard output, by the name -; then the rest goes to standard error.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "The address of the image's first byte.")
    var base: Address?
    @Option(name: .shortAndLong, help: "The file to write the image to.", completion: .file())
    var output: String?
    @Option(help: "The file to write the handoff block to.", completion: .file())
    var memoryDump: String?
    @Argument(help: "The ELF file; - is standard input.", completion: .file())
    var file: String

    mutating func validate() throws {
        if base != nil, memoryDump != nil {
            throw ValidationError("--memory-dump is about a whole boot: it does not go with --base")
        }
        if output == "-", memoryDump == "-" { throw ValidationError("only one of the two can go to standard output") }
        if base != nil, !machine.modules.isEmpty {
            throw ValidationError(
                "--base is about one file: with --module give --loader-options loader.base=ADDRESS instead")
        }
    }

    func run() throws {
        Progress.shared.show(file)
        defer { Progress.shared.show(nil) }
        let input = try InputFile.openingOnly(file)
        let view = ByteView(input.bytes)
        let console = Output(descriptor: [output, memoryDump].contains("-") ? 2 : 1, color: .never)
        do {
            if let base {
                try load(view, at: base.value, console)
            } else {
                try rehearse(view, input, console)
            }
        } catch let refusal as Refusal {
            console.flush()
            throw ExitCode(refusal.tell(file))
        } catch let fault as Fault {
            console.flush()
            throw ExitCode(Refusal(fault, view).tell(file))
        }
    }

    private func load(_ view: ByteView, at base: UInt64, _ console: Output) throws {
        let contents = try ApplicationFile(view)
        try contents.check(base: base, of: file)
        let size = contents.size
        let copy = try GuestMemory.forImage(size: size)
        var memory = copy.region(AddressRange(0, size), at: contents.linkStart)
        let counts = try contents.load(bias: base &- contents.linkStart, into: &memory) { _, _ in nil }
        try write("image", copy.span(AddressRange(0, size)), at: base, to: output, console)
        console.line(StringSink.text { Report.relocations(counts, to: &$0) })
    }

    private func rehearse(_ view: ByteView, _ input: InputFile, _ console: Output) throws {
        let host = try machine.host(for: file, input)
        host.tellAssumptions()
        let rehearsal = try Rehearsal(
            view, on: host, gigabytePages: machine.gigabytePages)
        let placement = rehearsal.placement
        try write("image", rehearsal.guest.span(placement.image), at: placement.image.start, to: output, console)
        let handoff = placement.handoff.range
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
    var digits: String {
        words.span.indices.map { index in
            let digits = String(words[index], radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }
}

extension ApplicationFile {
    /// Throws a `Failure` if the image of the file with the name `name` cannot begin at `base`: `size` and `alignment` are those of the
    /// whole image, if it has libraries.
    func check(base: UInt64, of name: String, size: UInt64? = nil, alignment: UInt64? = nil) throws(Failure) {
        if linked.isFixed, base != linked.linkStart {
            throw Failure(
                "\(printable(name)) is linked at a fixed address, \(hex(linked.linkStart)): it cannot be elsewhere")
        }
        let size = size ?? self.size
        // An image larger than any memory is refused for its size first.
        guard size > 1 << 46 || base.adding(size) != nil else {
            throw Failure(
                "\(printable(name)) has \(size) bytes in memory: from \(hex(base)) on they do not fit in 64 bits")
        }
        if isObject, base % max(object.alignment, 1) != 0 {
            throw Failure(
                "a section of \(printable(name)) needs an address that is a multiple of \(hex(object.alignment))")
        }
        let alignment = alignment ?? linked.alignment
        if !isObject, (base &- linkStart) & (alignment &- 1) != 0 {
            let residue = linkStart & (alignment &- 1)
            throw Failure(
                "a segment of \(printable(name)) needs an address that is a multiple of \(hex(alignment))"
                    + (residue == 0 ? "" : " plus \(hex(residue))"))
        }
    }
}
