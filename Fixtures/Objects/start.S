// The beginning of every object file application: a stack, and the notes of a Hermit kernel of entry version 4 that expects
// identity-mapped RAM. Included by the assembly sources, and combined with the others by `ld -r`.

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    leaq 0x7ff0(%rsp), %rsp
    xorl %ebp, %ebp
    call application
    .size _start, . - _start

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
    .long 6, 0, 13, 2
    .section .note.GNU-stack, "", @progbits
