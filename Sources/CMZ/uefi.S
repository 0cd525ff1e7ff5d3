// The entry from UEFI firmware: from Microsoft's calling convention to System V's. All code is position independent, and no data needs
// relocation (mz.ld).

    .section .text.uefi_entry, "ax", @progbits
    .code64
// rcx = handle of this image, rdx = system table; returns a status in rax. The registers that System V preserves must be preserved, and
// also rdi, rsi and xmm6 to xmm15 (UEFI 2.10, 2.3.4.2).
    .globl uefi_entry
uefi_entry:
    push %rdi
    push %rsi
    sub $(10 * 16 + 8), %rsp
    .irp number, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups %xmm\number, (\number - 6) * 16(%rsp)
    .endr
    mov %rcx, %rdi
    mov %rdx, %rsi
    call uefi_main
    .irp number, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups (\number - 6) * 16(%rsp), %xmm\number
    .endr
    add $(10 * 16 + 8), %rsp
    pop %rsi
    pop %rdi
    ret

    .section .note.GNU-stack, "", @progbits
