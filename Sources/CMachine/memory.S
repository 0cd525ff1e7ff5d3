// memcpy, memmove, memset, which the compiler calls by name. They use string instructions, by words: CPUs that move whole cache lines
// in any case lose nothing, and those that do not, or are emulated, do an eighth of the work.

    .section .text.memcpy, "ax", @progbits
    .globl memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    ret

    .section .text.memmove, "ax", @progbits
    .globl memmove
memmove:
    mov %rdi, %r8
    sub %rsi, %r8
    cmp %rdx, %r8
    jae memcpy
    mov %rdi, %rax
    mov %rdx, %rcx
    std
    lea -1(%rdi,%rdx), %rdi
    lea -1(%rsi,%rdx), %rsi
    rep movsb
    cld
    ret

    .section .text.memset, "ax", @progbits
    .globl memset
memset:
    mov %rdi, %r8
    movzbl %sil, %eax
    mov $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    rep stosb
    mov %r8, %rax
    ret

    .section .note.GNU-stack, "", @progbits
