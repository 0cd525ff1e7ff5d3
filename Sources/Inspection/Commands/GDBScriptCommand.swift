// The gdb commands that debug an application where the loader puts it.

import AnyELF
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
        commandName: "gdb-script", abstract: "Prints the gdb commands that debug an application where it is loaded.",
        discussion: """
              loader-inspect boot --qemu-arg -s --qemu-arg -S app   QEMU waits for gdb
              loader-inspect gdb-script app > script; gdb -x script

            "boot --gdb" does both. Give the same machine and memory to both: the script \
            has the addresses of that boot.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "QEMU's address for gdb: HOST:PORT, or the path of a socket.")
    var target = "localhost:1234"
    @Argument(help: "The ELF file.", completion: .file())
    var file: String

    mutating func validate() throws {
        let words = machine.loaderOptions.split(separator: " ")
        if words.contains("loader.kaslr"), !words.contains(where: { $0.hasPrefix("loader.base=") }) {
            throw ValidationError(
                "with loader.kaslr the address differs at every boot: give loader.base=ADDRESS as well")
        }
    }

    func run() throws {
        guard file != "-" else {
            throw Failure("gdb reads the file by its name: standard input has no symbols for it")
        }
        Progress.shared.show(file)
        defer { Progress.shared.show(nil) }
        let input = try InputFile.openingOnly(file)
        let view = ByteView(input.bytes)
        do {
            let host = try machine.host(for: file, input)
            host.tellAssumptions()
            let rehearsal = try Rehearsal(view, on: host, gigabytePages: machine.gigabytePages)
            let script = Output(color: .never)
            guard input.image == nil, rehearsal.libraries.allSatisfy({ $0.file <= host.modules.count }) else {
                throw Failure(
                    "gdb cannot read an image: extract its kernel with loader-inspect image extract --output FOLDER "
                        + "\(QEMU.line([file])), and name that; or let boot --gdb do it")
            }
            let lines = try GDBScript.lines(file, view, host, rehearsal, target: target) { _ throws(Failure) in "" }
            for line in lines { script.line(line) }
        } catch let refusal as Refusal {
            throw ExitCode(refusal.tell(file))
        } catch let fault as Fault {
            throw ExitCode(Refusal(fault, view).tell(file))
        }
    }
}

/// The gdb commands.
enum GDBScript {
    /// The lines for the file at `path`, which is `view`, where `rehearsal` put it on `host`; QEMU listens at `target`. A file in an image
    /// has no path, and gets one by `copy`. Throws `Failure` and `Fault`.
    static func lines(
        _ path: String, _ view: ByteView, _ host: HostMachine, _ rehearsal: Rehearsal, target: String,
        copy: (InputFile) throws(Failure) -> String
    ) throws -> [String] {
        var script = [
            "# \(printable(path)) lies at \(hex(rehearsal.plan.image.start)), "
                + "BootInfo at \(hex(rehearsal.entry.bootInfo))",
            "set architecture i386:x86-64", "set confirm off",
            try symbolFile(path, view, bias: rehearsal.plan.bias),
        ]
        for library in rehearsal.libraries {
            guard let module = rehearsal.file(of: library, on: host) else { continue }
            let linkStart = try ApplicationFile(loaded: ByteView(module.input.bytes)).linkStart
            script.append(
                "\(try command(module.path ?? copy(module.input))) -o \(hex(library.memory.start &- linkStart))")
        }
        script.append("target remote \(try line(target))")
        // Memory is written after the breakpoint is set; therefore it must be a hardware breakpoint.
        script.append("hbreak *\(hex(rehearsal.entry.instructionPointer))")
        script.append("continue")
        return script
    }

    /// The command that reads the symbols of `view`: a linked file has moved as a whole, each section of an object file lies
    /// where the loader put it.
    private static func symbolFile(_ path: String, _ view: ByteView, bias: UInt64) throws -> String {
        let command = try command(path)
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

    /// `text`, which must be one line. Throws `Failure` if it is not: a second line would be another command.
    private static func line(_ text: String) throws(Failure) -> String {
        guard !text.utf8.contains(UInt8(ascii: "\n")) else {
            throw Failure("gdb takes the end of a line for the end of a command: give \(printable(text)) another name")
        }
        return text
    }

    /// The beginning of the command that reads the symbols of the file at `path`.
    private static func command(_ path: String) throws -> String {
        "add-symbol-file \(QEMU.line([try line(path)]))"
    }
}
