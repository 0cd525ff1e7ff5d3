// A Hermit image is made.

import ArgumentParser
import Boot
import Bytes
import Diagnostics
import FoundationEssentials

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
            let (count, rest) = memory.bytes.quotientAndRemainder(dividingBy: MemorySize.mebibyte)
            let amount: String = rest == 0 ? "\(count) MiB" : "\(memory.bytes) B"
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
