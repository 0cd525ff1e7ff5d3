// The picture of a boot: on the terminal, or as a file that browsers show.

import Memory
import ArgumentParser
import Boot
import Bytes
import Diagnostics
import Glibc

struct MapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "The picture: the file beside its image, and the guest's memory.",
        discussion: """
              loader-inspect map app
              loader-inspect map --memory 4G --output app.svg app
              loader-inspect map --output app.html app

            The name given to --output decides its form; - is standard output, as SVG. Parts are drawn by size, the smallest still \
            large enough to be read. A page has the picture in two widths, and as a table. For a file that does not boot, the \
            picture shows the parts that can be read.

            \(ExitStatus.ofRehearsals)
            """)
    @OptionGroup var machine: MachineOptions
    @Option(help: "Colour; NO_COLOR is respected.")
    var color = ColorChoice.auto
    @Flag(name: .customLong("narrow"), help: "SVG for 400 pixels instead of 1000.")
    var isNarrow = false
    @Option(help: "Columns, 80 or more; without it the terminal's, in a pipe 80.")
    var width: Int?
    @Option(
        name: .shortAndLong, help: "A file to draw into: .svg or .html.",
        completion: .file(extensions: ["svg", "html"]))
    var output: String?
    @Argument(help: "The ELF file; - is standard input.", completion: .file())
    var file: String

    mutating func validate() throws {
        if let width, !(80...1000).contains(width) { throw ValidationError("--width is a number from 80 to 1000") }
        if let output, output != "-", !output.hasSuffix(".svg"), !output.hasSuffix(".html") {
            throw ValidationError("--output names a file that ends in .svg or .html, or is -")
        }
    }

    func run() throws {
        Progress.shared.show(file)
        defer { Progress.shared.show(nil) }
        let input = try InputFile.openingOnly(file)
        let view = ByteView(input.bytes)
        let host = try machine.host(for: file, input)
        host.tellAssumptions()
        let picture = MapPicture.of(view, file, on: host, gigabytePages: machine.gigabytePages)
        if let output {
            let text =
                output.hasSuffix(".html") ? MapPage.html(picture) : MapSVG(picture, isNarrow ? .narrow : .wide).document
            // A string's bytes hold any value.
            try unsafe write(text.utf8.span.bytes, toFileAt: output)
        } else {
            let text = Output(color: color)
            MapText(picture: picture, output: text, width: max(width ?? Output.terminalWidth ?? 80, 80)).write()
            text.flush()
        }
        if let refusal = picture.refusal { throw ExitCode(refusal.tell(file)) }
    }
}
