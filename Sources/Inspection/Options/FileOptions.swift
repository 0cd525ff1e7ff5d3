// The options of commands that read files, and the loop over the files.

import ArgumentParser
import Bytes
import Diagnostics

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
