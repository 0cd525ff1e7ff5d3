// memcpy, memmove, memset, memcmp: what the compiler calls by name. String instructions: the CPU knows best.

    .section .text.memcpy, "ax", @progbits
    .globl memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    rep movsb
    ret

    .section .text.memmove, "ax", @progbits
    .globl memmove
memmove:
    mov %rdi, %rax
    mov %rdi, %r8
    sub %rsi, %r8
    cmp %rdx, %r8
    mov %rdx, %rcx
    jb 1f
    rep movsb
    ret
1:  std
    lea -1(%rdi,%rdx), %rdi
    lea -1(%rsi,%rdx), %rsi
    rep movsb
    cld
    ret

    .section .text.memset, "ax", @progbits
    .globl memset
memset:
    mov %rdi, %r8
    mov %esi, %eax
    mov %rdx, %rcx
    rep stosb
    mov %r8, %rax
    ret

    .section .text.memcmp, "ax", @progbits
    .globl memcmp
memcmp:
    mov %rdx, %rcx
    xor %eax, %eax
    test %rcx, %rcx
    jz 1f
    repe cmpsb
    movzbl -1(%rdi), %ecx
    movzbl -1(%rsi), %eax
    sub %ecx, %eax
1:  ret

    .section .note.GNU-stack, "", @progbits
