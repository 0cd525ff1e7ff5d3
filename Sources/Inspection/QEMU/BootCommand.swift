// Boots a file in QEMU with this loader, and says what became of it.

import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import Linking
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// A boot's command line.
struct QEMU {
    /// The CPU that Hermit kernels ask for, and no more.
    static let processor = "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt"

    /// The program: the one that was named, or that the environment's QEMU names, or the one in PATH.
    static func program(_ named: String?) throws -> String {
        let name = named ?? ProcessInfo.processInfo.environment["QEMU"] ?? "qemu-system-x86_64"
        guard let program = InstalledProgram.find(name) else {
            throw Failure(
                "there is no \(name)\(name.contains("/") ? "" : " in PATH"): install it (apt-get install qemu-system-x86), or "
                    + "say --qemu PROGRAM")
        }
        return program
    }

    /// The arguments for `file` on `machine`, whose CPU has 1 GiB pages where `gigabytePages` says so, `extra` last.
    static func arguments(
        _ file: String, loader: String, _ machine: HostMachine, gigabytePages: Bool, extra: [String]
    ) -> [String] {
        var list = ["-M", machine.kind.rawValue, "-m", machine.memory.text, "-smp", "1"]
        let features = (gigabytePages ? ",pdpe1gb" : "") + (machine.hasNoExecute ? "" : ",-nx")
        list += extra.contains("-cpu") ? [] : ["-cpu", processor + features]
        list += ["-display", "none", "-serial", "stdio", "-no-reboot"]
        list += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", loader, "-initrd"]
        var commandLine = [machine.commandLine]
        switch machine.startProtocol {
        case .multiboot:
            let options = machine.loaderOptions.isEmpty ? "" : " " + machine.loaderOptions
            // A comma would begin the next module.
            let names = ([file] + machine.modules.map(\.path)).map { $0.replacing(",", with: ",,") }
            list.append(([names[0] + options] + names.dropFirst()).joined(separator: ","))
        case .pvh:
            list.append(file)
            commandLine.insert(machine.loaderOptions, at: 0)
        }
        let text = commandLine.filter { !$0.isEmpty }.joined(separator: " ")
        return list + (text.isEmpty ? [] : ["-append", text]) + extra
    }

    /// Writes a copy of the loader at `path` without its Multiboot header, which QEMU would prefer to its PVH note, and returns
    /// the copy's path.
    static func loaderWithoutMultiboot(_ path: String) throws -> String {
        var file = try Data(contentsOf: URL(fileURLWithPath: path))
        // Multiboot 0.6.96, 3.1.1: magic, flags and checksum, in the first 8192 bytes, which add up to 0.
        for offset in stride(from: 0, to: min(file.count, 8192) - 11, by: 4) {
            let words = (0..<3).map { word in
                (0..<4).reduce(0 as UInt32) { $0 | UInt32(file[offset + word * 4 + $1]) << ($1 * 8) }
            }
            guard words[0] == 0x1bad_b002, words[0] &+ words[1] &+ words[2] == 0 else { continue }
            file.replaceSubrange(offset..<offset + 4, with: Data(count: 4))
        }
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("loader-pvh-\(UUID())")
        try file.write(to: copy)
        return copy.path
    }

    /// `words` as a line for the shell.
    static func line(_ words: [String]) -> String {
        words.map { word in
            let plain = word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=,:+".contains($0)) }
            return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}

struct BootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "boot", abstract: "Boots a file in QEMU with the loader, and explains how it ended.",
        discussion: """
              loader-inspect boot app
              loader-inspect boot --loader build/loader --memory 4G app
              loader-inspect boot --protocol pvh app      QEMU would prefer Multiboot
              loader-inspect boot --command-line "-- one two" app -- -smp 2
              loader-inspect boot app > log               the guest's output alone
              loader-inspect boot --dry-run app           only show the command

            What follows -- goes to QEMU. PVH is started with a copy of the loader that lacks the Multiboot header; --dry-run \
            leaves it behind. The guest's output goes to standard output as it is, everything else to standard \
            error. Where the application did not end well, every address of its image that the output mentions is told \
            as a symbol, with the line of the source where the file has DWARF and llvm-symbolizer or addr2line is installed.

            Exit status: 0 the application ended with success, 1 it failed or QEMU ended by itself, 64 the command line is \
            wrong or something is missing, 128 plus the signal that ended QEMU, else QEMU's own: "loader-inspect explain \
            STATUS" says what it means.
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "QEMU's program; without it $QEMU, or else qemu-system-x86_64 in PATH.", completion: .file())
    var qemu: String?
    @Flag(help: "Only show the command.")
    var dryRun = false
    @Argument(help: "The ELF file.", completion: .file())
    var file: String
    @Argument(parsing: .postTerminator, help: "Arguments for QEMU.")
    var arguments: [String] = []

    func run() async throws {
        let isPVH = machine.startProtocol == .pvh
        guard !isPVH || machine.modules.isEmpty else {
            throw ValidationError("QEMU's PVH boot has one module: shared objects take --protocol multiboot")
        }
        let names = [file] + machine.modules
        guard !(names + [machine.loader]).contains("-") else {
            throw Failure("QEMU reads files by their names: standard input can be none of them")
        }
        for path in names where !isPVH && path.contains(" ") {
            throw Failure("QEMU takes a space for the end of a file's name: give \(printable(path)) another name")
        }
        for path in names where InputFile.isReadOnce(path) {
            throw Failure("QEMU boots files, no pipes or devices: copy \(printable(path)) to one")
        }
        let input = try InputFile(file)
        guard let loader = machine.loaderFile else {
            throw Failure(
                "there is no loader: make loader builds one; say --loader FILE, or set LOADER, where it lies elsewhere than "
                    + "beside this program or at build/loader")
        }
        let host = try machine.host(for: file, input)
        do throws(Refusal) { try host.requireSmallFiles(ByteView(input.bytes)) } catch {
            throw ExitCode(error.tell(file))
        }
        let program = try QEMU.program(qemu)
        let started = isPVH ? try QEMU.loaderWithoutMultiboot(loader) : loader
        defer { if isPVH, !dryRun { try? FileManager.default.removeItem(atPath: started) } }
        let words = QEMU.arguments(
            file, loader: started, host, gigabytePages: machine.gigabytePages, extra: arguments)
        if dryRun {
            Output(color: .never).line(QEMU.line([program] + words))
            return
        }
        let console = Output(descriptor: 2, color: .never)
        for finding in host.findings { console.line("warning: \(finding.sentence); \(finding.advice)") }
        console.line(QEMU.line([program] + words))
        console.flush()
        let (status, mentioned) = try await QEMU.run(program, words)
        console.line(status > 128 ? "QEMU was ended by signal \(status - 128)" : "QEMU ended with status \(status)")
        for line in Explanation.ofQEMU(Int(status)).prefix(1) { console.line(line) }
        // A guest that was reset says nothing.
        if status == 0, let sentence = refusal(ByteView(input.bytes), host) {
            console.line("rehearsed without QEMU, it does not boot either: \(sentence)")
        }
        if status != 3 {
            await tell(mentioned, ByteView(input.bytes), host, to: console)
            throw ExitCode(status == 0 ? 1 : status)
        }
        console.flush()
    }

    /// Why `file` does not boot on `host`; nil where nothing is known to be in its way.
    private func refusal(_ file: ByteView, _ host: HostMachine) -> String? {
        do throws(Refusal) {
            _ = try Rehearsal(file, on: host, gigabytePages: machine.gigabytePages)
            return nil
        } catch { return error.sentence }
    }

    /// Says what the addresses are that the guest mentioned.
    private func tell(
        _ mentioned: MentionedAddresses, _ file: ByteView, _ host: HostMachine, to console: Output
    ) async {
        defer { console.flush() }
        guard !mentioned.mentions.isEmpty else { return }
        // A quiet loader does not say where the image is, nor any where each library is: where they would be put.
        let isTold = mentioned.imageStart != nil
        let plan =
            isTold && host.modules.isEmpty
            ? nil : try? Rehearsal(file, on: host, gigabytePages: machine.gigabytePages)
        guard let start = mentioned.imageStart ?? plan?.placement.image.start else { return }
        var names = await AddressNames.of(mentioned.mentions, file, path: self.file, at: start)
        for library in plan?.libraries ?? [] where library.file > 0 {
            let module = host.modules[library.file - 1]
            // Behind the application, in the same image.
            let offset = library.memory.start &- (plan?.placement.image.start ?? 0)
            names += await AddressNames.of(
                mentioned.mentions, ByteView(module.input.bytes), path: module.path, at: start &+ offset)
        }
        let limit = 32
        guard !names.isEmpty else { return }
        console.line("addresses in the output, with the image at \(hex(start))\(isTold ? "" : " (supposed)"):")
        for name in names.prefix(limit) {
            console.line("  \(hex(name.address))  \(name.symbol)+\(hex(name.offset))")
            for (index, frame) in name.frames.enumerated() where frame != name.symbol {
                console.line("    \(index == 0 ? "in" : "inlined into") \(frame)")
            }
        }
        if names.count > limit { console.line("  and \(names.count - limit) more") }
    }
}

extension QEMU {
    /// Runs `program`, passing its output through as it comes. Returns its exit status, or 128 plus the signal that ended
    /// it, and the addresses in its output.
    static func run(_ program: String, _ arguments: [String]) async throws -> (status: Int32, MentionedAddresses) {
        // In this process's group, so that the terminal is QEMU's as well.
        let result = try await Subprocess.run(
            .path(FilePath(program)), arguments: Arguments(arguments), input: .currentStandardInput, output: .sequence,
            error: .currentStandardError
        ) { execution in
            // Interrupts are for QEMU; what it has said until then is still told.
            signal(SIGINT, SIG_IGN)
            var mentioned = MentionedAddresses()
            let output = Output(color: .never)
            for try await piece in execution.standardOutput {
                let bytes = unsafe piece.withUnsafeBytes { unsafe [UInt8]($0) }
                output.write(bytes)
                output.flush()
                mentioned.take(bytes)
            }
            mentioned.end()
            return mentioned
        }
        signal(SIGINT, SIG_DFL)
        return switch result.terminationStatus {
        case .exited(let status): (status, result.closureResult)
        case .signaled(let number): (128 + number, result.closureResult)
        }
    }
}
