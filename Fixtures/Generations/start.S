// A fixture kernel's first instructions, like those of Hermit's kernels of its generation, its notes, its TLS template, and words
// that a loader has to relocate.

    .section .text.start, "ax", @progbits
    .globl _start
    .hidden _start
_start:
// Hermit's first instructions load statics through the GOT: relocations must have been applied by now.
    movq entry_rdi@GOTPCREL(%rip), %rax
    movq %rdi, (%rax)
    movq entry_rsi@GOTPCREL(%rip), %rax
    movq %rsi, (%rax)
    movq entry_rsp@GOTPCREL(%rip), %rax
    movq %rsp, (%rax)
#if GENERATION >= 2
// rsp is the low end of the boot stack.
    addq $0x7ff0, %rsp
#else
#if GENERATION == 0
// These kernels' _start has a prologue, which uses the loader's stack.
    pushq %rbp
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %rbx
#endif
// current_stack_address of BootInfo is the low end of the boot stack.
    movq 0x38(%rdi), %rsp
    addq $0x7ff0, %rsp
#endif
    pushfq
    popq %rcx
    movq entry_rflags@GOTPCREL(%rip), %rax
    movq %rcx, (%rax)
    xorl %ebp, %ebp
    callq kernel_main
1:  cli
    hlt
    jmp 1b

// Segment registers, from the GDT that the loader left.
    .text
    .globl reload_segments
    .hidden reload_segments
reload_segments:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    popq %rax
    pushq $0x08
    pushq %rax
    lretq

    .balign 16
    .globl exception_stubs
    .hidden exception_stubs
exception_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    pushq $vector
    jmp exception_common
    .set vector, vector + 1
    .endr
exception_common:
    movq %rsp, %rdi
    andq $-16, %rsp
    callq exception

    .data
    .balign 8
    .globl entry_rdi, entry_rsi, entry_rsp, entry_rflags
entry_rdi:
    .quad -1
entry_rsi:
    .quad -1
entry_rsp:
    .quad -1
entry_rflags:
    .quad -1

// Words for R_X86_64_RELATIVE, one of them at an odd address.
    .globl relocated_words
    .hidden relocated_words
relocated_words:
    .quad entry_rdi + 4
    .quad _start
    .byte 0
    .quad relocated_words

// Initialised words, then zeros, at an alignment of 64.
    .section .tdata, "awT", @progbits
    .balign 64
    .quad 0x746c732d64617461, 0x0a0b0c0d0e0f1011
    .byte 0x7f
    .section .tbss, "awT", @nobits
    .balign 8
    .skip 24

#if GENERATION >= 1
    .section .note.hermit.entry-version, "a", @note
    .balign 4
    .long 7, 1, 0x5a00
    .asciz "HERMIT"
    .balign 4
    .byte GENERATION
    .balign 4
#endif
#ifdef IDENTITY
// Which kernel this is: 0.IDENTITY.2.
    .section .note.ABI-tag, "a", @note
    .balign 4
    .long 4, 16, 1
    .asciz "GNU"
    .long 6, 0, IDENTITY, 2
#endif
    .section .note.GNU-stack, "", @progbits
