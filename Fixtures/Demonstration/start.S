// The demonstration application's first instructions, its notes, and the words that a loader has to relocate.

    .section .text.start, "ax", @progbits
    .globl _start
    .hidden _start
_start:
// Like the first instructions of a Hermit kernel: fetch from the GOT, which only the loader can have relocated. With a loader that
// skips R_X86_64_GLOB_DAT this stores to address 0.
    movq demo_state@GOTPCREL(%rip), %rax
    movq %rdi, 0(%rax)
    movq %rsi, 8(%rax)
    movq %rsp, 16(%rax)
    addq $0x7ff0, %rsp
    pushfq
    popq 24(%rax)
    xorl %ebp, %ebp
    callq demo_main@PLT
1:  cli
    hlt
    jmp 1b

// rdi, rsi, rsp and rflags at the entry.
    .bss
    .balign 16
    .globl demo_state
    .type demo_state, @object
    .size demo_state, 32
demo_state:
    .skip 32

// One word per relocation that a linked file of this kind has; `anchor` is what they point to.
    .data
    .balign 16
    .globl anchor
    .type anchor, @object
    .size anchor, 16
anchor:
    .quad 0x1122334455667788, 0x99aabbccddeeff00
local_anchor:
    .quad 0x0123456789abcdef
    .globl demo_words
    .hidden demo_words
demo_words:
    .quad local_anchor + 4      // R_X86_64_RELATIVE
    .quad anchor + 8            // R_X86_64_64
    .weak nobody_defines_this
    .quad nobody_defines_this   // R_X86_64_64, weak and undefined
    .byte 0
    .globl demo_unaligned_word
    .hidden demo_unaligned_word
demo_unaligned_word:
    .quad local_anchor          // R_X86_64_RELATIVE at an odd address

// The words' expected values, computed without relocations.
    .text
    .globl demo_local_anchor
    .hidden demo_local_anchor
demo_local_anchor:
    leaq local_anchor(%rip), %rax
    ret
    .globl demo_anchor_by_got
    .hidden demo_anchor_by_got
demo_anchor_by_got:
    movq anchor@GOTPCREL(%rip), %rax
    ret
    .globl demo_is_identity
    .hidden demo_is_identity
demo_is_identity:
#ifdef IDENTITY
    movl $1, %eax
#else
    xorl %eax, %eax
#endif
    ret
    .globl demo_image_start
    .hidden demo_image_start
demo_image_start:
    leaq __ehdr_start(%rip), %rax
    ret
    .hidden __ehdr_start
    .globl demo_call_by_plt
    .hidden demo_call_by_plt
demo_call_by_plt:
    subq $8, %rsp
    callq answer@PLT
    addq $8, %rsp
    ret
    .globl answer
    .type answer, @function
answer:
    movl $42, %eax
    ret

// The template of thread-local storage: initialised words, then zeros, at an alignment of 64.
    .section .tdata.template, "awTR", @progbits
    .balign 64
    .quad 0x746c732d64617461, 0x0a0b0c0d0e0f1011
    .section .tbss.template, "awTR", @nobits
    .balign 8
    .skip 24

    .section .note.hermit.entry-version, "a", @note
    .balign 4
    .long 7, 1, 0x5a00
    .asciz "HERMIT"
    .balign 4
    .byte 4
    .balign 4
#ifdef IDENTITY
// Kernel 0.13.0: RAM is identity-mapped for it.
    .section .note.ABI-tag, "a", @note
    .balign 4
    .long 4, 16, 1
    .asciz "GNU"
    .long 6, 0, 13, 0
#endif
    .section .note.GNU-stack, "", @progbits
