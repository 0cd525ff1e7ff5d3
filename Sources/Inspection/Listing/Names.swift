// The names of the numbers of the gABI and of GNU, as in readelf.

import AnyELF
import Architecture
import Diagnostics
import ELF

/// Names of numbers in ELF files; numbers without a name appear in hexadecimal.
enum Names {
    /// The names of e_machine, for machines in use (gABI, chapter "ELF Header"; https://www.sco.com/developers/gabi).
    private static let machines: [UInt16: String] = [
        0: "no machine at all", 2: "SPARC", 3: "i386", 4: "Motorola 68000", 8: "MIPS", 20: "PowerPC",
        21: "64-bit PowerPC", 22: "IBM S/390",
        40: "ARM, 32 bits",
        42: "SuperH", 43: "SPARC V9", 50: "IA-64", 62: "x86-64", 183: "AArch64", 190: "CUDA", 224: "AMD GPUs",
        243: "RISC-V",
        247: "Linux BPF", 252: "C-SKY", 258: "LoongArch",
    ]

    /// The name of the machine with the number `number`; nil if it is not in the table.
    static func machine(_ number: UInt16) -> String? { machines[number] }

    /// p_type of a file for `machine`, without PT_; nil if it has no name.
    static func segment(_ type: UInt32, _ machine: UInt16 = MachineType.amd64) -> Text? {
        if type >= 0x7000_0000 { return processorSegment(type, machine) }
        return switch type {
        case 0: "NULL"
        case 1: "LOAD"
        case 2: "DYNAMIC"
        case 3: "INTERP"
        case 4: "NOTE"
        case 5: "SHLIB"
        case 6: "PHDR"
        case 7: "TLS"
        case 0x6474_e550: "GNU_EH_FRAME"
        case 0x6474_e551: "GNU_STACK"
        case 0x6474_e552: "GNU_RELRO"
        case 0x6474_e553: "GNU_PROPERTY"
        case 0x6474_e554: "GNU_SFRAME"
        default: nil
        }
    }

    /// p_type in the range that belongs to processors.
    private static func processorSegment(_ type: UInt32, _ machine: UInt16) -> Text? {
        switch (machine, type) {
        case (MachineType.mips, 0x7000_0000): "MIPS_REGINFO"
        case (MachineType.mips, 0x7000_0003): "MIPS_ABIFLAGS"
        case (MachineType.arm, 0x7000_0001): "ARM_EXIDX"
        case (MachineType.riscv, 0x7000_0003): "RISCV_ATTRIBUTES"
        default: nil
        }
    }

    /// p_flags, as `rwx`.
    static func segmentFlags(_ flags: UInt32) -> ShortText {
        var letters = ShortText()
        letters.append(flags & ProgramHeader.Flags.read != 0 ? "r" : "-")
        letters.append(flags & ProgramHeader.Flags.write != 0 ? "w" : "-")
        letters.append(flags & ProgramHeader.Flags.execute != 0 ? "x" : "-")
        return letters
    }

    /// sh_type of a file for `machine`, without SHT_; nil if it has no name.
    static func section(_ type: UInt32, _ machine: UInt16 = MachineType.amd64) -> Text? {
        if type >= 0x7000_0000 { return processorSection(type, machine) }
        return switch type {
        case 0: "NULL"
        case 1: "PROGBITS"
        case 2: "SYMTAB"
        case 3: "STRTAB"
        case 4: "RELA"
        case 5: "HASH"
        case 6: "DYNAMIC"
        case 7: "NOTE"
        case 8: "NOBITS"
        case 9: "REL"
        case 10: "SHLIB"
        case 11: "DYNSYM"
        case 14: "INIT_ARRAY"
        case 15: "FINI_ARRAY"
        case 16: "PREINIT_ARRAY"
        case 17: "GROUP"
        case 18: "SYMTAB_SHNDX"
        case 19: "RELR"
        case 0x4000_0014: "CREL"
        case 0x6fff_fff5: "GNU_ATTRIBUTES"
        case 0x6fff_fff6: "GNU_HASH"
        case 0x6fff_fff7: "GNU_LIBLIST"
        case 0x6fff_fffd: "VERDEF"
        case 0x6fff_fffe: "VERNEED"
        case 0x6fff_ffff: "VERSYM"
        default: nil
        }
    }

    /// sh_type in the range that belongs to processors.
    private static func processorSection(_ type: UInt32, _ machine: UInt16) -> Text? {
        switch (machine, type) {
        case (MachineType.amd64, 0x7000_0001): "X86_64_UNWIND"
        case (MachineType.mips, 0x7000_0006): "MIPS_REGINFO"
        case (MachineType.mips, 0x7000_000d): "MIPS_OPTIONS"
        case (MachineType.mips, 0x7000_001e): "MIPS_DWARF"
        case (MachineType.mips, 0x7000_002a): "MIPS_ABIFLAGS"
        case (MachineType.arm, 0x7000_0001): "ARM_EXIDX"
        case (MachineType.arm, 0x7000_0003): "ARM_ATTRIBUTES"
        case (MachineType.riscv, 0x7000_0003): "RISCV_ATTRIBUTES"
        default: nil
        }
    }

    /// sh_flags of a file for `machine`, by readelf's letters.
    static func sectionFlags(_ flags: UInt64, _ machine: UInt16 = MachineType.amd64) -> ShortText {
        var letters = ShortText()
        var rest = flags
        while rest != 0 {
            switch rest & (0 &- rest) {
            case 0x1: letters.append("W")
            case 0x2: letters.append("A")
            case 0x4: letters.append("X")
            case 0x10: letters.append("M")
            case 0x20: letters.append("S")
            case 0x40: letters.append("I")
            case 0x80: letters.append("L")
            case 0x100: letters.append("O")
            case 0x200: letters.append("G")
            case 0x400: letters.append("T")
            case 0x800: letters.append("C")
            case 0x20_0000: letters.append("R")
            // SHF_MASKOS, except flags with their own letter.
            case 0x10_0000...0xfff_ffff: letters.append("o")
            // SHF_X86_64_LARGE.
            case 0x1000_0000: letters.append(machine == MachineType.amd64 ? "l" : "p")
            case 0x2000_0000, 0x4000_0000: letters.append("p")
            case 0x8000_0000: letters.append("E")
            default: break
            }
            rest &= rest &- 1
        }
        return letters
    }

    /// STT_ of st_info.
    static func symbolType(_ type: UInt8) -> Text {
        switch type {
        case 0: "NOTYPE"
        case 1: "OBJECT"
        case 2: "FUNC"
        case 3: "SECTION"
        case 4: "FILE"
        case 5: "COMMON"
        case 6: "TLS"
        case 10: "IFUNC"
        default: "other"
        }
    }

    /// STB_ of st_info.
    static func symbolBinding(_ binding: UInt8) -> Text {
        switch binding {
        case 0: "LOCAL"
        case 1: "GLOBAL"
        case 2: "WEAK"
        case 10: "UNIQUE"
        default: "other"
        }
    }

    /// STV_ of st_other.
    static func symbolVisibility(_ other: UInt8) -> Text {
        switch other & 3 {
        case 1: "INTERNAL"
        case 2: "HIDDEN"
        case 3: "PROTECTED"
        default: "DEFAULT"
        }
    }

    /// d_tag, without DT_, and in hexadecimal if it has no name.
    static func dynamic(_ tag: UInt64) -> String {
        (FaultLocation.name(ofTag: tag) ?? otherDynamic(tag))?.string ?? hex(tag)
    }

    /// The name of a tag that no fault names.
    private static func otherDynamic(_ tag: UInt64) -> Text? {
        switch tag {
        case 0: "NULL"
        case 1: "NEEDED"
        case 3: "PLTGOT"
        case 12: "INIT"
        case 13: "FINI"
        case 14: "SONAME"
        case 15: "RPATH"
        case 16: "SYMBOLIC"
        case 21: "DEBUG"
        case 22: "TEXTREL"
        case 24: "BIND_NOW"
        case 25: "INIT_ARRAY"
        case 26: "FINI_ARRAY"
        case 27: "INIT_ARRAYSZ"
        case 28: "FINI_ARRAYSZ"
        case 29: "RUNPATH"
        case 30: "FLAGS"
        case 32: "PREINIT_ARRAY"
        case 33: "PREINIT_ARRAYSZ"
        case 34: "SYMTAB_SHNDX"
        case 0x4000_0026: "CREL"
        case 0x6000_000f: "ANDROID_REL"
        case 0x6000_0010: "ANDROID_RELSZ"
        case 0x6000_0011: "ANDROID_RELA"
        case 0x6000_0012: "ANDROID_RELASZ"
        case 0x6fff_e000: "ANDROID_RELR"
        case 0x6fff_e001: "ANDROID_RELRSZ"
        case 0x6fff_e003: "ANDROID_RELRENT"
        case 0x6fff_fef6: "TLSDESC_PLT"
        case 0x6fff_fef7: "TLSDESC_GOT"
        case 0x6fff_fff0: "VERSYM"
        case 0x6fff_fff9: "RELACOUNT"
        case 0x6fff_fffa: "RELCOUNT"
        case 0x6fff_fffb: "FLAGS_1"
        case 0x6fff_fffc: "VERDEF"
        case 0x6fff_fffd: "VERDEFNUM"
        case 0x6fff_fffe: "VERNEED"
        case 0x6fff_ffff: "VERNEEDNUM"
        default: nil
        }
    }

    /// The value of a dynamic entry in words, if it is not an address: a number of bytes or entries, flags, or another tag.
    static func dynamicValue(_ tag: UInt64, _ value: UInt64) -> String? {
        switch tag {
        case _ where DynamicTag.isCount(tag): return "\(value)"
        case DynamicTag.pltRelocationKind: return dynamic(value)
        case DynamicTag.flags: return flags(value, ["ORIGIN", "SYMBOLIC", "TEXTREL", "BIND_NOW", "STATIC_TLS"])
        case DynamicTag.moreFlags:
            let names = [
                "NOW", "GLOBAL", "GROUP", "NODELETE", "LOADFLTR", "INITFIRST", "NOOPEN", "ORIGIN", "DIRECT", "TRANS",
                "INTERPOSE", "NODEFLIB", "NODUMP", "CONFALT", "ENDFILTEE", "DISPRELDNE", "DISPRELPND", "NODIRECT",
                "IGNMULDEF", "NOKSYMS", "NOHDR", "EDITED", "NORELOC", "SYMINTPOSE", "GLOBAUDIT", "SINGLETON", "STUB",
                "PIE", "KMOD", "WEAKFILTER", "NOCOMMON",
            ]
            return flags(value, names)
        default: return nil
        }
    }

    /// vd_flags and vna_flags; nil if no bit is set.
    static func versionFlags(_ value: UInt16) -> String? { flags(UInt64(value), ["BASE", "WEAK", "INFO"]) }

    /// The names of the bits that are set, from the lowest on, and one number for those without a name; nil if no bit is set.
    private static func flags(_ value: UInt64, _ names: [String]) -> String? {
        var words = names.indices.filter { value >> UInt64($0) & 1 != 0 }.map { names[$0] }
        let rest = value & ~((1 << UInt64(names.count)) - 1)
        if rest != 0 { words.append(hex(rest)) }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }
}

/// The names of the values of symbols' fields, ready to be written.
struct SymbolCells: Sendable {
    let types = (0..<16).map { ShortText(Names.symbolType($0)) }
    let bindings = (0..<16).map { ShortText(Names.symbolBinding($0)) }
    let visibilities = (0..<4).map { ShortText(Names.symbolVisibility($0)) }
    private let undefined = ShortText("UND")
    private let absolute = ShortText("ABS")
    private let common = ShortText("COM")

    /// The name of st_shndx, if it is not the index of a section.
    @inline(__always)
    func section(_ index: UInt16) -> ShortText? {
        switch index {
        case SectionIndex.undefined: undefined
        case SectionIndex.absolute: absolute
        case SectionIndex.common: common
        default: nil
        }
    }
}
