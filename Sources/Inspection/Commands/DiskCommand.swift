// A disk image that boots an application: a GUID partition table (UEFI 2.10, 5.3) with an EFI system partition (13.3), on which
// firmware finds the loader, and the loader the application. The image is made by util-linux' sfdisk and by mtools.

import ArgumentParser
import Boot
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc

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

/// The contents of a disk image.
struct BootDisk {
    /// The packages that provide the programs.
    private static let packages = "fdisk mtools"
    private static let sector = 512, mebibyte = 1 << 20
    /// The smallest FAT32 has 65,525 clusters (Microsoft, FAT: General Overview of On-Disk Format, "FAT Type Determination").
    private static let smallest = 64 * mebibyte
    /// From this size on clusters have 4 KiB, and before one sector.
    private static let large = 512 * mebibyte

    private var files: [(path: String, input: InputFile)]
    private let commandLine: String

    init(loader: InputFile, application: InputFile, commandLine: String) {
        files = [("EFI/BOOT/BOOTX64.EFI", loader), ("EFI/hermit/hermit-app", application)]
        self.commandLine = commandLine
    }

    /// Adds the shared object at `path`. Throws a `Failure` if the loader would not find it.
    mutating func add(library path: String, _ input: InputFile) throws(Failure) {
        let name = String(path.split(separator: "/").last ?? "")
        guard name.lowercased().hasSuffix(".so") || name.lowercased().contains(".so.") else {
            throw Failure(
                "\(printable(path)) does not have a shared object's name (libfoo.so): the loader would not find it")
        }
        guard !files.contains(where: { $0.path.lowercased() == "efi/hermit/\(name.lowercased())" }) else {
            throw Failure("there are two files with the name \(printable(name))")
        }
        files.append(("EFI/hermit/" + name, input))
    }

    /// Makes the image in `folder`; returns its path. Throws a `Failure`.
    func make(in folder: String) async throws -> String {
        let image = folder + "/disk.img"
        let content = files.reduce(commandLine.utf8.count) { $0 + $1.input.bytes.byteCount }
        let needed = (content + content / 8 + 8 * BootDisk.mebibyte) / BootDisk.mebibyte * BootDisk.mebibyte
        let size = max(needed, BootDisk.smallest)
        let digest = digest
        // The partition begins at 1 MiB; the table's copy is in the last MiB.
        guard FileManager.default.createFile(atPath: image, contents: nil),
            unsafe truncate(image, size + 2 * BootDisk.mebibyte) == 0
        else { throw Failure.writing(image, errno) }
        let table = folder + "/table"
        let lines = """
            label: gpt
            label-id: \(identifier(digest, from: 0))
            start=\(BootDisk.mebibyte / BootDisk.sector), size=\(size / BootDisk.sector), \
            type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=\(identifier(digest, from: 4)), name="EFI System"

            """
        try Data(lines.utf8).write(to: URL(fileURLWithPath: table))
        try await InstalledProgram.run("sfdisk", ["--quiet", image], BootDisk.packages, input: table)
        let partition = image + "@@1M"
        let serial = String(digest.words.span[0], radix: 16)
        try await InstalledProgram.run(
            "mformat",
            [
                "-i", partition, "-F", "-c", size < BootDisk.large ? "1" : "8", "-T", "\(size / BootDisk.sector)",
                "-h", "64", "-s", "32", "-H", "\(BootDisk.mebibyte / BootDisk.sector)", "-N", serial, "-v", "HERMIT",
                "::",
            ], BootDisk.packages)
        try await InstalledProgram.run(
            "mmd", ["-i", partition, "::/EFI", "::/EFI/BOOT", "::/EFI/hermit"], BootDisk.packages)
        let line = folder + "/line"
        try Data((commandLine + "\n").utf8).write(to: URL(fileURLWithPath: line))
        for (index, file) in files.enumerated() {
            let copy = "\(folder)/\(index)"
            try Inspection.write(file.input.bytes, toFileAt: copy)
            try await InstalledProgram.run("mcopy", ["-i", partition, copy, "::/" + file.path], BootDisk.packages)
        }
        try await InstalledProgram.run(
            "mcopy", ["-i", partition, line, "::/EFI/hermit/hermit-bootargs"], BootDisk.packages)
        return image
    }

    /// A digest of everything on the disk; its identifiers are derived from it.
    private var digest: FileDigest {
        var text = commandLine
        for file in files { text += "\n\(file.path) \(FileDigest(of: ByteView(file.input.bytes)).digits)" }
        let bytes = Array(text.utf8)
        // Bytes have no padding.
        return FileDigest(of: unsafe ByteView(bytes.span.bytes))
    }

    /// A UUID (RFC 9562, version 8) of four words of `digest`.
    private func identifier(_ digest: FileDigest, from first: Int) -> String {
        var digits = Array(String(digest.digits.dropFirst(first * 8).prefix(32)))
        digits[12] = "8"
        digits[16] = "8"
        for place in [20, 16, 12, 8] { digits.insert("-", at: place) }
        return String(digits)
    }
}
