// Boots a file in QEMU with this loader, and says what became of it.

import AddressSpace
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Foundation
import KernelImage

/// A boot's command line.
struct QEMU {
    /// The CPU that Hermit kernels ask for, and no more.
    static let processor = "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt"

    /// The program's path, from PATH; nil where it is not installed.
    static var program: String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/qemu-system-x86_64" }.first { unsafe access($0, X_OK) == 0 }
    }

    /// The arguments for `file` on `machine`, `extra` last.
    static func arguments(_ file: String, loader: String, _ machine: HostMachine, extra: [String]) -> [String] {
        var list = ["-M", machine.kind.rawValue, "-m", machine.memory.text, "-smp", "1"]
        list += extra.contains("-cpu") ? [] : ["-cpu", processor]
        list += ["-display", "none", "-serial", "stdio", "-no-reboot"]
        list += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", loader]
        let options = machine.loaderOptions.isEmpty ? "" : " " + machine.loaderOptions
        list += ["-initrd", file + options]
        if !machine.commandLine.isEmpty { list += ["-append", machine.commandLine] }
        return list + extra
    }

    /// `words` as a line for the shell.
    static func line(_ words: [String]) -> String {
        words.map { word in
            let plain = word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=,:+".contains($0)) }
            return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}

struct BootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "boot", abstract: "Boots a file in QEMU with the loader, and explains how it ended.",
        discussion: """
              loader-inspect boot --loader build/loader app
              loader-inspect boot --memory 4G --command-line "-- one two" app -- -smp 2

            What follows -- goes to QEMU. The exit status is 0 where the application ended with success, else QEMU's.
            """)
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Only show the command.")
    var dryRun = false
    @Argument(help: "The ELF file.", completion: .file())
    var file: String
    @Argument(parsing: .postTerminator, help: "Arguments for QEMU.")
    var arguments: [String] = []

    func run() throws {
        guard machine.startProtocol == .multiboot else {
            throw ValidationError("QEMU takes Multiboot where it finds its header; PVH cannot be asked for")
        }
        guard let loader = machine.loaderFile else {
            throw ValidationError("there is no loader beside this program: say --loader FILE")
        }
        guard let program = QEMU.program else {
            throw ValidationError("qemu-system-x86_64 is not in PATH (apt-get install qemu-system-x86)")
        }
        let words = QEMU.arguments(file, loader: loader, try machine.host(for: file), extra: arguments)
        print(QEMU.line([program] + words))
        if dryRun { return }
        // Whatever stands in the buffer belongs before QEMU's output.
        fflush(nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = words
        try process.run()
        process.waitUntilExit()
        let status = process.terminationStatus
        if process.terminationReason == .uncaughtSignal {
            print("QEMU was ended by signal \(status)")
            throw ExitCode(128 + status)
        }
        print("QEMU ended with status \(status)")
        for line in Explanation.of("\(status)").prefix(1) { print(line) }
        if status != 3 { throw ExitCode(status == 0 ? 1 : status) }
    }
}

struct GDBScriptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gdb-script", abstract: "Prints what to type into gdb to debug an application where it is loaded.",
        discussion: """
            Start QEMU with -s -S behind the rest, for instance

              loader-inspect boot --loader build/loader app -- -s -S
              loader-inspect gdb-script --loader build/loader app > script; gdb -x script
            """)
    @OptionGroup var machine: MachineOptions
    @Argument(help: "The ELF file.", completion: .file())
    var file: String

    func run() throws {
        let data = try Input.read(file)
        let view = ByteView(data.bytes)
        do {
            let rehearsal = try Rehearsal(
                view, on: try machine.host(for: file), gigabytePages: machine.gigabytePages)
            let bias = rehearsal.placement.bias
            print(
                "# \(file) lies at \(hex(rehearsal.placement.image.start)), BootInfo at \(hex(rehearsal.entry.bootInfo))"
            )
            print("set architecture i386:x86-64")
            print("set confirm off")
            print("add-symbol-file \(QEMU.line([file])) -o \(hex(bias))")
            print("target remote localhost:1234")
            // Memory is written after the breakpoint is set, so that it has to be the CPU's.
            print("hbreak *\(hex(rehearsal.entry.instructionPointer))")
            print("continue")
        } catch let refusal as Refusal {
            throw ExitCode(refusal.tell(file))
        }
    }
}
