// The addresses of a crash as functions and lines of the source: after a boot, and for a log from elsewhere.

import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Glibc
import Memory

/// Addresses that a guest mentioned, and where its image was.
struct CrashNames {
    let mentions: [GuestLog.Mention]
    /// Where the image's first byte lay; nil if nobody knows.
    let start: UInt64?
    /// Whether that is where it would be put, rather than what the loader said.
    let isSupposed: Bool
    /// How many are told.
    static let limit = 32

    /// Says what they are, for the application in `input`, whose file is `path`; `plan` knows where shared objects are. Returns how many
    /// lie in the image. Throws `Failure`.
    @discardableResult
    func tell(
        _ input: InputFile, _ path: String, _ host: HostMachine, _ plan: Rehearsal?, debugFile: String?,
        to console: Output
    ) async throws -> Int {
        guard let start else { return 0 }
        let folder = RunFolder()
        defer { folder.remove() }
        // Lines are read by other programs, which know no images.
        let own = input.image == nil ? path : try folder.file(input)
        let debug = try DebugFile.of(input, path: own, given: debugFile, calling: path)
        var names = await AddressNames.of(mentions, ByteView(input.bytes), debug, at: start)
        for library in plan?.libraries ?? [] {
            guard let module = plan?.file(of: library, on: host) else { continue }
            let place = try module.path ?? folder.file(module.input)
            // After the application, in the same image.
            let offset = library.memory.start &- (plan?.placement.image.start ?? 0)
            names += await AddressNames.of(
                mentions, ByteView(module.input.bytes),
                try DebugFile.of(module.input, path: place, given: nil, calling: library.name),
                at: start &+ offset)
        }
        guard !names.isEmpty else { return 0 }
        console.line("addresses in the output, with the image at \(hex(start))\(isSupposed ? " (supposed)" : ""):")
        if !debug.remark.isEmpty { console.line("(\(debug.remark))") }
        for name in names.prefix(Self.limit) { for line in name.lines { console.line(line) } }
        if names.count > Self.limit { console.line("  and \(names.count - Self.limit) more") }
        return names.count
    }
}

struct SymbolizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "symbolize", abstract: "Tells the addresses in a log as functions and lines of the source.",
        discussion: """
              loader-inspect symbolize app log
              loader-inspect symbolize --debug-file app.debug app < log
              loader-inspect symbolize --base 0x400000 app log

            From the first line on that tells of a crash, or of the whole log where none does. The image is where the loader says in \
            the log, else where --base says, else where the loader would put it on this machine.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "The file with symbols and lines, where the application is stripped.", completion: .file())
    var debugFile: String?
    @Option(help: "Where the image's first byte lay: decimal, or hexadecimal with 0x.")
    var base: Address?
    @Argument(help: "The ELF file.", completion: .file())
    var file: String
    @Argument(help: "The log; - or none is standard input.", completion: .file())
    var log = "-"

    func run() async throws {
        guard file != "-" else { throw Failure("the file must be named: standard input can only be the log") }
        let input = try InputFile.openingOnly(file)
        let text = try InputFile(log)
        let host = try machine.host(for: file, input)
        var guest = GuestLog()
        // The bytes are copied, as long as the object lives.
        let bytes = unsafe text.bytes.withUnsafeBytes { unsafe [UInt8]($0) }
        guest.take(bytes.span)
        guest.end()
        var plan: Rehearsal?
        var refusal: Refusal?
        do throws(Refusal) {
            plan = try Rehearsal(ByteView(input.bytes), on: host, gigabytePages: machine.gigabytePages)
        } catch { refusal = error }
        let told = guest.imageStart ?? base?.value
        if told == nil, let refusal { throw ExitCode(refusal.tell(file)) }
        let crash = CrashNames(
            mentions: guest.hasCrash ? guest.mentions : guest.mentionsBefore,
            start: told ?? plan?.placement.image.start, isSupposed: told == nil)
        let output = Output(color: .never)
        if try await crash.tell(input, file, host, plan, debugFile: debugFile, to: output) == 0 {
            output.line("no address in the log lies in the image of \(printable(file))")
        }
        output.flush()
    }
}
