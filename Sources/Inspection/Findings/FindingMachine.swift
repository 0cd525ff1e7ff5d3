// Findings in files for other machines, and in the rehearsed machine: its modules, its options.

import AnyELF
import Architecture
import Boot
import Bytes
import ELF
import Linking

extension Finding {
    /// The finding in a `file` for another machine: that machine's name.
    static func ofMachine(_ file: ByteView) -> [Finding] {
        guard let number = AnyFileHeader.machine(of: file), number != MachineType.amd64 else { return [] }
        let name = Names.machine(number)
        return [
            Finding(
                .note, "machine",
                name.map { "e_machine \(number) is \($0)" }
                    ?? "e_machine is \(number), the number of no known machine",
                [MachineType.aarch64, MachineType.riscv].contains(number)
                    ? "this loader is for x86-64; Hermit's own loader, hermit-loader-aarch64 or -riscv64, boots that one"
                    : name == nil ? "the file may be damaged: copy or build it again" : "Hermit does not run there")
        ]
    }

    /// Why `module` cannot be a shared object that an application needs; nil if it can.
    static func notLibrary(_ module: InputFile) -> String? {
        do {
            let file = ByteView(module.bytes)
            let header = try FileHeader(file)
            switch header.type {
            case .dynamic: return nil
            case .relocatable: return "is an object file, not a shared object"
            case .executable: return "is a program, not a shared object"
            }
        } catch { return "is not a shared object for x86-64" }
    }

    /// The findings in modules that the loader does not use: `used` are the ones that it loads.
    static func unused(_ modules: [(path: String, input: InputFile)], used: [Int]) -> [Finding] {
        modules.indices.filter { !used.contains($0) }.map { index in
            let path = printable(modules[index].path)
            if let sentence = notLibrary(modules[index].input) {
                return Finding(
                    .warning, "module-not-library", "module \(path) \(sentence), so the loader leaves it alone",
                    "give the shared objects that the application needs, and the application itself without --module")
            }
            return Finding(
                .warning, "module-not-needed",
                "nothing needs module \(path): no DT_NEEDED names it, so it is not loaded",
                "leave it out, or link the application with it")
        }
    }

    /// The findings in words among the loader's options that lack the prefix.
    static func withoutPrefix(_ options: String) -> [Finding] {
        options.split(separator: " ").filter { !$0.hasPrefix("loader.") }.map { word in
            Finding(
                .warning, "option-without-prefix",
                "'\(printable(String(word)))' has no effect: options for the loader begin with loader.",
                "give --loader-options loader.\(printable(String(word))), if that is one of docs/options.md")
        }
    }
}

extension HostMachine {
    /// Warnings about the machine, whatever boots there.
    var findings: [Finding] { Finding.withoutPrefix(loaderOptions) + starter.findings }
}
