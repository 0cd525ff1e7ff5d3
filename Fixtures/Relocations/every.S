// A dynamic section written by hand: every relocation number that a linked file can hold, in DT_RELA, DT_REL, DT_JMPREL and
// DT_RELR. No linker writes all of these, but a loader must handle any file.

    .equ NEAR, 1
    .equ ABSOLUTE, 2
    .equ VARIABLE, 3
    .equ NOWHERE, 4
    .equ CHOSEN, 5
    .equ HUGE, 6

    .macro symbol name, info, shndx, value, size
    .long \name
    .byte \info, 0
    .short \shndx
    .quad \value, \size
    .endm
    .macro rela place, type, index, addend
    .quad \place
    .long \type, \index
    .quad \addend
    .endm
    .macro rel place, type, index
    .quad \place
    .long \type, \index
    .endm
// A place between bytes that must not change; not aligned, since the psABI requires no alignment.
    .macro place name, size, value=0xee
    .globl \name
    .hidden \name
    .byte 0xee
\name:
    .if \size == 1
    .byte \value
    .elseif \size == 2
    .short \value
    .elseif \size == 4
    .long \value
    .elseif \size == 8
    .quad \value
    .else
    .quad 0xeeeeeeeeeeeeeeee, \value
    .endif
    .byte 0xee
    .endm

    .section .tables, "aw", @progbits
    .balign 8
symbols:
    symbol 0, 0, 0, 0, 0
    symbol 1, 0x11, 1, near, 24
    symbol 6, 0x11, 0xfff1, 0x1234, 0x56
    symbol 15, 0x16, 1, 8, 8
    symbol 24, 0x20, 0, 0, 0
    symbol 32, 0x1a, 1, resolver, 0
    symbol 39, 0x11, 0xfff1, 0x1122334455667788, 0x99
symbols_end:
strings:
    .asciz "", "near", "absolute", "variable", "nowhere", "chosen", "huge"
strings_end:
    .balign 8
hash:
    .long 1, (symbols_end - symbols) / 24, 0
    .zero 4 * 7
    .balign 8
rela:
    rela none, 0, HUGE, 1
    rela a64, 1, HUGE, 0x10
    rela a64_near, 1, NEAR, 3
    rela a64_nowhere, 1, NOWHERE, 5
    rela pc32, 2, NEAR, -4
    rela glob_dat, 6, NEAR, 0x777
    rela relative, 8, 0, near + 2
    rela a32, 10, NEAR, 1
    rela a32s, 11, ABSOLUTE, -0x2000
    rela a16, 12, ABSOLUTE, 0x111
    rela pc16, 13, NEAR, 0
    rela a8, 14, ABSOLUTE, -0x11e0
    rela pc8, 15, NEAR, 0
    rela dtpmod64, 16, VARIABLE, 0
    rela dtpoff64, 17, VARIABLE, 4
    rela tpoff64, 18, VARIABLE, 0
    rela dtpoff32, 21, VARIABLE, 2
    rela tpoff32, 23, VARIABLE, 1
    rela pc64, 24, NEAR, 8
    rela size32, 32, NEAR, 1
    rela size64, 33, HUGE, -1
    rela tlsdesc, 36, VARIABLE, 0
    rela tlsdesc_nowhere, 36, NOWHERE, 0x123
    rela irelative, 37, 0, resolver
    rela chosen64, 1, CHOSEN, 7
    rela chosen_pc32, 2, CHOSEN, -4
    rela relative64, 38, 0, near + 9
rela_end:
rel:
    rel r64, 1, NEAR
    rel r_pc32, 2, NEAR
    rel r_relative, 8, 0
    rel r32, 10, ABSOLUTE
    rel r16, 12, ABSOLUTE
    rel r8, 14, NOWHERE
    rel r_tpoff64, 18, VARIABLE
    rel r_size32, 32, NEAR
    rel r_tlsdesc, 36, VARIABLE
    rel r_irelative, 37, 0
rel_end:
plt:
    rel jump_slot, 7, NEAR
    rel jump_slot_chosen, 7, CHOSEN
plt_end:
relr:
    .quad packed, 0b1011
relr_end:

    .section .dynamic_by_hand, "aw", @progbits
    .balign 8
    .quad 4, hash, 5, strings, 6, symbols, 10, strings_end - strings, 11, 24
    .quad 7, rela, 8, rela_end - rela, 9, 24
    .quad 17, rel, 18, rel_end - rel, 19, 16
    .quad 23, plt, 2, plt_end - plt, 20, 17
    .quad 36, relr, 35, relr_end - relr, 37, 8
    .quad 0, 0

    .section .places, "aw", @progbits
    .globl near
    .hidden near
    place none, 8
    place a64, 8
    place a64_near, 8
    place a64_nowhere, 8
    place pc32, 4
    place glob_dat, 8
    place relative, 8
    place a32, 4
    place a32s, 4
    place a16, 2
    place pc16, 2
    place a8, 1
    place dtpmod64, 8
near:
    place pc8, 1
    place dtpoff64, 8
    place tpoff64, 8
    place dtpoff32, 4
    place tpoff32, 4
    place pc64, 8
    place size32, 4
    place size64, 8
    place tlsdesc, 16
    place tlsdesc_nowhere, 16
    place irelative, 8
    place chosen64, 8
    place chosen_pc32, 4
    place relative64, 8
    place r64, 8, 0x21
    place r_pc32, 4, -4
    place r_relative, 8, near + 5
    place r32, 4, 0x1000
    place r16, 2, -0x1000
    place r8, 1, -3
    place r_tpoff64, 8, 1
    place r_size32, 4, 2
    place r_tlsdesc, 16, 3
    place r_irelative, 8, resolver
    place jump_slot, 8
    place jump_slot_chosen, 8
    .balign 8
    .globl packed
    .hidden packed
packed:
    .quad near, near + 1, near + 2, 0x1111, near + 4

    .section .tdata, "awT", @progbits
    .quad 5, 6
    .section .tbss, "awT", @nobits
    .balign 32
    .zero 8
    .section .note.GNU-stack, "", @progbits
