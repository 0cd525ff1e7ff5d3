// The options that describe the machine.

import ArgumentParser
import Bytes
import FoundationEssentials
import Glibc

/// The options that describe the machine.
struct MachineOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("memory")],
        help: ArgumentHelp(
            "RAM: 64M, 1.5G, 512MiB; plain numbers are MiB; at least 2M; by default 1G, or what an image requires.",
            valueName: "memory"))
    var givenMemory: MemorySize?

    @Option(help: "QEMU's machine.")
    var machine = MachineKind.pc

    @Option(
        name: .customLong("protocol"),
        help: "How the loader is started; by default by Multiboot, or by the starter's usual protocol.")
    var givenProtocol: StartProtocol?

    @Option(parsing: .unconditional, help: "The command line, in the form of QEMU's -append.")
    var commandLine = ""

    @Option(
        help:
            "The loader's file, for its size and name; without it $LOADER, one beside this program, the installed one, or build/loader.",
        completion: .file())
    var loader: String?

    @Option(
        name: .customLong("module"), help: "A further module, such as a shared object that the file needs; repeatable.",
        completion: .file())
    var modules: [String] = []

    @Option(help: "Options for the loader: loader.generation=2 and the like.")
    var loaderOptions = ""

    @Option(help: "A fixed number in place of the CPU's random one with loader.kaslr; by default a new one each time.")
    var seed: UInt64?

    @Option(help: "The address of ACPI's root pointer; by default where QEMU's firmware usually puts it.")
    var rsdp: Address?

    @Flag(help: "The CPU has 1 GiB pages (-cpu max).")
    var gigabytePages = false

    @Flag(help: "The CPU cannot mark pages as not executable (-cpu ...,-nx).")
    var withoutNx = false

    /// How the loader is started, unless the command decides it.
    var startProtocol: StartProtocol { givenProtocol ?? .multiboot }

    /// The loader's file: the one of --loader or of the environment's LOADER, one beside this program, the installed one, or build/loader.
    var loaderFile: String? {
        loader ?? ProcessInfo.processInfo.environment["LOADER"] ?? MachineOptions.installed("loader")
    }

    /// The file with the name `name` that is beside this program, the installed one, or the one in `build`; nil if there is none.
    static func installed(_ name: String) -> String? {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let folder = own.deletingLastPathComponent()
        let installed = folder.deletingLastPathComponent().appendingPathComponent("lib/loader/" + name).path
        return [folder.appendingPathComponent(name).path, installed, "build/" + name].first {
            unsafe access($0, R_OK) == 0
        }
    }

    /// The machine that boots the file at `path`.
    func host(for path: String, _ input: InputFile? = nil) throws -> HostMachine { try host().booting(path, input) }

    /// The machine, which can boot several files: its modules and the loader have been read, once.
    func host() throws -> HostMachine {
        if startProtocol == .uefi {
            guard machine != .microvm else { throw ValidationError("UEFI needs --machine pc or q35") }
            guard givenMemory?.bytes ?? .max >= UEFIStarter.leastMemory else {
                throw ValidationError("UEFI needs 64M of memory")
            }
        }
        var host = HostMachine(
            kind: machine, memory: givenMemory ?? MemorySize(bytes: 1 << 30), startProtocol: startProtocol,
            commandLine: commandLine,
            loaderOptions: loaderOptions, rsdp: rsdp?.value)
        host.isMemoryGiven = givenMemory != nil
        host.hasNoExecute = !withoutNx
        host.modules = try modules.map { ($0, try InputFile($0)) }
        host.seed = seed ?? .random(in: 0 ... .max)
        if let loader = loader ?? ProcessInfo.processInfo.environment["LOADER"] {
            host.loaderPath = loader
            let file = try InputFile(loader)
            guard host.use(loader: ByteView(file.bytes)) else {
                throw Failure("\(printable(loader)) is not a loader: make loader builds one")
            }
        } else if let path = loaderFile, let file = try? InputFile(path) {
            host.loaderPath = path
            _ = host.use(loader: ByteView(file.bytes))
        }
        return host
    }

    /// Calls `view` with the rehearsal of each of `files` on the machine, and the view's target.
    func rehearse(_ files: FileOptions, _ view: (Rehearsal, ViewTarget) -> Void) throws {
        let host = try host()
        host.tellAssumptions()
        try files.forEachInput { file, input, name, output in
            let rehearsal = try Rehearsal(file, on: host.booting(name, input), gigabytePages: gigabytePages)
            view(rehearsal, files.destination(name, nil, output))
            return 0
        }
    }
}

extension HostMachine {
    /// Says on standard error that no loader was found, and which place is assumed for it.
    func tellAssumptions() {
        guard isLoaderAssumed else { return }
        Progress.shared.tell(
            "no loader found: \(rangeText(loader)) is assumed (give --loader FILE)")
    }
}
