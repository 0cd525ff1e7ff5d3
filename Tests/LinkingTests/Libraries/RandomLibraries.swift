// A program and its libraries, generated at random in assembly language: definitions, their visibility and versions, references
// of every kind, needed libraries, and the linker and options for each file.

import TestSupport

/// A program and up to six libraries.
struct RandomLibraries {
    /// A file.
    struct File {
        /// Its name.
        var name: String
        /// Its definitions, in pieces that can be left out; the part that must stay; its references.
        var definitions: [String] = [], assembly = "", references = ""
        /// The definitions that remain in another version of the file, which the files linked against this one had.
        var remaining: [String] = []
        /// The version script; none if it is empty.
        var versions = ""
        var linker = ""
        var options: [String] = []
        /// The libraries that it is linked against, in this order.
        var needed: [Int] = []
        /// Its definitions that others can see.
        var visible: Set<String> = []
        /// Its functions that also have an older version.
        var older: [String: String] = [:]
        /// Symbols that its code must not refer to by address in another file, since linkers refuse that.
        var guarded: Set<String> = []
    }

    private(set) var program = File(name: "program")
    private(set) var libraries: [File] = []
    /// The libraries that the program needs, directly or not.
    private(set) var reachable: Set<Int> = []
    private var random: SeededGenerator
    private static let versions = ["old", "middle", "new"]
    private static let data = names("data", 10)
    private static let functions = names("function", 10)
    private static let variables = names("thread", 5)
    private static let unique = names("unique", 2)
    private static let absolute = names("absolute", 2)
    /// Symbols without a definition.
    private static let missing = names("datum", 2) + names("foreign", 2)

    private static func names(_ kind: String, _ count: Int) -> [String] { (0..<count).map { "\(kind)\($0)" } }

    /// The files for `seed`.
    init(seed: UInt64, linkers: [String]) {
        random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...6, using: &random)
        for index in 0..<count { libraries.append(library(index, of: count, linkers)) }
        program.linker = linkers.randomElement(using: &random)!
        program.needed = chosen(Array(0..<count), 0.5)
        if program.needed.isEmpty { program.needed = [count - 1] }
        var waiting = program.needed
        while let next = waiting.popLast() {
            if reachable.insert(next).inserted { waiting += libraries[next].needed }
        }
        program.options = commonOptions()
        let isFixed = oneIn(2)
        program.options += isFixed ? ["-no-pie"] : ["-pie"]
        program.options += [
            "--export-dynamic", "--allow-shlib-undefined", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2",
        ]
        var file = program
        define(in: &file, 0.25, isProgram: true)
        file.assembly += ".data\n.balign 8\n.globl events, event_count\nevents: .zero 32\nevent_count: .quad 0\n"
        program = file
        for index in libraries.indices {
            libraries[index].references = references(in: libraries[index], isFixed: false)
        }
        program.references = references(in: program, isFixed: isFixed)
    }

    // MARK: Chance

    private mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// Takes each element of `list` with `probability`, in random order.
    private mutating func chosen<T>(_ list: [T], _ probability: Double) -> [T] {
        var result: [T] = []
        for item in list where Double.random(in: 0..<1, using: &random) < probability { result.append(item) }
        return result.shuffled(using: &random)
    }

    // MARK: Files

    private mutating func library(_ index: Int, of count: Int, _ linkers: [String]) -> File {
        var file = File(name: "lib\(index).so", linker: linkers.randomElement(using: &random)!)
        file.needed = chosen((0..<count).filter { $0 != index }, 0.35)
        file.options = commonOptions() + ["-shared"]
        if !oneIn(5) { file.options += ["-soname", file.name] }
        if file.linker != "ld.gold" {
            file.options += ["-z", "undefs"]
            if oneIn(3) { file.options += ["-z", "pack-relative-relocs"] }
        }
        if oneIn(5) {
            file.options.append("-Bsymbolic")
        } else if oneIn(6) {
            file.options.append("-Bsymbolic-functions")
        }
        if oneIn(2) { file.versions = Self.versions.map { "\($0)\(index) { };\n" }.joined() }
        define(in: &file, 0.4, isProgram: false)
        // Initialisers and finalisers, some by DT_INIT and DT_FINI.
        for (kind, option, array) in [("begin", "init", "init_array"), ("finish", "fini", "fini_array")] {
            for number in 0..<Int.random(in: 0...2, using: &random) {
                file.assembly += """
                    .text
                    \(kind)\(number): movq events@GOTPCREL(%rip), %rax
                    movq event_count@GOTPCREL(%rip), %rcx
                    movq (%rcx), %rdx
                    movb $\(48 + index), (%rax,%rdx)
                    incq (%rcx)
                    ret

                    """
                if number == 1, oneIn(2) {
                    file.options += ["-\(option)", "\(kind)1"]
                    file.assembly += ".globl \(kind)1\n.hidden \(kind)1\n"
                } else {
                    file.assembly += ".section .\(array),\"aw\",@\(array)\n.balign 8\n.quad \(kind)\(number)\n"
                }
            }
        }
        return file
    }

    private mutating func commonOptions() -> [String] {
        var options: [String] = ["--hash-style=\(["gnu", "sysv", "both"].randomElement(using: &random)!)"]
        if oneIn(2) { options += ["-z", "now"] }
        if oneIn(2) { options += ["-z", "norelro"] }
        if oneIn(4) { options += ["-z", "nocombreloc"] }
        return options
    }

    /// Defines symbols of each kind, each with `probability`.
    private mutating func define(in file: inout File, _ probability: Double, isProgram: Bool) {
        for name in chosen(Self.data + Self.functions + Self.variables + Self.absolute, probability) {
            let isFunction = name.hasPrefix("f"), isVariable = name.hasPrefix("t")
            var text = name.hasPrefix("a") || !oneIn(4) ? ".globl \(name)\n" : ".weak \(name)\n"
            var isVisible = true
            if oneIn(6), !name.hasPrefix("a") {
                text += ".protected \(name)\n"
                file.guarded.insert(name)
            } else if oneIn(8), !isProgram, !name.hasPrefix("a") {
                text += ".hidden \(name)\n"
                isVisible = false
            }
            if isVisible { file.visible.insert(name) }
            var label = name
            if isVisible, !file.versions.isEmpty, !file.guarded.contains(name), oneIn(2) {
                // A default version, for a symbol with a name of its own; sometimes an older one as well.
                let index = file.name.dropFirst(3).dropLast(3)
                let version = Int.random(in: 0...2, using: &random)
                label = "own_\(name)"
                text = text.replacing(name, with: label)
                text += ".symver \(label), \(name)@@\(Self.versions[version])\(index), remove\n"
                if version > 0, isFunction, oneIn(2) {
                    let older = "\(Self.versions[Int.random(in: 0..<version, using: &random)])\(index)"
                    file.older[name] = older
                    text += ".text\n.globl past_\(name)\n.type past_\(name), @function\npast_\(name): ret\nnop\n"
                    text += ".symver past_\(name), \(name)@\(older), remove\n"
                }
            }
            let size = 8 * Int.random(in: 1...4, using: &random)
            if name.hasPrefix("a") {
                text += "\(label) = 0x\(String(Int.random(in: 1...0xffff_ffff, using: &random), radix: 16))\n"
            } else if isFunction, !isProgram, oneIn(5) {
                text +=
                    ".text\n.type \(label), @gnu_indirect_function\n\(label): leaq 1f(%rip), %rax\nret\n1: ret\nnop\n"
            } else if isFunction {
                text += ".text\n.type \(label), @function\n\(label): movl $\(size), %eax\nret\n"
            } else {
                let section =
                    isVariable
                    ? (oneIn(2) ? ".section .tdata,\"awT\",@progbits" : ".section .tbss,\"awT\",@nobits") : ".data"
                let alignment = isVariable ? 8 << Int.random(in: 0...3, using: &random) : 8
                text += "\(section)\n.balign \(alignment)\n.type \(label), @\(isVariable ? "tls_object" : "object")\n"
                text += ".size \(label), \(size)\n\(label): .zero \(size)\n"
            }
            file.definitions.append(text)
        }
        // If one of the definitions is a file's own, the dynamic linker's choice depends on the order of relocation.
        for name in chosen(Self.unique, probability) where !isProgram && !file.options.contains("-Bsymbolic") {
            file.visible.insert(name)
            file.definitions.append(
                ".data\n.balign 8\n.type \(name), @gnu_unique_object\n.size \(name), 8\n\(name): .quad 1\n")
        }
        file.remaining = chosen(file.definitions, 0.9)
    }

    /// Adds references to symbols of each kind, by some of the possible ways.
    private mutating func references(in file: File, isFixed: Bool) -> String {
        var assembly = ""
        var seen = program.visible
        var guarded = program.guarded
        for index in reachable {
            // Linkers require that a program's references are defined by the libraries that it is linked against.
            if file.name != program.name || program.needed.contains(index) { seen.formUnion(libraries[index].visible) }
            guarded.formUnion(libraries[index].guarded)
        }
        let definitions = file.definitions.joined()
        let own = Set(
            (Self.data + Self.functions + Self.variables + Self.unique + Self.absolute)
                .filter { definitions.contains("\($0):") || definitions.contains("\($0) =") })
        for index in file.needed {
            for (name, version) in libraries[index].older.sorted(by: { $0.key < $1.key }) where oneIn(3) {
                assembly +=
                    ".symver \(name)_\(version), \(name)@\(version)\n.data\n.balign 8\n.quad \(name)_\(version)\n"
            }
        }
        // Local variables.
        if oneIn(2) {
            assembly += """
                .section .tdata,"awT",@progbits
                .balign 16
                .zero 8
                hidden_variable: .quad 1
                .text
                leaq hidden_variable@tlsld(%rip), %rdi
                call __tls_get_addr@PLT
                leaq hidden_variable@dtpoff(%rax), %rax
                movq hidden_variable@gottpoff(%rip), %rax
                leaq hidden_variable@tlsdesc(%rip), %rax
                call *hidden_variable@tlscall(%rax)

                """
        }
        let all = Self.data + Self.functions + Self.variables + Self.unique + Self.absolute + Self.missing
        for name in chosen(all, 0.5) {
            var text = ""
            let isOwn = own.contains(name)
            let isDefined = isOwn || seen.contains(name)
            // GNU ld treats a library's reference as a strong one when it links a program.
            if file.name == program.name, !isDefined, !Self.missing.contains(name) { continue }
            if !isDefined || !isOwn && oneIn(4) { text += ".weak \(name)\n" }
            for way in chosen(Array(0..<4), 0.5) {
                let index = Int.random(in: 0...1, using: &random) * 8
                switch (name.first!, way) {
                case ("t", 0):
                    text +=
                        ".text\n.byte 0x66\nleaq \(name)@tlsgd(%rip), %rdi\n.value 0x6666\nrex64\ncall __tls_get_addr@PLT\n"
                case ("t", 1): text += ".text\nmovq \(name)@gottpoff(%rip), %rax\n"
                case ("t", 2): text += ".text\nleaq \(name)@tlsdesc(%rip), %rax\ncall *\(name)@tlscall(%rax)\n"
                case ("t", _): break
                case ("f", 0): text += ".data\n.balign 8\n.quad \(name)\n"
                case (_, 0): text += ".data\n.balign 8\n.quad \(name) + \(index)\n"
                case (_, 1): text += ".text\nmovq \(name)@GOTPCREL(%rip), %rax\n"
                case ("f", 2): text += ".text\ncall \(name)@PLT\n"
                case ("d", 2) where file.linker != "ld.gold" && isDefined:
                    text += ".data\n.balign 8\n.quad \(name)@SIZE\n"
                case ("d", 3) where isFixed && !guarded.contains(name),
                    ("f", 3) where isFixed && !guarded.contains(name):
                    text += ".text\nmovl $\(name), %eax\n"
                default: break
                }
            }
            assembly += text
        }
        return assembly
    }
}
