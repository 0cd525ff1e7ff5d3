// The common parts of commands: options, and the loop over files.

import ArgumentParser
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import Memory

/// The texts about exit statuses in the help.
enum ExitStatus {
    static let ofVerdicts = "0 it boots, 1 it will not boot, 2 it is malformed, 64 the command line is wrong."
    static let ofViews =
        "Exit status, the worst of all files: 0, 1 it could not boot on x86-64, 2 it is malformed, 64 the command "
        + "line is wrong."
    static let ofRehearsals =
        "Exit status: 0, 1 the file will not boot, 2 it is malformed, 64 the command line is wrong."
}

/// The options of everything that reads files.
struct FileOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "JSON, one document per file (docs/loader-inspect-json.md).")
    var jsonDocuments = false

    @Flag(help: "JSON, one array of the documents.")
    var jsonArray = false

    @Flag(
        help: "Leaves out folders, and files that are neither ELF files nor Hermit images, and says how many these are."
    )
    var elfOnly = false

    @Option(help: "Colour; NO_COLOR is respected.")
    var color = ColorChoice.auto

    @Argument(help: "ELF files; - is standard input.", completion: .file())
    var files: [String]

    /// Whether the output is JSON.
    var json: Bool { jsonDocuments || jsonArray }

    /// Calls `body` with each file, or the kernel of each image; the exit status is the worst. A fault goes to standard error as one line,
    /// and so does a file that cannot be read.
    func forEach(_ body: (ByteView, String, Output) throws -> Int32) throws {
        try forEachInput { file, input, name, output in try body(file, name, output) }
    }

    /// The same; `body` also gets the file that holds the bytes.
    ///
    /// Of a damaged image `body` gets the file itself if `includesDamaged`; of any image if `opensImages` is false.
    func forEachInput(
        includesDamaged: Bool = false, opensImages: Bool = true,
        _ body: (ByteView, InputFile, String, Output) throws -> Int32
    ) throws {
        let output = Output(color: color)
        output.isArray = jsonArray
        var worst: Int32 = 0
        let files = elfOnly ? files.filter { InputFile.mayBeELF($0) } : files
        for (index, name) in files.enumerated() {
            Progress.shared.show(name, files.count > 1 ? ", \(index + 1) of \(files.count)" : "")
            guard
                let input = try open(
                    name, output, &worst, includesDamaged: includesDamaged, opensImages: opensImages)
            else { continue }
            let file = ByteView(input.bytes)
            do {
                worst = max(worst, try body(file, input, name, output))
            } catch let refusal as Refusal {
                worst = max(worst, try tell(refusal, name, output))
            } catch let fault as Fault {
                worst = max(worst, try tell(Refusal(fault, file), name, output))
            } catch let failure as Failure {
                output.flush()
                worst = max(worst, failure.tell())
            }
        }
        output.endArray()
        output.flush()
        Progress.shared.show(nil)
        try tellLeftOut(self.files.count - files.count)
        if worst != 0 { throw ExitCode(worst) }
    }

    /// Prints how many files are left out. Throws if none is left.
    private func tellLeftOut(_ count: Int) throws {
        guard count > 0 else { return }
        guard count < files.count else {
            throw Failure("none of the files is an ELF file or a Hermit image", status: 2)
        }
        Progress.shared.tell("left out \(counted(count, "file")): no ELF files")
    }

    /// Opens the file with the name `name`, or the kernel of the image in it; nil if that fails, which is reported and recorded in `worst`.
    private func open(
        _ name: String, _ output: Output, _ worst: inout Int32, includesDamaged: Bool, opensImages: Bool
    ) throws -> InputFile? {
        do {
            guard opensImages else { return try InputFile(name) }
            return try InputFile.opening(name, includesDamaged: includesDamaged)
        } catch let failure as Failure {
            output.flush()
            worst = max(worst, failure.tell())
        } catch let refusal as Refusal {
            worst = max(worst, try tell(refusal, name, output))
        }
        return nil
    }

    /// Reports that the file with the name `name` is refused, also in a document that has begun; returns the exit status.
    private func tell(_ refusal: Refusal, _ name: String, _ output: Output) throws -> Int32 {
        try output.endDocument(with: Verdict.Problem(refusal))
        output.flush()
        return refusal.tell(name)
    }

    /// Calls `view` with each file and its target.
    func list(_ view: (ByteView, ViewTarget) throws(Fault) -> Void) throws {
        try forEachInput { file, input, name, output in
            try view(file, destination(name, input, output))
            return 0
        }
    }

    /// The target of a view of the file with the name `name`.
    func destination(_ name: String, _ input: InputFile?, _ output: Output) -> ViewTarget {
        ViewTarget(output: output, file: name, json: json, input: input, isTitled: files.count > 1)
    }
}

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
}

extension HostMachine {
    /// Says on standard error that no loader was found, and which place is assumed for it.
    func tellAssumptions() {
        guard isLoaderAssumed else { return }
        Progress.shared.tell(
            "no loader found: \(rangeText(loader)) is assumed (give --loader FILE)")
    }
}

extension Refusal {
    /// Writes it to standard error; returns the exit status.
    func tell(_ name: String) -> Int32 {
        Progress.shared.tell("\(printable(name)): error: \(sentence)")
        return status
    }
}
