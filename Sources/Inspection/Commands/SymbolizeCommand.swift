// The addresses in a log from elsewhere as functions and lines of the source.

import ArgumentParser
import Boot
import Bytes
import Memory

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
        var rehearsal: Rehearsal?
        var refusal: Refusal?
        do throws(Refusal) {
            rehearsal = try Rehearsal(ByteView(input.bytes), on: host, gigabytePages: machine.gigabytePages)
        } catch { refusal = error }
        let told = guest.imageStart ?? base?.value
        if told == nil, let refusal { throw ExitCode(refusal.tell(file)) }
        let crash = CrashNames(
            mentions: guest.hasCrash ? guest.mentions : guest.mentionsBefore,
            start: told ?? rehearsal?.plan.image.start, isSupposed: told == nil)
        let output = Output(color: .never)
        if try await crash.tell(input, file, host, rehearsal, debugFile: debugFile, to: output) == 0 {
            output.line("no address in the log lies in the image of \(printable(file))")
        }
        output.flush()
    }
}
