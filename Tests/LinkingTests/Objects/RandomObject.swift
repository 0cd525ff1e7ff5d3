// An object file, generated at random in assembly language: sections of every kind, symbols of every
// binding in them, and relocations of every type that the linker knows against them.

import TestSupport

/// The assembly of an object file.
struct RandomObject {
    private var random: SeededGenerator
    /// The assembler's input.
    private(set) var assembly =
        ".globl _start\n.text\n_start: leaq _GLOBAL_OFFSET_TABLE_(%rip), %rax\nret\nabsolute0 = 0x12\nabsolute1 = 0x1234\n.globl absolute1\n"
    /// Symbols in memory, and those of them that are thread-local.
    private var symbols: [String] = [], variables: [String] = []
    /// The sections that can have relocations.
    private static let places = [
        (".text", "ax"), (".text.cold", "ax"), (".rodata", "a"), (".rodata.other", "a"), (".data", "aw"),
        (".data.rel", "aw"), ("list", "aw"),
    ]
    private static let bindings = [".local", ".globl", ".globl", ".weak"]

    /// The file for `seed`, for GNU ld or another linker.
    init(seed: UInt64, isGNU: Bool) {
        random = SeededGenerator(seed: seed)
        for (name, flags) in Self.places.shuffled(using: &random) { define(name, flags, "progbits") }
        define(".bss", "aw", "nobits")
        define(".tdata", "awT", "progbits")
        define(".tbss", "awT", "nobits")
        for number in [0, 7, 65535] where oneIn(2) {
            assembly +=
                ".section .init_array\(number == 0 ? "" : ".\(number)"),\"aw\",@init_array\n.balign 8\n.quad _start\n"
        }
        assembly += ".weak nobody\n.weak nothing\n.comm common, 24, 16\n"
        for (name, flags) in Self.places.shuffled(using: &random) { relocate(name, flags, isGNU) }
    }

    private mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// Some labels, with some bytes after each.
    private mutating func define(_ name: String, _ flags: String, _ type: String) {
        assembly += ".section \(name),\"\(flags)\",@\(type)\n"
        for number in 0..<Int.random(in: 1...5, using: &random) {
            let label = "\(name.filter { $0 != "." })_\(number)"
            if flags.contains("T") { variables.append(label) } else { symbols.append(label) }
            let binding = Self.bindings.randomElement(using: &random)!
            let size = Int.random(in: 1...40, using: &random)
            let kind = flags.contains("T") ? "tls_object" : flags.contains("x") ? "function" : "object"
            assembly += ".balign \(1 << Int.random(in: 0...6, using: &random))\n\(binding) \(label)\n"
            if binding != ".local", oneIn(4) { assembly += ".hidden \(label)\n" }
            assembly += ".type \(label), @\(kind)\n.size \(label), \(size)\n\(label): "
            assembly +=
                type == "nobits" ? ".zero \(size)\n" : ".fill \(size), 1, \(Int.random(in: 0...255, using: &random))\n"
        }
    }

    /// Some places with relocations.
    private mutating func relocate(_ name: String, _ flags: String, _ isGNU: Bool) {
        assembly += ".section \(name),\"\(flags)\",@progbits\n"
        let isCode = flags.contains("x")
        for _ in 0..<Int.random(in: 5...40, using: &random) {
            let symbol = symbols.randomElement(using: &random)!
            let variable = variables.randomElement(using: &random)!
            let addend = Int.random(in: -40...40, using: &random)
            func word(_ size: Int, _ type: String, _ symbol: String) -> String {
                ".reloc ., R_X86_64_\(type), \(symbol) + \(addend)\n.zero \(size)\n"
            }
            switch Int.random(in: 0..<30, using: &random) {
            case 0: assembly += word(8, "64", symbol)
            case 1: assembly += word(4, "PC32", symbol)
            case 2: assembly += word(4, "PLT32", symbol)
            case 3: assembly += word(4, "32", symbol)
            case 4: assembly += word(4, "32S", symbol)
            case 5: assembly += word(8, "PC64", symbol)
            case 6: assembly += word(1, "8", "absolute0")
            case 7: assembly += word(2, "16", ["absolute0", "absolute1"].randomElement(using: &random)!)
            case 8: assembly += "1: .fill 3, 1, 0x90\n.reloc ., R_X86_64_PC8, 1b\n.zero 1\n"
            case 9: assembly += "1: .fill 3, 1, 0x90\n.reloc ., R_X86_64_PC16, 1b + \(addend)\n.zero 2\n"
            case 10: assembly += word(8, "GOTOFF64", symbol)
            case 11: assembly += ".reloc ., R_X86_64_SIZE64, \(symbol) + 4\n.zero 8\n"
            case 12: assembly += ".reloc ., R_X86_64_SIZE32, \(symbol) + 4\n.zero 4\n"
            case 13: assembly += word(4, "TPOFF32", variable)
            case 14: assembly += word(8, "TPOFF64", variable)
            // In data, lld takes them for offsets from TP; GNU ld does not support the second in code.
            case 15 where isCode || isGNU: assembly += word(4, "DTPOFF32", variable)
            case 16 where isCode != isGNU: assembly += word(8, "DTPOFF64", variable)
            case 17:
                assembly += word(8, "64", ["nobody", "nothing", "common", "absolute1"].randomElement(using: &random)!)
            case 18 where isCode:
                assembly += "movq \(symbol)@GOTPCREL(%rip), %r\(Int.random(in: 8...15, using: &random))\n"
            case 19 where isCode: assembly += "call *\(symbol)@GOTPCREL(%rip)\n"
            case 20 where isCode: assembly += "call \(symbol)\njmp \(symbol)@PLT\nleaq \(symbol)(%rip), %rbx\n"
            case 21 where isCode:
                assembly +=
                    ".byte 0x66\nleaq \(variable)@tlsgd(%rip), %rdi\n.value 0x6666\nrex64\ncall __tls_get_addr@PLT\n"
            case 22 where isCode:
                assembly +=
                    "leaq \(variable)@tlsld(%rip), %rdi\ncall __tls_get_addr@PLT\nleaq \(variable)@dtpoff(%rax), %rcx\n"
            case 23 where isCode: assembly += "movq %fs:0, %rax\nleaq \(variable)@tpoff(%rax), %rax\n"
            case 25 where isCode:
                assembly += "movq \(variable)@gottpoff(%rip), %r\(Int.random(in: 8...15, using: &random))\n"
            case 26 where isCode: assembly += "leaq \(variable)@tlsdesc(%rip), %rax\ncall *\(variable)@tlscall(%rax)\n"
            case 27: assembly += ".reloc ., R_X86_64_GOT\(isGNU && oneIn(2) ? "PLT" : "")64, \(symbol)\n.zero 8\n"
            case 28: assembly += word(8, "PLTOFF64", symbol)
            case 24: assembly += ".quad __start_list, __stop_list\n"
            default: assembly += ".quad \(symbol) - .\n.long \(symbol) - .\n"
            }
        }
    }
}
