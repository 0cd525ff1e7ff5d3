// The files of a Hermit image are written into a folder.

import ArgumentParser
import Bytes
import HermitImage

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
