// QEMU's command line for a boot, and that of the application inside it.

import Architecture
import Firmware
import FoundationEssentials
import Glibc

/// A boot's command line.
struct QEMU {
    /// The program: `named`, or the one that the environment's QEMU names, or the one in PATH.
    static func program(_ named: String?) throws -> String {
        let given = named ?? ProcessInfo.processInfo.environment["QEMU"]
        let name = given ?? "qemu-system-x86_64"
        guard let program = InstalledProgram.find(name) else {
            throw Failure(
                "there is no \(printable(name))\(name.contains("/") ? "" : " in PATH"): "
                    + (given == nil
                        ? "install it (apt-get install qemu-system-x86), or say --qemu PROGRAM"
                        : "--qemu, or QEMU in the environment, takes the path of a program, or the name of one in PATH")
            )
        }
        return program
    }

    /// The arguments for `machine`, whose CPU has 1 GiB pages if `gigabytePages`, with the devices of `options`, and its own arguments for
    /// QEMU last. `medium` has the arguments about what is booted; `firmware` is a file that replaces QEMU's own firmware.
    static func arguments(
        _ medium: [String], _ machine: HostMachine, gigabytePages: Bool, _ options: RunnerOptions,
        shares: [SharedFolder] = [], firmware: String? = nil
    ) -> [String] {
        let memory = shares.isEmpty ? "" : ",memory-backend=ram"
        var list = ["-M", machine.kind.rawValue + memory, "-m", machine.memory.text, "-smp", "\(options.smp ?? 1)"]
        if options.accel == .kvm { list += ["-accel", "kvm"] }
        let features = machine.hasNoExecute ? "" : ",-nx"
        if let model = options.cpu {
            list += ["-cpu", model]
        } else if options.accel == .kvm {
            list += ["-cpu", "host" + (gigabytePages ? "" : ",-pdpe1gb") + features]
        } else if !options.qemuArguments.contains("-cpu") {
            list += ["-cpu", "\(KernelProcessor.model)" + (gigabytePages ? ",pdpe1gb" : "") + features]
        }
        list += ["-display", "none", "-serial", "stdio", "-no-reboot"]
        list += ["-device", "isa-debug-exit,iobase=\(hex(UInt64(IOPort.debugExit))),iosize=0x04"]
        // Without a network card UEFI does not look for a boot server.
        if let firmware { list += ["-bios", firmware] }
        if machine.kind != .microvm, firmware != nil, options.ports.isEmpty { list += ["-net", "none"] }
        list += PortForward.arguments(options.ports)
        if !shares.isEmpty {
            list += ["-object", "memory-backend-memfd,id=ram,size=\(machine.memory.text),share=on"]
        }
        for (index, share) in shares.enumerated() { list += share.arguments(index) }
        return list + medium + options.qemuArguments
    }

    /// A copy of the loader's file at `path` without its Multiboot header, which QEMU would prefer to its PVH note.
    static func loaderWithoutMultiboot(_ path: String) throws -> Data {
        var file = try Data(contentsOf: URL(fileURLWithPath: path))
        // Multiboot 0.6.96, 3.1.1: magic, flags and checksum, in the first 8192 bytes, which add up to 0.
        for offset in stride(from: 0, to: min(file.count, 8192) - 11, by: 4) {
            let words = (0..<3).map { word in
                (0..<4).reduce(0 as UInt32) { $0 | UInt32(file[offset + word * 4 + $1]) << ($1 * 8) }
            }
            guard words[0] == Multiboot.headerMagic, words[0] &+ words[1] &+ words[2] == 0 else { continue }
            file.replaceSubrange(offset..<offset + 4, with: Data(count: 4))
        }
        return file
    }

    /// `words` as a line for the shell.
    static func line(_ words: [String]) -> String { words.map { quoted($0, plain: "-_./=,:+") }.joined(separator: " ") }

    /// `word` as one word for a shell, and for readers that split lines like one: letters, digits and those of `plain` need no quotes.
    static func quoted(_ word: String, plain: String) -> String {
        let isPlain = word.unicodeScalars.allSatisfy {
            $0.isASCII
                && ($0.properties.isAlphabetic || $0.properties.numericType != nil || plain.unicodeScalars.contains($0))
        }
        return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }

    /// Hermit's command line: `raw`, then the environment, `--` and the application's arguments. Kernels split it as a shell does
    /// (the crate shell-words).
    static func commandLine(_ raw: String, environment: [String], arguments: [String]) -> String {
        let plain = "-_./=,:+@%"
        var words = raw.isEmpty ? [] : [raw]
        // After -- everything is the application's.
        let hasSeparator = raw.split(whereSeparator: \.isWhitespace).contains("--")
        let variables = environment.map { quoted("env=" + $0, plain: plain) }
        if hasSeparator { words.insert(contentsOf: variables, at: 0) } else { words += variables }
        if !arguments.isEmpty {
            words += (hasSeparator ? [] : ["--"]) + arguments.map { quoted($0, plain: plain) }
        }
        return words.joined(separator: " ")
    }
}
