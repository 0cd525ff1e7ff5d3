// What commands have in common: options, and how they go through files.

import ArgumentParser
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import Memory

/// What the help says of exit statuses.
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

    @Option(help: "Colour; NO_COLOR is heeded.")
    var color = ColorChoice.auto

    @Argument(help: "ELF files; - is standard input.", completion: .file())
    var files: [String]

    /// Whether the output is JSON.
    var json: Bool { jsonDocuments || jsonArray }

    /// Calls `body` with each file, or the kernel of each image; the exit status is the worst. A fault goes to standard error as one line, and so does a file
    /// that cannot be read.
    func forEach(_ body: (ByteView, String, Output) throws -> Int32) throws {
        try forEachInput { file, input, name, output in try body(file, name, output) }
    }

    /// The same; `body` takes the file that holds the bytes, too.
    ///
    /// Of a damaged image `body` gets the file itself where `includesDamaged` says so; of an image also where `opensImages` does
    /// not.
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

    /// Says how many files are left out. Throws where these are all.
    private func tellLeftOut(_ count: Int) throws {
        guard count > 0 else { return }
        guard count < files.count else {
            throw Failure("none of the files is an ELF file or a Hermit image", status: 2)
        }
        Progress.shared.tell("left out \(counted(count, "file")): no ELF files")
    }

    /// Opens the file called `name`, or the kernel of the image that it is; nil if that cannot be, which is told, and `worst`
    /// knows.
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

    /// Says that the file called `name` is refused, also in a document that has begun; returns the exit status.
    private func tell(_ refusal: Refusal, _ name: String, _ output: Output) throws -> Int32 {
        try output.endDocument(with: Verdict.Problem(refusal))
        output.flush()
        return refusal.tell(name)
    }

    /// Calls `view` with each file and where it goes.
    func list(_ view: (ByteView, ViewTarget) throws(Fault) -> Void) throws {
        try forEachInput { file, input, name, output in
            try view(file, destination(name, input, output))
            return 0
        }
    }

    /// Where a view of the file called `name` goes.
    func destination(_ name: String, _ input: InputFile?, _ output: Output) -> ViewTarget {
        ViewTarget(output: output, file: name, json: json, input: input, isTitled: files.count > 1)
    }
}

/// The options that describe the machine.
struct MachineOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("memory")],
        help: ArgumentHelp(
            "RAM: 64M, 1.5G, 512MiB; plain numbers are MiB, 2 at the least; without it 1G, or as much as an image asks for.",
            valueName: "memory"))
    var givenMemory: MemorySize?

    @Option(help: "QEMU's machine.")
    var machine = MachineKind.pc

    @Option(
        name: .customLong("protocol"),
        help: "How the loader is started; without it by Multiboot, or as is usual for what starts it.")
    var givenProtocol: StartProtocol?

    @Option(parsing: .unconditional, help: "The command line, as QEMU's -append takes it.")
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

    @Option(help: "What stands for the CPU's random number with loader.kaslr; without it, another one each time.")
    var seed: UInt64?

    @Option(help: "Where the firmware puts ACPI's root pointer; without it, where QEMU's usually lies.")
    var rsdp: Address?

    @Flag(help: "The CPU has 1 GiB pages (-cpu max).")
    var gigabytePages = false

    @Flag(help: "The CPU cannot mark pages as not to be executed (-cpu ...,-nx).")
    var withoutNx = false

    /// How the loader is started, unless somebody else decides on it.
    var startProtocol: StartProtocol { givenProtocol ?? .multiboot }

    /// The loader's file: the one that was named, or that the environment's LOADER names, one beside this program, the
    /// installed one, or build/loader.
    var loaderFile: String? {
        loader ?? ProcessInfo.processInfo.environment["LOADER"] ?? MachineOptions.installed("loader")
    }

    /// The file called `name` that is beside this program, the installed one, or that in `build`; nil if there is none.
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
                throw Failure("\(printable(loader)) is no loader: make loader builds one")
            }
        } else if let path = loaderFile, let file = try? InputFile(path) {
            host.loaderPath = path
            _ = host.use(loader: ByteView(file.bytes))
        }
        return host
    }
}

extension HostMachine {
    /// Says on standard error what a view's addresses rest on, where no loader was found.
    func tellAssumptions() {
        guard isLoaderAssumed else { return }
        Progress.shared.tell(
            "no loader found: \(rangeText(loader)) is assumed (say --loader FILE)")
    }
}

extension Refusal {
    /// Writes it to standard error; returns the exit status.
    func tell(_ name: String) -> Int32 {
        Progress.shared.tell("\(printable(name)): error: \(sentence)")
        return status
    }
}
