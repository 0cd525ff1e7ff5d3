// An application that returns to the starter and reports the state in which it was entered: entry version 4, all RAM mapped to
// itself.

#include "starter.h"

    .section .note.hermit.entry, "a", @note
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

    .text
    .globl _start
_start:
    mov %rsp, observed + 64(%rip)
    lea 0x8000(%rsp), %rsp
    pushfq
    popq observed(%rip)
    mov %rdi, observed + 56(%rip)
    mov %cr0, %rax
    mov %rax, observed + 8(%rip)
    mov %cr4, %rax
    mov %rax, observed + 16(%rip)
// Enable vector registers, as kernels do before they use them.
    or $(1 << 9), %eax
    mov %rax, %cr4
    mov %dr7, %rax
    mov %rax, observed + 32(%rip)
    mov $0xc0000080, %ecx
    lea observed + 24(%rip), %rbx
    call read_msr
    mov $0xc0000100, %ecx
    lea observed + 40(%rip), %rbx
    call read_msr
    mov $0xc0000101, %ecx
    lea observed + 48(%rip), %rbx
    call read_msr
    mov %cs, observed + 72(%rip)
    mov %ds, observed + 74(%rip)
    mov %es, observed + 76(%rip)
    mov %ss, observed + 78(%rip)
    mov %fs, observed + 80(%rip)
    mov %gs, observed + 82(%rip)
    fnstcw observed + 84(%rip)
    stmxcsr observed + 88(%rip)

// Leave 64-bit mode.
    lea observed(%rip), %esi
    lea gdt(%rip), %rax
    mov %rax, gdt_pointer + 2(%rip)
    lgdt gdt_pointer(%rip)
    lea 1f(%rip), %eax
    mov %eax, far_pointer(%rip)
    ljmpl *far_pointer(%rip)
    .code32
1:  mov $0x11, %eax
    mov %eax, %cr0
    mov $STARTER_RETURN, %eax
    jmp *%eax
    .code64

read_msr:
    rdmsr
    mov %eax, (%rbx)
    mov %edx, 4(%rbx)
    ret

    .data
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
gdt_pointer:
    .word 15
    .quad 0
far_pointer:
    .long 0
    .word 8
    .balign 8
observed:
    .skip 92

    .section .note.GNU-stack, "", @progbits
