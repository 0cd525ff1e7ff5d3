// A disk image that boots an application: a GUID partition table (UEFI 2.10, 5.3) with an EFI system partition (13.3), on which
// firmware finds the loader, and the loader the application. The image is made by util-linux' sfdisk and by mtools.

import ArgumentParser
import Bytes

struct DiskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disk", abstract: "Makes a disk image that boots an application, for any machine with UEFI.",
        usage: "loader-inspect disk --output <output> [<options>] <file> [-- <arguments> ...]",
        discussion: """
              loader-inspect disk --output app.img app
              loader-inspect disk --output app.img app -- one "two words"
              loader-inspect disk --output app.img --module libfoo.so app

            The image is raw. The same files and words make the same image.

            Needs sfdisk and mtools (apt-get install fdisk mtools).

            \(ExitStatus.ofRehearsals)
            """)
    @Option(name: .shortAndLong, help: "The image's file.", completion: .file())
    var output: String
    @Option(
        help:
            "The loader's MZ file; without it, loader.efi beside this program, the installed one, or build/loader.efi.",
        completion: .file())
    var loader: String?
    @Option(
        name: .customLong("module"), help: "A shared object that the file needs; repeatable.", completion: .file())
    var modules: [String] = []
    @Option(
        name: [.customShort("m"), .customLong("memory")],
        help: ArgumentHelp(
            "RAM of the rehearsed machine: 64M, 1.5G; plain numbers are MiB; by default 1G, or what an image requires.",
            valueName: "memory"))
    var givenMemory: MemorySize?
    @Option(parsing: .unconditional, help: "Words for the kernel, before the application's arguments.")
    var commandLine = ""
    @Option(name: .customLong("env"), help: "NAME=VALUE, a variable for the application; repeatable.")
    var environment: [String] = []
    @Option(help: "Options for the loader: loader.generation=2 and the like.")
    var loaderOptions = ""
    @Flag(help: "Makes an image even of a file that would be refused.")
    var force = false
    @Argument(help: "The ELF file, or a Hermit image.", completion: .file())
    var file: String
    @Argument(parsing: .postTerminator, help: "The application's arguments.")
    var arguments: [String] = []

    mutating func validate() throws {
        try EnvironmentVariables.check(environment)
        guard output != "-" else { throw ValidationError("--output is a file, not standard output") }
        guard givenMemory?.bytes ?? .max >= UEFIStarter.leastMemory else {
            throw ValidationError("UEFI needs 64M of memory")
        }
    }

    func run() async throws {
        let application = try InputFile.opening(file, includesDamaged: true)
        var host = HostMachine(startProtocol: .pvh, commandLine: commandLine, loaderOptions: loaderOptions)
        if let givenMemory { host.memory = givenMemory }
        host.isMemoryGiven = givenMemory != nil
        host.modules = try modules.map { ($0, try InputFile($0)) }
        if !force {
            do throws(Refusal) {
                _ = try Rehearsal(
                    ByteView(application.bytes), on: host.booting(file, application), gigabytePages: false)
            } catch {
                let status = error.tell(file)
                Progress.shared.tell("no image was made; --force makes it anyway")
                throw ExitCode(status)
            }
        }
        host.startProtocol = .uefi
        do throws(Refusal) {
            _ = try Rehearsal(ByteView(application.bytes), on: host.booting(file, application), gigabytePages: false)
        } catch { Progress.shared.tell("warning: OVMF will not boot it: \(error.sentence)") }
        let loader = try loaderFile()
        let line = [loaderOptions, QEMU.commandLine(commandLine, environment: environment, arguments: arguments)]
            .filter { !$0.isEmpty }.joined(separator: " ")
        // The loader unpacks an image itself.
        var disk = BootDisk(loader: loader, application: application.image?.packed ?? application, commandLine: line)
        for module in host.modules { try disk.add(library: module.path, module.input) }
        let folder = RunFolder()
        defer { folder.remove() }
        let image = try InputFile(try await disk.make(in: folder.made()))
        try Inspection.write(image.bytes, toFileAt: output)
    }

    /// The MZ file. Throws a `Failure` if there is none.
    private func loaderFile() throws(Failure) -> InputFile {
        let path = loader ?? MachineOptions.installed("loader.efi")
        guard let path else {
            throw Failure("there is no loader.efi: make loader builds one; give --loader FILE if it is elsewhere")
        }
        let input = try InputFile(path)
        let file = ByteView(input.bytes)
        guard file.byte(at: 0) == UInt8(ascii: "M"), file.byte(at: 1) == UInt8(ascii: "Z") else {
            throw Failure("\(printable(path)) is not an MZ file: firmware starts loader.efi, not loader")
        }
        return input
    }
}
