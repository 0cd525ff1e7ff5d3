// Boots a file in QEMU with this loader, and reports the outcome.

import ArgumentParser
import Boot
import Bytes
import CProcess
import Diagnostics
import FoundationEssentials
import Glibc
import Memory

struct BootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "boot", abstract: "Runs an application in QEMU with the loader; its status is the application's.",
        usage: "loader-inspect boot [<options>] <file> [<arguments> ...]",
        discussion: """
              loader-inspect boot app
              loader-inspect boot --memory 4G app one "two words"
              loader-inspect boot --env RUST_LOG=debug --port 8080:80 app
              loader-inspect boot --quiet --timeout 60 app > log
              loader-inspect boot --protocol pvh app
              loader-inspect boot --firmware ovmf app     by UEFI
              loader-inspect boot --starter grub app      by GRUB, Multiboot 2
              loader-inspect boot --starter grub --firmware ovmf --protocol linux app
              loader-inspect boot --starter disk app      by UEFI, from a disk
              loader-inspect boot --starter pxe app       by iPXE, from the network
              loader-inspect boot --qemu-arg -d --qemu-arg int app
              loader-inspect boot --dry-run app           only show the command

            All words after the file are the application's. The guest's output goes to standard output as it is, everything \
            else to standard error. A file that the loader refuses is refused before QEMU starts. After a crash, addresses in the \
            output are translated to functions and, with DWARF, to lines of the source.

            The starters and their protocols: QEMU with multiboot, pvh or linux (also on qboot), OVMF with uefi, GRUB with \
            multiboot2, multiboot or linux, iPXE with multiboot or linux; the first is the default. With linux and uefi, loader.efi \
            is started; it must lie beside the loader. QEMU's own UEFI boot, pvh and linux have one file: shared objects need \
            multiboot, or a disk.

            GRUB needs grub-mkrescue with xorriso and mtools; a disk needs sfdisk and mtools. --dry-run leaves the files made for \
            these in place, and the copy of the loader without a Multiboot header with which PVH is started.

            Exit status: the application's, if the kernel prints it ("shutting down with code N") or isa-debug-exit has it: 0 \
            success, 1 failure. Otherwise 1 QEMU ended or the file is refused, 2 it is malformed, 64 the command line is \
            wrong or something is missing, 124 the time is over, 125 QEMU itself failed, 128 plus a signal: 130 for Ctrl-C; \
            33 to 49 are the loader's. "loader-inspect explain STATUS" shows the meaning of a status.
            """)
    @OptionGroup var machine: MachineOptions
    @OptionGroup var options: RunnerOptions
    @Option(help: "QEMU's program; by default $QEMU, or else qemu-system-x86_64 in PATH.", completion: .file())
    var qemu: String?
    @Option(help: "The file with symbols and lines, if the application is stripped.", completion: .file())
    var debugFile: String?
    @Flag(help: "Starts gdb, which stops at the entry point; QEMU ends with it.")
    var gdb = false
    @Flag(
        name: .shortAndLong,
        help: "Prints only the guest's output, with line feeds; adds loader.quiet.")
    var quiet = false
    @Flag(help: "Boots even a file that would be refused.")
    var force = false
    @Flag(help: "Only show the command.")
    var dryRun = false
    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The ELF file, and the application's arguments.", valueName: "file"), completion: .file())
    var words: [String] = []

    /// The file.
    private var file: String { words.first ?? "" }

    mutating func validate() throws {
        // A separator in front of the file separates nothing.
        if words.first == "--" { words.removeFirst() }
        // The parser passes the options of all commands through, too.
        if words.first == "--help" || words.first == "-h" { throw CleanExit.helpRequest(self) }
        if words.first == "--version" { throw CleanExit.message("loader-inspect \(LoaderInspect.version)") }
        guard let file = words.first else { throw ValidationError("Missing expected argument '<file>'") }
        let exists = unsafe access(file, F_OK) == 0
        guard !file.hasPrefix("-") || file == "-" || exists else {
            throw ValidationError("Unknown option '\(file)'")
        }
        guard !gdb || !quiet else { throw ValidationError("--gdb and --quiet do not go together") }
        try options.require(machine.machine)
    }

    func run() async throws {
        let way = try BootWay(options, machine)
        try requireNamedFiles()
        let folder = RunFolder()
        defer { folder.remove() }
        let name = try folder.name(for: file)
        let input = try InputFile.opening(name, includesDamaged: true)
        let (machine, found) = try machine(started: way, in: folder)
        let host = try machine.host(for: name, input)
        let rehearsal = try rehearse(machine, input, host)
        var options = options
        options.smp = options.smp ?? Int(min(max(input.image?.processors ?? 1, 1), 255))
        let program = try QEMU.program(qemu)
        try options.accel.require()
        let loader = try loader(machine, found, started: way, in: folder)
        let firmware = try way.firmware.file()
        let shares = try options.shares.enumerated().map { index, text in
            try SharedFolder(text, socket: folder.made() + "/share\(index)")
        }
        let daemon = shares.isEmpty ? "" : try SharedFolder.daemon()
        let files = BootFiles(
            loader: loader, application: name, modules: host.modules.map(\.path), commandLine: host.commandLine,
            loaderOptions: host.loaderOptions)
        let medium = try await way.medium(files, in: folder, isQuiet: quiet)
        var arguments = QEMU.arguments(
            medium, host, gigabytePages: machine.gigabytePages, options, shares: shares, firmware: firmware)
        if gdb { arguments += ["-S", "-gdb", "unix:\(try folder.made())/gdb,server=on,wait=off"] }
        if dryRun {
            Output(color: .never).line(QEMU.line([program] + arguments))
            return folder.keep()
        }
        let console = Output(descriptor: 2, color: .never)
        if !quiet {
            for finding in host.findings { console.line("warning: \(finding.sentence); \(finding.advice)") }
            console.line(QEMU.line([program] + arguments))
            console.flush()
        }
        let isForerunner = shares.isEmpty ? false : await SharedFolder.isForerunner(daemon)
        // No await from here to the guest's end: children die with the thread that started them.
        let daemons = try shares.map { try $0.serve(daemon, isForerunner: isForerunner, isQuiet: quiet) }
        defer { for daemon in daemons { ChildProcess.end(daemon) } }
        var run = GuestRun(dropsCarriageReturns: quiet, timeout: options.timeout, isApart: gdb)
        if daemons.isEmpty, !gdb, way.starter == .qemu { run.didStart = { folder.remove() } }
        run.companion = gdb ? try startDebugger(rehearsal, host, input, in: folder) : nil
        let end = try run.run(program, arguments)
        let status = status(of: end, run)
        tell(end, status, run, host, ByteView(input.bytes), to: console)
        if status != 0, !gdb, end != .unread {
            try await tell(run.log, input, name, host, rehearsal, to: console)
        }
        console.flush()
        if status != 0 { throw ExitCode(status) }
    }

    /// Throws a `Failure` if QEMU cannot open one of the files by its name, or not from its beginning.
    private func requireNamedFiles() throws {
        guard !([file, machine.loader ?? ""] + machine.modules).contains("-") else {
            throw Failure("QEMU reads files by their names: give a name instead of - for standard input")
        }
        for path in [file] + machine.modules where InputFile.isReadOnce(path) {
            throw Failure("QEMU cannot boot from a pipe or a device: copy \(printable(path)) to a file")
        }
    }

    /// The machine's options with names that QEMU can read, the whole command line, and the protocol of `way`; and the path of the loader
    /// as it was given or found.
    private func machine(started way: BootWay, in folder: RunFolder) throws -> (MachineOptions, loader: String) {
        var machine = machine
        machine.modules = try machine.modules.map { try folder.name(for: $0) }
        machine.commandLine = QEMU.commandLine(
            machine.commandLine, environment: options.environment, arguments: Array(words.dropFirst()))
        if quiet, !machine.loaderOptions.contains("loader.verbose"), !machine.loaderOptions.contains("loader.quiet") {
            machine.loaderOptions += (machine.loaderOptions.isEmpty ? "" : " ") + "loader.quiet"
        }
        guard let found = machine.loaderFile else {
            throw Failure(
                "there is no loader: make loader builds one; give --loader FILE, or set LOADER, if it is not "
                    + "beside this program or at build/loader")
        }
        machine.loader = try folder.name(for: found)
        machine.givenProtocol = way.startProtocol
        return (machine, found)
    }

    /// The path of the file that QEMU starts: the loader's of `machine`, which was found at `path`, or another form of it for the protocol
    /// of `way`.
    private func loader(
        _ machine: MachineOptions, _ path: String, started way: BootWay, in folder: RunFolder
    ) throws -> String {
        if way.startsMZFile {
            let beside = (path.lastIndex(of: "/").map { String(path[...$0]) } ?? "") + "loader.efi"
            guard unsafe access(beside, R_OK) == 0 else {
                throw Failure("there is no \(printable(beside)), which this start needs: make loader builds it")
            }
            return try folder.name(for: beside)
        }
        let loader = machine.loader ?? path
        guard way.startProtocol == .pvh else { return loader }
        let copy = try QEMU.loaderWithoutMultiboot(loader)
        let changed = try folder.made() + "/loader-pvh"
        try copy.write(to: URL(fileURLWithPath: changed))
        return changed
    }

    /// The boot as the host rehearses it; nil if it is refused and --force is given. Otherwise reports why it is refused, and throws the
    /// status.
    private func rehearse(_ machine: MachineOptions, _ input: InputFile, _ host: HostMachine) throws -> Rehearsal? {
        do throws(Refusal) {
            if let wanted = input.image?.processors, let given = options.smp, wanted > given {
                let fault = Fault(.processorsBelowRequirement, value: wanted, limit: UInt64(given))
                throw Refusal(fault, ByteView(input.bytes))
            }
            return try Rehearsal(ByteView(input.bytes), on: host, gigabytePages: machine.gigabytePages)
        } catch {
            if force || dryRun, error.rule != HostRule.initrdTooLarge.rawValue { return nil }
            for finding in host.findings {
                Progress.shared.tell("warning: \(finding.sentence); \(finding.advice)")
            }
            let status = error.tell(file)
            Progress.shared.tell("QEMU was not started; --force boots it anyway")
            throw ExitCode(status)
        }
    }

    /// The status of this program.
    private func status(of end: GuestEnd, _ run: GuestRun) -> Int32 {
        switch end {
        case .timedOut: return 124
        case .stopped(let signal): return 128 + signal
        case .signaled(let signal): return 128 + signal
        case .unread: return 128 + SIGPIPE
        case .finished: return 0
        case .exited(let status):
            if Explanation.kinds.contains(where: { $0.status == status }) { return status }
            // A shell has eight bits; a code other than success must not become 0.
            if let code = run.log.exitCode { return code == 0 ? 0 : max(1, Int32(truncatingIfNeeded: code & 0xff)) }
            switch status {
            case 0: return 1
            case 1: return run.log.count == 0 && run.hasError ? Failure.runner : 1
            case 3: return 0
            default: return status
            }
        }
    }

    /// Reports how it ended.
    private func tell(
        _ end: GuestEnd, _ status: Int32, _ run: GuestRun, _ host: HostMachine, _ file: ByteView, to console: Output
    ) {
        let seconds = options.timeout.map { $0 == $0.rounded() ? "\(Int($0))" : "\($0)" } ?? ""
        switch end {
        case .unread, .finished: return
        case .timedOut: console.line("QEMU was ended after \(seconds) s (--timeout)")
        case .stopped(let signal): if !quiet { console.line("QEMU was ended: signal \(signal) asked for it") }
        case .signaled(let signal): console.line("QEMU was ended by signal \(signal)")
        case .exited(let number):
            if quiet, status == 0 || number < 33 && run.log.exitCode != nil { return }
            console.line("QEMU ended with status \(number)")
            if status == Failure.runner {
                console.line("QEMU itself failed, before its guest printed anything")
            } else if let code = run.log.exitCode {
                console.line("the kernel shut down with code \(code)")
            } else {
                for line in Explanation.ofQEMU(Int(number)).prefix(1) { console.line(line) }
            }
            // A guest that was reset prints nothing.
            if number == 0, run.log.exitCode == nil, let sentence = refusal(file, host) {
                console.line("rehearsed without QEMU, it does not boot either: \(sentence)")
            }
        }
    }

    /// Starts gdb with the terminal, which finds QEMU as soon as it listens; returns its process.
    private func startDebugger(
        _ rehearsal: Rehearsal?, _ host: HostMachine, _ input: InputFile, in folder: RunFolder
    ) throws -> pid_t {
        guard let rehearsal else { throw Failure("--gdb needs a file that boots: its addresses are unknown") }
        guard let program = InstalledProgram.find("gdb") else {
            throw Failure(
                "there is no gdb in PATH: install it (apt-get install gdb); or boot with --qemu-arg -s --qemu-arg -S, and let "
                    + "another debugger read the output of loader-inspect gdb-script")
        }
        // From here on its end is noticed.
        _ = process_watch_signals()
        let made = try folder.made()
        // gdb reads no image: it gets the kernel in it.
        let symbols = input.image == nil ? file : try folder.file(input)
        let lines = try GDBScript.lines(symbols, ByteView(input.bytes), host, rehearsal, target: made + "/gdb") {
            (library) throws(Failure) in try folder.file(library)
        }
        // QEMU is not there at once.
        let wait = "shell for i in $(seq 100); do [ -S \(made)/gdb ] && break; sleep 0.1; done"
        let script = made + "/script"
        try Data((wait + "\n" + lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: script))
        let child = ChildProcess.start(program, ["-q", "-x", script], input: 0, output: 1)
        guard child > 0 else { throw Failure("cannot start gdb: \(errorText(-child))", status: Failure.runner) }
        return child
    }

    /// Why `file` does not boot on `host`; nil if no reason is known.
    private func refusal(_ file: ByteView, _ host: HostMachine) -> String? {
        do throws(Refusal) {
            _ = try Rehearsal(file, on: host, gigabytePages: machine.gigabytePages)
            return nil
        } catch { return error.sentence }
    }

    /// Prints the symbols of the addresses in the guest's output.
    private func tell(
        _ log: GuestLog, _ input: InputFile, _ path: String, _ host: HostMachine, _ rehearsal: Rehearsal?,
        to console: Output
    ) async throws {
        defer { console.flush() }
        guard !log.mentions.isEmpty else { return }
        let crash = CrashNames(
            mentions: log.mentions, start: log.imageStart ?? rehearsal?.plan.image.start,
            isSupposed: log.imageStart == nil)
        try await crash.tell(input, path, host, rehearsal, debugFile: debugFile, to: console)
    }
}
