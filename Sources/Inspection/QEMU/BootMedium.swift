// The media that QEMU boots: the files that its own options name, or a CD, a disk or a folder with the files of a boot loader.

import FoundationEssentials
import Glibc

/// The files to start.
struct BootFiles {
    /// The paths of the loader's file, the application, and further modules.
    let loader: String, application: String
    let modules: [String]
    /// The kernel's command line, and words for the loader.
    let commandLine: String, loaderOptions: String

    /// Both in one line.
    fileprivate var line: String { [loaderOptions, commandLine].filter { !$0.isEmpty }.joined(separator: " ") }
}

extension BootWay {
    /// QEMU's arguments that start `files`; media are made in `folder`. The boot loader prints nothing on the serial line if `isQuiet`.
    /// Throws a `Failure`.
    func medium(_ files: BootFiles, in folder: RunFolder, isQuiet: Bool) async throws -> [String] {
        if starter == .qemu { return kernel(files) }
        let place = try folder.made()
        switch starter {
        case .qemu: return []
        case .grub:
            let disc = try await makeDisc(files, in: place, isQuiet: isQuiet)
            return ["-cdrom", disc]
        case .pxe: return try network(files, in: place)
        case .disk:
            let image = try await disk(files).make(in: place)
            return ["-drive", "if=virtio,format=raw,file=" + image]
        }
    }

    private func disk(_ files: BootFiles) throws -> BootDisk {
        let (loader, application) = (try InputFile(files.loader), try InputFile(files.application))
        var disk = BootDisk(loader: loader, application: application, commandLine: files.line)
        for module in files.modules { try disk.add(library: module, try InputFile(module)) }
        return disk
    }

    // MARK: QEMU

    private func kernel(_ files: BootFiles) -> [String] {
        var arguments = ["-kernel", files.loader, "-initrd"]
        if hasModuleStrings {
            let options = files.loaderOptions.isEmpty ? "" : " " + files.loaderOptions
            // A comma would begin the next module.
            let names = ([files.application] + files.modules).map { $0.replacing(",", with: ",,") }
            arguments.append(([names[0] + options] + names.dropFirst()).joined(separator: ","))
        } else {
            arguments.append(files.application)
        }
        let line = hasModuleStrings ? files.commandLine : files.line
        return arguments + (line.isEmpty ? [] : ["-append", line])
    }

    // MARK: GRUB

    /// Makes a CD whose GRUB starts `files`; returns its path.
    private func makeDisc(_ files: BootFiles, in folder: String, isQuiet: Bool) async throws -> String {
        try writeDisc(files, to: folder + "/disc", isQuiet: isQuiet)
        let arguments = ["-d", try grubModules(), "-o", folder + "/disc.iso", folder + "/disc"]
        try await InstalledProgram.run("grub-mkrescue", arguments, BootWay.packages)
        return folder + "/disc.iso"
    }

    private static let packages = "grub-common xorriso mtools"

    /// GRUB's modules for the firmware, if the program that makes a CD of them is installed.
    private func grubModules() throws(Failure) -> String {
        let (platform, package) =
            firmware == .ovmf ? ("x86_64-efi", "grub-efi-amd64-bin") : ("i386-pc", "grub-pc-bin")
        let modules = "/usr/lib/grub/" + platform
        guard unsafe access(modules, R_OK) == 0 else {
            throw Failure("there is no \(modules): install GRUB for this firmware (apt-get install \(package))")
        }
        for program in ["xorriso", "mformat"] { _ = try InstalledProgram.require(program, BootWay.packages) }
        return modules
    }

    /// Writes the CD's contents to the folder `root`.
    private func writeDisc(_ files: BootFiles, to root: String, isQuiet: Bool) throws {
        try requirePlain(files, "$;&|<>{}#\\", "GRUB")
        try copy(files, to: root)
        var lines = ["set timeout=0", "set gfxpayload=text"]
        if !isQuiet { lines += ["serial --unit=0", "terminal_output serial"] }
        if startProtocol == .linux {
            lines += ["linux /loader \(files.line)", "initrd /application"]
        } else {
            let number = startProtocol == .multiboot2 ? "2" : ""
            lines += ["multiboot\(number) /loader \(files.commandLine)"]
            lines += strings(files).map { "module\(number) /\($0.file) \($0.string)" }
        }
        // If it cannot be started, the machine is reset and QEMU ends.
        try write(lines + ["boot", "reboot"], to: root + "/boot/grub/grub.cfg")
    }

    // MARK: iPXE

    /// Makes a folder from which iPXE starts `files`; returns QEMU's arguments for a network that has it.
    private func network(_ files: BootFiles, in folder: String) throws -> [String] {
        // iPXE has no quotes.
        try requirePlain(files, "$&|#", "iPXE", heedsQuotes: false)
        let root = folder + "/tftp"
        try copy(files, to: root)
        let server = "tftp://10.0.2.2/"
        var lines = ["#!ipxe", "dhcp"]
        if startProtocol == .linux {
            lines += ["kernel \(server)loader \(files.line)", "initrd \(server)application"]
        } else {
            lines += ["kernel \(server)loader \(files.commandLine)"]
            lines += strings(files).map { "initrd \(server)\($0.file) \($0.string)" }
        }
        try write(lines + ["boot"], to: root + "/script.ipxe")
        let network = "user,id=boot,tftp=\(root),bootfile=script.ipxe"
        return ["-netdev", network, "-device", "e1000,netdev=boot", "-boot", "n"]
    }

    // MARK: Files of boot loaders

    /// The names that the application and the modules have in a boot loader's folder, and their strings: the loader's options, and the
    /// names of libraries, which boot loaders do not hand over by themselves.
    private func strings(_ files: BootFiles) -> [(file: String, string: String)] {
        [("application", files.loaderOptions)]
            + files.modules.enumerated().map { index, path in
                ("module\(index)", String(path.split(separator: "/").last ?? ""))
            }
    }

    private func copy(_ files: BootFiles, to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let modules = files.modules.enumerated().map { ("module\($0)", $1) }
        for (name, path) in [("loader", files.loader), ("application", files.application)] + modules {
            let input = try InputFile(path)
            try Inspection.write(input.bytes, toFileAt: folder + "/" + name)
        }
    }

    private func write(_ lines: [String], to path: String) throws {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
    }

    /// Throws a `Failure` if a line has one of `characters`, which are special to `reader`, outside of quotes if it `heedsQuotes`.
    private func requirePlain(
        _ files: BootFiles, _ characters: String, _ reader: String, heedsQuotes: Bool = true
    ) throws(Failure) {
        var isQuoted = false
        let text = files.line + " " + files.modules.joined(separator: " ")
        for character in text {
            if heedsQuotes, character == "'" { isQuoted.toggle() }
            let isOwn = character == "\n" || !isQuoted && characters.contains(character)
            guard isOwn else { continue }
            throw Failure(
                "\(printable(String(character))) on the command line is special to \(reader): leave it out, or use --starter qemu"
            )
        }
    }
}
