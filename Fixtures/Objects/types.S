// A word for each relocation number of object files, whatever an assembler would use it for. `.reloc` can name
// any type that the assembler knows; 39, 40, 46 to 49 and 51 are written by the name of another type with the same meaning, and the
// test that boots this gives each relocation the number in its word's name. The addends are chosen so that the value proves that
// the whole formula was computed.

    .macro word number, type, symbol, size
    .globl word_\number
word_\number:
    .reloc ., R_X86_64_\type, \symbol
    .fill \size, 1, 1
    .byte 0xa5
    .endm

    .data
    .globl target
target:
    .quad 0x7461726765742121
    .set eight_bits, 0x42
    .set sixteen_bits, 0x1234
    .globl eight_bits, sixteen_bits, sized
    .type sized, @object
    .size sized, 0x123
sized:
    // Every word is followed by a byte that must not change, so nothing is aligned.
    word 1, 64, target+8, 8
    word 2, PC32, target+8, 4
    word 3, GOT32, target, 4
    word 4, PLT32, target-4, 4
    word 9, GOTPCREL, target-4, 4
    word 10, 32, target+8, 4
    word 11, 32S, target+8, 4
    word 12, 16, sixteen_bits+1, 2
    word 13, PC16, target+8, 2
    .globl near
near:
    word 14, 8, eight_bits+1, 1
    word 15, PC8, near+1, 1
    word 16, DTPMOD64, variable, 8
    word 17, DTPOFF64, variable+3, 8
    word 18, TPOFF64, variable+3, 8
    word 19, TLSGD, variable-4, 4
    word 20, TLSLD, variable-4, 4
    word 21, DTPOFF32, variable+3, 4
    word 22, GOTTPOFF, variable-4, 4
    word 23, TPOFF32, variable+3, 4
    word 24, PC64, target+8, 8
    word 25, GOTOFF64, target+8, 8
    word 26, GOTPC32, _GLOBAL_OFFSET_TABLE_+8, 4
    word 27, GOT64, target, 8
    word 28, GOTPCREL64, target, 8
    word 29, GOTPC64, _GLOBAL_OFFSET_TABLE_, 8
    word 30, GOTPLT64, target, 8
    word 31, PLTOFF64, target+8, 8
    word 32, SIZE32, sized+1, 4
    word 33, SIZE64, sized+1, 8
    word 34, GOTPC32_TLSDESC, variable-4, 4
    word 36, TLSDESC, variable+3, 16
    word 39, PC32, target+8, 4
    word 40, PLT32, target+8, 4
    word 41, GOTPCRELX, target-4, 4
    word 42, REX_GOTPCRELX, target-4, 4
    word 43, CODE_4_GOTPCRELX, target-4, 4
    word 44, CODE_4_GOTTPOFF, variable-4, 4
    word 45, CODE_4_GOTPC32_TLSDESC, variable-4, 4
    word 46, CODE_4_GOTPCRELX, target-4, 4
    word 47, CODE_4_GOTTPOFF, variable-4, 4
    word 48, CODE_4_GOTPC32_TLSDESC, variable-4, 4
    word 49, CODE_4_GOTPCRELX, target-4, 4
    word 50, CODE_6_GOTTPOFF, variable-4, 4
    word 51, CODE_4_GOTPC32_TLSDESC, variable-4, 4
    word 0, NONE, target, 8
    word 35, TLSDESC_CALL, variable, 8

    .section .tdata, "awT", @progbits
    .balign 32
    .quad 1, 2
    .globl variable
    .type variable, @tls_object
variable:
    .quad 3
    .section .tbss, "awT", @nobits
    .balign 8
    .skip 16
