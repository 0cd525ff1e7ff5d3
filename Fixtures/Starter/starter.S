// The starter's entry and exits: its start, its jump into the loader, and the address that the application returns to.

#include "starter.h"

    .equ MAGIC, 0x1badb002
    .equ FLAGS, 3
    .equ CR0_PG, 1 << 31
    .equ CR4_OSFXSR, 1 << 9
    .equ MSR_EFER, 0xc0000080

    .section .multiboot, "ax", @progbits
    .code32
    .balign 4
    .long MAGIC, FLAGS, -(MAGIC + FLAGS), 0
    .globl starter_return
starter_return:
    mov $stack_top, %esp
    push $0
    popf
    lgdt own_gdt
    ljmp $SELECTOR_CODE_32, $1f
1:  mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    push %esi
    call came_back

    .globl _start
_start:
    mov $stack_top, %esp
    push $0
    popf
    push %ebx
    call starter_main

    .text
    .globl memcpy, memset
memcpy:
    push %esi
    push %edi
    mov 12(%esp), %edi
    mov 16(%esp), %esi
    mov 20(%esp), %ecx
    mov %edi, %eax
    rep movsb
    pop %edi
    pop %esi
    ret
memset:
    push %edi
    mov 8(%esp), %edi
    mov 12(%esp), %eax
    mov 16(%esp), %ecx
    rep stosb
    mov 8(%esp), %eax
    pop %edi
    ret

// Segments, in the mode that the loader is entered in: 64-bit mode takes an ss of 0. state = the register with the state's address.
    .macro load_segments state
    movzwl STATE_DATA(\state), %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    movzwl STATE_FS(\state), %eax
    mov %eax, %fs
    mov %eax, %gs
    .endm

// The part that both modes share. ebp = state. Clobbers eax, ecx, edx.
    .macro prepare
    lgdt own_gdt
    mov $CR4_OSFXSR, %eax
    mov %eax, %cr4
    fldcw STATE_X87_CONTROL(%ebp)
    ldmxcsr STATE_MXCSR(%ebp)
    mov STATE_DR0(%ebp), %eax
    mov %eax, %dr0
    mov STATE_DR7(%ebp), %eax
    mov %eax, %dr7
    mov $MSR_EFER, %ecx
    xor %edx, %edx
    .endm

// enter_32(state)
    .globl enter_32
enter_32:
    mov 4(%esp), %ebp
    prepare
    load_segments %ebp
// The code segment by its selector, from a far pointer.
    mov STATE_CODE(%ebp), %ax
    mov %ax, far_pointer + 4
    movl $1f, far_pointer
    ljmp *far_pointer
1:  mov STATE_EFER(%ebp), %eax
    wrmsr
    mov STATE_CR4(%ebp), %eax
    mov %eax, %cr4
    mov STATE_CR0(%ebp), %eax
    mov %eax, %cr0
    pushl STATE_FLAGS(%ebp)
    popfl
    lgdt STATE_GDT(%ebp)
    lidt STATE_IDT(%ebp)
    mov STATE_TARGET(%ebp), %eax
    mov %eax, far_pointer
    mov 0(%ebp), %eax
    mov 8(%ebp), %ecx
    mov 16(%ebp), %edx
    mov 24(%ebp), %ebx
    mov 32(%ebp), %esp
    mov 48(%ebp), %esi
    mov 56(%ebp), %edi
    mov 40(%ebp), %ebp
    jmp *far_pointer

// enter_64(state): first with only PAE in CR4, and LA57 if wanted, because PCIDE cannot be set earlier.
    .globl enter_64
enter_64:
    mov 4(%esp), %ebp
    prepare
    mov STATE_CR3(%ebp), %eax
    mov %eax, %cr3
    mov STATE_CR4(%ebp), %eax
    and $(1 << 5 | 1 << 12), %eax
    mov %eax, %cr4
    mov STATE_EFER(%ebp), %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    mov STATE_CODE(%ebp), %ax
    mov %ax, far_pointer + 4
    movl $1f, far_pointer
    ljmp *far_pointer
    .code64
1:  mov %ebp, %ebp
    load_segments %rbp
    mov STATE_CR4(%rbp), %rax
    mov %rax, %cr4
    mov STATE_CR0(%rbp), %rax
    mov %rax, %cr0
    mov $stack_top, %esp
    pushq STATE_FLAGS(%rbp)
    popfq
// Limits and bases are of 32 bits there, so with one of 64 from here.
    movzwl STATE_GDT(%rbp), %eax
    mov %ax, wide_table(%rip)
    mov STATE_GDT + 2(%rbp), %eax
    mov %rax, wide_table + 2(%rip)
    lgdt wide_table(%rip)
    movzwl STATE_IDT(%rbp), %eax
    mov %ax, wide_table(%rip)
    mov STATE_IDT + 2(%rbp), %eax
    mov %rax, wide_table + 2(%rip)
    lidt wide_table(%rip)
    mov STATE_TARGET(%rbp), %eax
    mov %rax, target(%rip)
    mov 0(%rbp), %rax
    mov 8(%rbp), %rcx
    mov 16(%rbp), %rdx
    mov 24(%rbp), %rbx
    mov 32(%rbp), %rsp
    mov 48(%rbp), %rsi
    mov 56(%rbp), %rdi
    mov 64(%rbp), %r8
    mov 72(%rbp), %r9
    mov 80(%rbp), %r10
    mov 88(%rbp), %r11
    mov 96(%rbp), %r12
    mov 104(%rbp), %r13
    mov 112(%rbp), %r14
    mov 120(%rbp), %r15
    mov 40(%rbp), %rbp
    jmp *target(%rip)
    .code32

    .data
    .globl own_gdt, descriptors
    .balign 8
own_gdt:
    .word 511
    .long descriptors
far_pointer:
    .long 0
    .word 0
    .balign 8
wide_table:
    .skip 16
target:
    .quad 0
// The first are the starter's own; tables.c adds those that the loader is entered with.
    .balign 8
descriptors:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00af9b000000ffff
    .skip 60 * 8

    .bss
    .balign 16
    .skip 32768
stack_top:

    .section .note.GNU-stack, "", @progbits
