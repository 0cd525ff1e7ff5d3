// The gdb commands for an application are printed.

import ArgumentParser
import Bytes
import Diagnostics

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
