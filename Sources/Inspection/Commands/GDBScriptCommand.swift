// What to type into gdb to debug an application where the loader puts it.

import Architecture
import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import ELF
import Linking

struct GDBScriptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gdb-script", abstract: "Prints what to type into gdb to debug an application where it is loaded.",
        discussion: """
              loader-inspect boot app -- -s -S            QEMU waits for gdb
              loader-inspect gdb-script app > script; gdb -x script

            Say the same machine and memory to both: the script has the addresses of that boot.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "Where QEMU listens: HOST:PORT, or the path of a socket.")
    var target = "localhost:1234"
    @Argument(help: "The ELF file.", completion: .file())
    var file: String

    mutating func validate() throws {
        let words = machine.loaderOptions.split(separator: " ")
        if words.contains("loader.kaslr"), !words.contains(where: { $0.hasPrefix("loader.base=") }) {
            throw ValidationError(
                "with loader.kaslr the address is another one at each boot: say loader.base=ADDRESS as well")
        }
    }

    func run() throws {
        guard file != "-" else {
            throw Failure("gdb reads the file by its name: standard input has no symbols for it")
        }
        Progress.shared.show(file)
        defer { Progress.shared.show(nil) }
        let input = try InputFile(file)
        let view = ByteView(input.bytes)
        do {
            let host = try machine.host(for: file, input)
            host.tellAssumptions()
            let rehearsal = try Rehearsal(view, on: host, gigabytePages: machine.gigabytePages)
            let symbols = try symbolFile(view, bias: rehearsal.placement.bias)
            let script = Output(color: .never)
            script.line(
                "# \(printable(file)) lies at \(hex(rehearsal.placement.image.start)), "
                    + "BootInfo at \(hex(rehearsal.entry.bootInfo))")
            script.line("set architecture i386:x86-64")
            script.line("set confirm off")
            script.line(symbols)
            for library in rehearsal.libraries where library.file > 0 {
                let module = host.modules[library.file - 1]
                let linkStart = try ApplicationFile(loaded: ByteView(module.input.bytes)).linkStart
                script.line("\(try command(module.path)) -o \(hex(library.memory.start &- linkStart))")
            }
            script.line("target remote \(target)")
            // Memory is written after the breakpoint is set, so that it has to be the CPU's.
            script.line("hbreak *\(hex(rehearsal.entry.instructionPointer))")
            script.line("continue")
        } catch let refusal as Refusal {
            throw ExitCode(refusal.tell(file))
        } catch let fault as Fault {
            throw ExitCode(Refusal(fault, view).tell(file))
        }
    }

    /// The command that reads the symbols of `view`: a linked file has moved as a whole, each section of an object file lies
    /// where the loader put it.
    private func symbolFile(_ view: ByteView, bias: UInt64) throws -> String {
        let command = try command(file)
        guard ObjectImage.isObjectFile(view) else { return command + " -o \(hex(bias))" }
        let header = try FileHeader(view)
        let table = try SectionListing(view, header)
        var text = command
        try ObjectImage(view, header).forEachPlace { index, address in
            let name = table.name(table[Int(index)]).text
            text += " -s \(QEMU.line([name])) \(hex(address &+ bias))"
        }
        return text
    }

    /// The beginning of the command that reads the symbols of the file at `path`.
    private func command(_ path: String) throws -> String {
        // What stood behind would be a command of its own.
        guard !path.utf8.contains(UInt8(ascii: "\n")) else {
            throw Failure("gdb takes the end of a line for the end of a command: give \(printable(path)) another name")
        }
        return "add-symbol-file \(QEMU.line([path]))"
    }
}
