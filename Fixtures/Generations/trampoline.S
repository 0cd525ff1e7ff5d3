// The code with which other processors start: copied to page 0x8000, entered in real mode, switches to long mode with the kernel's cr3.

    .equ TRAMPOLINE, 0x8000

    .section .rodata
    .globl trampoline_start, trampoline_end, trampoline_cr3, trampoline_counter
    .hidden trampoline_start, trampoline_end, trampoline_cr3, trampoline_counter
    .balign 16
    .code16
trampoline_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl TRAMPOLINE + (descriptors_pointer - trampoline_start)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x18, $(TRAMPOLINE + (protected - trampoline_start))
    .code32
protected:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $0x20, %eax
    movl %eax, %cr4
    movl TRAMPOLINE + (trampoline_cr3 - trampoline_start), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmpl $0x08, $(TRAMPOLINE + (long - trampoline_start))
    .code64
long:
    movq TRAMPOLINE + (trampoline_counter - trampoline_start), %rax
    lock incl (%rax)
1:  cli
    hlt
    jmp 1b

    .balign 8
// Null, 64-bit code at 8, data at 0x10, 32-bit code at 0x18.
descriptors:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
descriptors_pointer:
    .word descriptors_pointer - descriptors - 1
    .long TRAMPOLINE + (descriptors - trampoline_start)
    .balign 8
// The kernel fills these in, in the copy.
trampoline_cr3:
    .quad 0
trampoline_counter:
    .quad 0
trampoline_end:

    .section .note.GNU-stack, "", @progbits
