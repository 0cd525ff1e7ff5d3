// The first instructions of every application here, and its notes: entry version 4, Hermit 0.13.0.

    .section .text.start, "ax", @progbits
    .globl _start
_start:
// Like Hermit's own first instructions, through the GOT: with a loader that ignores GLOB_DAT this stores to address 0.
    movq boot_info@GOTPCREL(%rip), %rax
    movq %rdi, (%rax)
// rsp is the low end of the boot stack.
    addq $0x7ff0, %rsp
    call check_relocations
// isa-debug-exit: 1 ends QEMU with status 3, the number of a failed check with another status.
    movb $1, %al
    movb failed_check(%rip), %cl
    testb %cl, %cl
    jz 1f
    movb $0x60, %al
1:  outb %al, $0xf4
    cli
    hlt
    jmp 1b

    .section .note.hermit.entry-version, "a", @note
    .balign 4
    .long 7, 1, 0x5a00
    .asciz "HERMIT"
    .balign 4
    .byte 4
    .balign 4
    .section .note.ABI-tag, "a", @note
    .balign 4
    .long 4, 16, 1
    .asciz "GNU"
    .long 6, 0, 13, 0
    .section .note.GNU-stack, "", @progbits
