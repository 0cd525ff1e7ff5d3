// The commands about Hermit images: they are listed, made, and extracted.

import ArgumentParser
import Boot
import Bytes
import Diagnostics
import FoundationEssentials
import Glibc
import HermitImage

struct FilesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "files", abstract: "Lists the contents of a Hermit image.",
        discussion: """
              loader-inspect files app.tar.gz
              loader-inspect files --json app.tar.gz | jq -r '.rows[].name'

            If several entries have one name, the last counts; the others are "replaced".

            \(ExitStatus.ofViews)
            """)
    @OptionGroup var files: FileOptions
    func run() throws {
        try files.forEachInput(opensImages: false) { _, input, name, output in
            try ImageViews.files(input, to: files.destination(name, nil, output))
            return 0
        }
    }
}

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Makes a Hermit image, or extracts one.",
        discussion: """
              loader-inspect image create --kernel app --arg one --output app.tar.gz
              loader-inspect image extract --output folder app.tar.gz

            Exit status: 0, 1 the kernel does not boot, 2 a file is malformed, 64 the command line is wrong, 74 nothing can be \
            written.
            """,
        subcommands: [ImageCreateCommand.self, ImageExtractCommand.self])
}

struct ImageCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Makes a Hermit image: gzip around tar, with hermit.toml at its root.",
        discussion: """
              loader-inspect image create --kernel app --output app.tar.gz
              loader-inspect image create --kernel app --arg one --env A=b -o app.tar
              loader-inspect image create --kernel app --file etc/x=my.conf -o x.tar.gz

            The same input makes the same image, byte for byte. If the output's name ends in .tar, it is not packed.

            Exit status: 0, 1 the kernel would not boot, 2 it is malformed, 64 the command line is wrong, 74 the image cannot \
            be written.
            """)
    @Option(help: "The kernel: the application's ELF file.", completion: .file())
    var kernel: String
    @Option(
        name: .customLong("arg"), parsing: .unconditionalSingleValue,
        help: "An argument for the application; repeatable.")
    var arguments: [String] = []
    @Option(
        name: .customLong("kernel-arg"), parsing: .unconditionalSingleValue,
        help: "An argument for the kernel, as it stands on its command line; repeatable.")
    var kernelArguments: [String] = []
    @Option(
        name: .customLong("env"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An environment variable for the application; repeatable.", valueName: "name=value"))
    var variables: [String] = []
    @Option(name: .shortAndLong, help: "The least memory that it needs: 64M, 1.5G, 512MiB.")
    var memory: MemorySize?
    @Option(help: "The least number of processors that it needs.")
    var cpus: Int?
    @Option(
        name: .customLong("file"),
        help: ArgumentHelp("A file, and its path in the image; repeatable.", valueName: "path=file"),
        completion: .file())
    var files: [String] = []
    @Option(name: .shortAndLong, help: "The image.", completion: .file())
    var output: String

    mutating func validate() throws {
        guard (1...255).contains(cpus ?? 1) else { throw ValidationError("--cpus is a number from 1 to 255") }
        try EnvironmentVariables.check(variables)
        for file in files where !file.dropFirst().contains("=") {
            throw ValidationError("--file is PATH=FILE, not '\(file)'")
        }
    }

    func run() async throws {
        let input = try InputFile(kernel)
        do throws(Fault) { _ = try Application(ByteView(input.bytes)) } catch {
            // A library that it needs may be one of the files.
            if error.rule != .needsLibrary { throw ExitCode(Refusal(error, ByteView(input.bytes)).tell(kernel)) }
        }
        let name: String = "bin/" + (kernel.split(separator: "/").last.map { String($0) } ?? "app")
        var archive = ArchiveWriter()
        try archive.add("hermit.toml", Array(configuration(kernel: name).utf8))
        try archive.add(name, input, mode: 0o755)
        for file in files {
            let parts = file.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let contents = try InputFile(String(parts[1]))
            try archive.add(String(parts[0]), contents, mode: 0o644)
        }
        archive.end()
        let packed = output.hasSuffix(".tar") ? archive.bytes : try await ImageCreateCommand.gzip(archive.bytes)
        // Bytes hold any value.
        try unsafe write(packed.span.bytes, toFileAt: output)
    }

    /// hermit.toml.
    private func configuration(kernel: String) -> String {
        func list(_ texts: [String]) -> String {
            "[" + texts.map(ImageCreateCommand.quoted).joined(separator: ", ") + "]"
        }
        var text = "version = \"1\"\nkernel = \(ImageCreateCommand.quoted(kernel))\n\n[input]\n"
        text += "kernel_args = \(list(kernelArguments))\napp_args = \(list(arguments))\nenv_vars = \(list(variables))\n"
        if memory != nil || cpus != nil { text += "\n[requirements]\n" }
        if let memory {
            let isWhole = memory.bytes % (1 << 20) == 0
            let amount: String = isWhole ? "\(memory.bytes >> 20) MiB" : "\(memory.bytes) B"
            text += "memory = \"\(amount)\"\n"
        }
        if let cpus { text += "cpus = \(cpus)\n" }
        return text
    }

    /// `text` as a basic string of TOML, which may be written as in JSON.
    private static func quoted(_ text: String) -> String { JSONSchema.string(text) }

    /// `bytes` as gzip packs them, without a name and a time.
    private static func gzip(_ bytes: [UInt8]) async throws -> [UInt8] {
        guard InstalledProgram.find("gzip") != nil else {
            throw Failure(
                "there is no gzip in PATH: install it (apt-get install gzip), or give the output a name that ends in .tar"
            )
        }
        let folder = RunFolder()
        defer { folder.remove() }
        let path = try folder.made() + "/image"
        // These files are temporary, so they may be written over.
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try await InstalledProgram.run("gzip", ["-n", "-9", path], "gzip")
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".gz")))
    }
}

/// Writes an archive: ustar, with pax headers for names that do not fit.
struct ArchiveWriter {
    /// The archive so far.
    private(set) var bytes: [UInt8] = []
    private var names: Set<String> = [], folders: Set<String> = []

    /// Adds a file with the name `path`. Throws `Failure` for a name that leads out of the archive, or is there already.
    mutating func add(_ path: String, _ file: InputFile, mode: Int) throws(Failure) {
        // As long as the object lives.
        try add(path, unsafe file.bytes.withUnsafeBytes { unsafe [UInt8]($0) }, mode: mode)
    }

    /// Adds a file of `contents`.
    mutating func add(_ path: String, _ contents: [UInt8], mode: Int = 0o644) throws(Failure) {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.isEmpty, !parts.contains(".."), !path.utf8.contains(0), !path.hasSuffix("/") else {
            throw Failure("'\(printable(path))' is no name for a file in an image")
        }
        let name = parts.joined(separator: "/")
        guard names.insert(name).inserted else { throw Failure("'\(printable(name))' is in the image already") }
        for count in 1..<parts.count { folders.insert(parts.prefix(count).joined(separator: "/")) }
        if let both = folders.first(where: names.contains) {
            throw Failure("'\(printable(both))' would be a file and a folder in the image")
        }
        if name.utf8.count > 100 {
            let record = ArchiveWriter.record("path", name)
            append(header: "pax", record, type: UInt8(ascii: "x"), mode: 0o644)
        }
        append(header: name, contents, type: UInt8(ascii: "0"), mode: mode)
    }

    /// Ends the archive.
    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    /// A record of a pax header, which begins with its own length.
    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n"
        let size = rest.utf8.count
        var length = size
        while true {
            let whole: Int = size + String(length).utf8.count
            if whole == length { break }
            length = whole
        }
        return Array("\(length)\(rest)".utf8)
    }

    private mutating func append(header name: String, _ contents: [UInt8], type: UInt8, mode: Int) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.prefix(100).enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(contents.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        header[156] = type
        put("ustar", at: 257)
        put("00", at: 263)
        put("        ", at: 148)
        var sum = 0
        for byte in header { sum += Int(byte) }
        put(octal(sum, 6), at: 148)
        header[154] = 0
        bytes += header
        bytes += contents
        bytes += [UInt8](repeating: 0, count: (512 - contents.count % 512) % 512)
    }
}

struct ImageExtractCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Writes the files of a Hermit image into a folder.",
        discussion: """
              loader-inspect image extract --output folder app.tar.gz

            Nothing is written outside the folder, and no existing file is overwritten. Links and devices are left out, and \
            named.

            Exit status: 0, 2 the image is malformed, 64 the command line is wrong, 74 a file cannot be written.
            """)
    @Option(name: .shortAndLong, help: "The folder; it is made if it does not exist.", completion: .directory)
    var output: String
    @Argument(help: "The image; - is standard input.", completion: .file())
    var file: String

    func run() throws {
        let input = try InputFile(file)
        guard ImageFile.isImage(input) else {
            throw Failure("\(printable(file)) is no Hermit image: neither gzip nor tar", status: 1)
        }
        do { try ImageExtractCommand.extract(ImageFile.archive(input), into: output) } catch let refusal as Refusal {
            throw ExitCode(refusal.tell(file))
        }
    }

    /// Extracts `archive` into the folder at `path`.
    private static func extract(_ archive: InputFile, into path: String) throws {
        let view = ByteView(archive.bytes)
        let entries = try ImageViews.entries(view)
        // Of several of a name the last one counts.
        var last: [String: UInt64] = [:]
        for entry in entries { last[ImageViews.key(entry, view)] = entry.header }
        let folder = try ExtractionFolder(path)
        for entry in entries {
            let name = ImageViews.key(entry, view)
            if name.isEmpty || last[name] != entry.header { continue }
            try write(entry, name, view, into: folder)
        }
    }

    private static func write(
        _ entry: TarEntry, _ name: String, _ archive: ByteView, into folder: ExtractionFolder
    ) throws(Failure) {
        switch entry.kind {
        case .folder: try folder.make(name)
        case .file:
            let bytes = archive.part(at: entry.start, size: entry.size)
            try folder.write(bytes.span, to: name, isExecutable: entry.mode & 0o100 != 0)
        case .hardLink, .symbolicLink, .device, .other:
            Progress.shared.tell("\(printable(name)) is left out: it is \(entry.kind.text)")
        }
    }
}

extension TarKind {
    /// The kind, in words.
    fileprivate var text: String {
        switch self {
        case .file: "a file"
        case .folder: "a folder"
        case .hardLink: "a hard link"
        case .symbolicLink: "a symbolic link"
        case .device: "a device or a pipe"
        case .other: "of an unknown kind"
        }
    }
}

/// The folder to which files are extracted. No link in it is followed, so nothing is written outside it.
private final class ExtractionFolder {
    private let path: String
    private let descriptor: Int32

    /// Opens the folder at `path`; makes it if it does not exist. Throws `Failure`.
    init(_ path: String) throws(Failure) {
        self.path = path
        _ = unsafe mkdir(path, 0o777)
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .writing(path, errno) }
    }

    deinit { close(descriptor) }

    /// Makes the folder `name` in it, and that folder's parents.
    func make(_ name: String) throws(Failure) { close(try folder(name.split(separator: "/"), name)) }

    /// Writes the file `name`, which must not be there.
    func write(_ bytes: RawSpan, to name: String, isExecutable: Bool) throws(Failure) {
        let parts = name.split(separator: "/")
        let folder = try folder(parts.dropLast(), name)
        defer { close(folder) }
        let file = unsafe openat(
            folder, String(parts[parts.count - 1]), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
            isExecutable ? 0o777 : 0o666)
        guard file >= 0 else { throw .writing("\(path)/\(name)", errno) }
        // The bytes are only read, and do not leave the closure.
        let number = unsafe bytes.withUnsafeBytes { unsafe Inspection.write($0, to: file) }
        guard close(file) == 0 || number != 0 else { throw .writing("\(path)/\(name)", errno) }
        if number != 0 { throw .writing("\(path)/\(name)", number) }
    }

    /// Opens the folder that `parts` lead to, step by step, and makes the missing ones.
    private func folder(_ parts: some Sequence<Substring>, _ name: String) throws(Failure) -> Int32 {
        var current = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        for part in parts {
            _ = unsafe mkdirat(current, String(part), 0o777)
            let next = unsafe openat(current, String(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let number = errno
            close(current)
            guard next >= 0 else { throw .writing("\(path)/\(name)", number) }
            current = next
        }
        return current
    }
}
