// The addresses of a crash as functions and lines of the source: after a boot, and for a log from elsewhere.

import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Glibc
import Memory

/// Addresses that a guest mentioned, and the place of its image.
struct CrashNames {
    let mentions: [GuestLog.Mention]
    /// The address of the image's first byte; nil if unknown.
    let start: UInt64?
    /// Whether that comes from a rehearsal rather than from the log.
    let isSupposed: Bool
    /// The most that are printed.
    static let limit = 32

    /// Prints their symbols, for the application in `input`, whose file is `path`; `plan` has the places of shared objects. Returns how
    /// many lie in the image. Throws `Failure`.
    @discardableResult
    func tell(
        _ input: InputFile, _ path: String, _ host: HostMachine, _ plan: Rehearsal?, debugFile: String?,
        to console: Output
    ) async throws -> Int {
        guard let start else { return 0 }
        let folder = RunFolder()
        defer { folder.remove() }
        // Other programs read the lines, and they cannot read images.
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
        commandName: "symbolize", abstract: "Translates the addresses in a log to functions and lines of the source.",
        discussion: """
              loader-inspect symbolize app log
              loader-inspect symbolize --debug-file app.debug app < log
              loader-inspect symbolize --base 0x400000 app log

            Addresses count from the first line that reports a crash; without one, all count. The image is at the address in the \
            loader's line of the log, or else at --base, or else where the loader would put it on this machine.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "The file with symbols and lines, if the application is stripped.", completion: .file())
    var debugFile: String?
    @Option(help: "The address of the image's first byte: decimal, or hexadecimal with 0x.")
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
