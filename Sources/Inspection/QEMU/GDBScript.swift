// The gdb commands that debug an application where the loader puts it.

import AnyELF
import Architecture
import Boot
import Bytes
import Diagnostics
import ELF
import Linking
import Memory

/// The gdb commands.
enum GDBScript {
    /// The lines for the file at `path`, which is `view`, where `rehearsal` put it on `host`; QEMU listens at `target`. A file in an image
    /// has no path, and gets one by `copy`. Throws `Failure` and `Fault`.
    static func lines(
        _ path: String, _ view: ByteView, _ host: HostMachine, _ rehearsal: Rehearsal, target: String,
        copy: (InputFile) throws(Failure) -> String
    ) throws -> [String] {
        var script = [
            "# \(printable(path)) lies at \(hex(rehearsal.plan.image.start)), "
                + "BootInfo at \(hex(rehearsal.entry.bootInfo))",
            "set architecture i386:x86-64", "set confirm off",
            try symbolFile(path, view, bias: rehearsal.plan.bias),
        ]
        for library in rehearsal.libraries {
            guard let module = rehearsal.file(of: library, on: host) else { continue }
            let linkStart = try ApplicationFile(loaded: ByteView(module.input.bytes)).linkStart
            script.append(
                "\(try command(module.path ?? copy(module.input))) -o \(hex(library.memory.start &- linkStart))")
        }
        script.append("target remote \(try line(target))")
        // Memory is written after the breakpoint is set; therefore it must be a hardware breakpoint.
        script.append("hbreak *\(hex(rehearsal.entry.instructionPointer))")
        script.append("continue")
        return script
    }

    /// The command that reads the symbols of `view`: a linked file has moved as a whole, each section of an object file lies
    /// where the loader put it.
    private static func symbolFile(_ path: String, _ view: ByteView, bias: UInt64) throws -> String {
        let command = try command(path)
        guard ObjectImage.isObjectFile(view) else { return command + " -o \(hex(bias))" }
        let header = try FileHeader(view)
        let table = try SectionListing(view, header)
        var text = command
        try ObjectImage(view, header).forEachPlace { index, address in
            let name = table.name(table[Int(index)]).text
            text += " -s \(QEMU.line([name])) \(hex(address &+ bias))"
        }
        return text
    }

    /// `text`, which must be one line. Throws `Failure` if it is not: a second line would be another command.
    private static func line(_ text: String) throws(Failure) -> String {
        guard !text.utf8.contains(UInt8(ascii: "\n")) else {
            throw Failure("gdb takes the end of a line for the end of a command: give \(printable(text)) another name")
        }
        return text
    }

    /// The beginning of the command that reads the symbols of the file at `path`.
    private static func command(_ path: String) throws -> String {
        "add-symbol-file \(QEMU.line([try line(path)]))"
    }
}
