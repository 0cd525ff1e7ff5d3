// Disk images that UEFI boots: a GPT with one FAT partition.

import Boot
import Bytes
import FoundationEssentials
import Glibc

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
