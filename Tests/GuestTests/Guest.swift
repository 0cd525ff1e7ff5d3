// Boots the loader in QEMU and keeps its output. No other test code knows QEMU's command line.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

extension Trait where Self == ConditionTrait {
    /// Skips tests without a loader and fixtures.
    static var built: Self {
        .enabled(if: Project.exists(Project.loader) && Project.exists(Project.fixture("demo")), "make loader fixtures")
    }
}

/// The end of a boot.
struct Outcome {
    /// QEMU's exit status; 124 if the time ran out.
    var status: Int32
    /// Everything on the serial line, without carriage returns.
    var serial: String
    /// The command that was run.
    var command: String

    /// The sentences after `[LOADER] error: `.
    var errors: [String] {
        serial.split(separator: "\n").compactMap { line in
            line.range(of: "[LOADER] error: ").map { String(line[$0.upperBound...]) }
        }
    }

    /// The word after the first `text`.
    func word(after text: String) -> Substring? {
        serial.range(of: text).map { serial[$0.upperBound...].prefix { !" ,:;\n".contains($0) } }
    }

    /// The text to print if a test fails.
    var comment: Comment { "\(command)\nended with status \(status) and said:\n\(serial)" }
}

/// A machine to boot.
struct Guest {
    /// QEMU's arguments for a disc or a network that the firmware boots instead of the loader.
    var medium: [String] = []
    var initrd: URL?
    /// Words after the file's name, which Multiboot hands over with the module.
    var moduleArguments = ""
    /// Further modules.
    var modules: [String] = []
    var loader = Project.loader
    var machine = "pc"
    var memory = "1G"
    /// Whether the host allocates all of `memory` at once, or only the pages that the guest touches.
    var isMemoryReserved = true
    var processors = "1"
    var cpu = "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt"
    var append = ""
    /// Options for the devices that QEMU adds by default. The display and the network card have firmware, which takes a quarter of a
    /// boot's time; the matrices and the documented commands keep them.
    var devices = ["-vga", "none", "-net", "none"]
    /// The destination of the serial line.
    var serial = ["-serial", "stdio"]
    /// How the machine ends: by isa-debug-exit, unless the test imitates another monitor.
    var end = ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    /// Seconds after which the boot counts as hung, on the busiest machine.
    var patience = 300
    /// Text of a guest that may run for ever, and the seconds after it until the guest is ended, with status 124.
    var staysAfter: (words: String, seconds: Int)?

    /// Boots, and waits for the end.
    func boot() async throws -> Outcome {
        var arguments = [
            "\(patience)", "qemu-system-x86_64", "-M", machine + (isMemoryReserved ? "" : ",memory-backend=ram"),
            "-cpu", cpu, "-smp", processors, "-m", memory,
            "-display", "none",
        ]
        arguments += medium.isEmpty ? devices + ["-kernel", loader.path] : medium
        arguments += end + serial
        if !isMemoryReserved { arguments += ["-object", "memory-backend-ram,id=ram,size=\(memory),reserve=off"] }
        if let initrd {
            let application = initrd.path + (moduleArguments.isEmpty ? "" : " " + moduleArguments)
            arguments += ["-initrd", ([application] + modules).joined(separator: ",")]
        }
        if !append.isEmpty { arguments += ["-append", append] }
        let command =
            staysAfter.map { ["sh", "-c", Self.watch, "sh", $0.words, "\($0.seconds)", "timeout"] } ?? ["timeout"]
        let result = try await Subprocess.run(
            .name(command[0]), arguments: Arguments(command.dropFirst() + arguments), output: .bytes(limit: 1 << 20),
            error: .bytes(limit: 1 << 16))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): Int32(code)
            case .signaled(let code): 128 + Int32(code)
            }
        return Outcome(
            status: status,
            serial: String(decoding: result.standardOutput + result.standardError, as: UTF8.self)
                .replacingOccurrences(of: "\r", with: ""),
            command: "timeout " + arguments.joined(separator: " "))
    }

    /// Words for a shell: they run a command, and end it with status 124 if it still runs this many seconds after it printed a line.
    private static let watch = """
        words=$1 left=${2}0; shift 2
        said=$(mktemp)
        "$@" >"$said" 2>&1 &
        child=$!
        while [ $left -gt 0 ] && kill -0 $child 2>/dev/null; do
            sleep 0.1
            if grep -aqF -- "$words" "$said"; then left=$((left-1)); fi
        done
        if kill $child 2>/dev/null; then wait $child; status=124; else wait $child; status=$?; fi
        cat "$said"; rm "$said"; exit $status
        """

    /// The loader without its Multiboot header, so that QEMU takes the PVH note.
    static let loaderWithoutMultiboot: Result<URL, any Error> = Result {
        var file = try Data(contentsOf: Project.loader)
        let magic = Data([0x02, 0xb0, 0xad, 0x1b])
        let range = try #require(file.range(of: magic, in: 0..<8192))
        file.replaceSubrange(range, with: Data(count: 4))
        // Beside the loader, where it stays: all tests of a run share it.
        let copy = Project.root.appendingPathComponent("build/loader-pvh")
        try file.write(to: copy, options: .atomic)
        return copy
    }
}

/// The ways in which QEMU starts the loader.
enum Start: String, CaseIterable, CustomStringConvertible {
    case multiboot = "Multiboot"
    case pvh = "PVH"
    var description: String { rawValue }

    func loader() throws -> URL { self == .multiboot ? Project.loader : try Guest.loaderWithoutMultiboot.get() }
}

/// Two full pipes as a serial line.
final class StuckTerminal {
    private let folder: Folder
    private var path: String { folder.path("terminal") }
    private var descriptors: [Int32] = []
    var arguments: [String] { ["-chardev", "pipe,id=terminal,path=\(path)", "-serial", "chardev:terminal"] }

    init() throws {
        folder = try Folder()
        for end in [".in", ".out"] {
            try #require(mkfifo(path + end, 0o600) == 0)
            descriptors.append(open(path + end, O_RDWR | O_NONBLOCK))
        }
        let byte: [UInt8] = [0]
        while write(descriptors[1], byte, 1) == 1 {}
        try #require(errno == EAGAIN)
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}

/// A file in a temporary folder, removed with its last reference.
final class TemporaryFile {
    let url: URL
    private let folder: Folder

    init(_ bytes: Data) throws {
        folder = try Folder()
        url = folder.place("guest-file")
        try bytes.write(to: url)
    }
}
