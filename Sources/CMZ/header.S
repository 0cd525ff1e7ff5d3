// The first 4 KiB of the MZ file: a PE32+ header for UEFI firmware, Linux's setup header for boot loaders, and the 16-bit code that
// boot loaders enter. The firmware reads the same bytes as a DOS header, in which only `MZ` and the word at 0x3c count.
//
// Specifications: Microsoft PE/COFF 8.3; UEFI 2.10, 2.1.1; Linux, Documentation/arch/x86/boot.rst (protocol 2.15). mz.ld lays the file out
// so that a file offset is also an offset from where the firmware loads it (an RVA); the numbers that mz.ld computes begin with `mz_`.

    .section .header, "a", @progbits
    .globl mz_start
mz_start:
    .ascii "MZ"
    .org 0x3c
    .long pe_header - mz_start

    .equ MACHINE_X86_64, 0x8664
// EXECUTABLE_IMAGE, LINE_NUMS_STRIPPED, LARGE_ADDRESS_AWARE, DEBUG_STRIPPED. Not RELOCS_STRIPPED: it may be loaded anywhere.
    .equ CHARACTERISTICS, 0x226
    .equ PE32_PLUS, 0x20b
    .equ SUBSYSTEM_EFI_APPLICATION, 10
    .equ DLL_NX_COMPATIBLE, 0x100
    .equ SECTION_ALIGNMENT, 0x1000
    .equ FILE_ALIGNMENT, 0x200
    .equ SECTION_CODE, 0x60000020
    .equ SECTION_CONSTANTS, 0x40000040
    .equ SECTION_DISCARDABLE_CONSTANTS, 0x42000040

pe_header:
    .ascii "PE\0\0"
    .word MACHINE_X86_64
    .word (section_table_end - section_table) / 40
    .long 0, 0, 0
    .word section_table - optional_header
    .word CHARACTERISTICS
optional_header:
    .word PE32_PLUS
    .byte 0, 0
    .long mz_text_size, mz_initialised_size, 0
    .long mz_uefi_entry
    .long mz_text
    .quad 0
    .long SECTION_ALIGNMENT, FILE_ALIGNMENT
    .word 0, 0, 0, 0, 0, 0
    .long 0
    .long mz_memory_size, mz_header_size
    .long 0
    .word SUBSYSTEM_EFI_APPLICATION, DLL_NX_COMPATIBLE
    .quad 0, 0, 0, 0
    .long 0
// Data directories: the table of base relocations is the sixth.
    .long 6
    .quad 0, 0, 0, 0, 0
    .long mz_reloc, mz_reloc_used

// A section: its name, size in memory, address, size in the file, offset in the file, and characteristics.
    .macro section name, memory, start, file, characteristics
1:  .ascii "\name"
    .org 1b + 8
    .long \memory, \start, \file, \start
    .long 0, 0, 0
    .long \characteristics
    .endm
section_table:
    section .linux, mz_payload_size, mz_payload, mz_payload_size, SECTION_CONSTANTS
    section .text, mz_text_size, mz_text, mz_text_size, SECTION_CODE
    section .rodata, mz_rodata_size, mz_rodata, mz_rodata_size, SECTION_CONSTANTS
    section .reloc, mz_reloc_size, mz_reloc, mz_reloc_size, SECTION_DISCARDABLE_CONSTANTS
section_table_end:

    .equ BOOT_FLAG, 0xaa55
    .equ PROTOCOL_VERSION, 0x20f
    .equ LOADED_HIGH, 1
    .equ XLF_KERNEL_64, 1
    .equ PREFERRED_ADDRESS, 0x100000
    .equ ALIGNMENT_BITS, 20

    .org 0x1f1
    .byte mz_setup_sectors
    .word 0
    .long mz_payload_paragraphs
    .word 0, 0xffff, 0
    .word BOOT_FLAG
// Offset 0x200: a jump over the header, whose displacement also gives the header's size.
    .byte 0xeb, setup_header_end - 1f
1:  .ascii "HdrS"
    .word PROTOCOL_VERSION
    .long 0
    .word 0
// No text of a version.
    .word 0
    .byte 0
    .byte LOADED_HIGH
    .word 0
    .long PREFERRED_ADDRESS
    .long 0, 0, 0
    .word 0
    .byte 0, 0
    .long 0
// The highest address of an initrd's last byte, the alignment of the payload, and that it is relocatable, to multiples of 2^20: it then
// lies in one page of 2 MiB.
    .long 0x7fffffff
    .long 1 << ALIGNMENT_BITS
    .byte 1, ALIGNMENT_BITS
    .word XLF_KERNEL_64
// The size of the longest command line.
    .long 0xffff
    .long 0
    .quad 0
    .long 0, 0
    .quad 0
    .quad PREFERRED_ADDRESS
    .long mz_init_size
// No EFI handover: firmware and boot loaders start this file as a UEFI application. No kernel_info.
    .long 0
    .long 0
setup_header_end:

// 16-bit code follows: mz.ld puts setup.S here.

// The base relocations. There are none, since no address needs relocation (mz.ld), but firmware expects a table in a file that it may
// load at any address: it has two entries of the kind that does nothing.
    .section .reloc, "a", @progbits
    .long mz_reloc, 12
    .word 0, 0

    .section .note.GNU-stack, "", @progbits
