// The payload, which Linux boot loaders put into memory, at 1 MiB or any other multiple of it, and enter in 32-bit mode at its first byte
// or in 64-bit mode at 0x200. It relocates the loader's image, which it contains, in place, and enters it.
//
// Specification: Linux, Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol": esi or rsi is the address of
// boot_params, segments are flat, paging is off or maps the payload to itself. There is no usable stack.

// The offset of four bytes in boot_params that are scratch space for such code.
    .equ SCRATCH, 0x1e4

// Relocates the image for the place where it lies: mz.ld gives the offsets in the payload of the image, and of the list of its words that
// hold addresses. ebp = address of the payload, preserved; changes eax, ecx, edx, esi, edi. All is below 4 GiB, in 64-bit mode, too.
    .macro move_loader
    lea mz_words_offset(%ebp), %esi
    lea mz_image_offset(%ebp), %edi
    lea mz_image_difference(%ebp), %edx
    mov (%esi), %ecx
1:  add $4, %esi
    mov (%esi), %eax
    add %edx, (%edi, %eax)
    dec %ecx
    jnz 1b
    add $mz_image_file_size, %edi
    mov $mz_image_clear_size, %ecx
    xor %eax, %eax
    cld
    rep stosb
    .endm

    .section .payload, "a", @progbits
    .globl payload
    .code32
payload:
    cli
    lea SCRATCH + 4(%esi), %esp
    call 1f
1:  pop %ebp
    sub $(1b - payload), %ebp
    mov %esi, %ebx
    move_loader
    mov %ebx, %esi
// Not the magic number of any other protocol.
    xor %edi, %edi
    lea mz_entry_linux32(%ebp), %eax
    jmp *%eax

    .org payload + 0x200
    .code64
    cli
    lea payload(%rip), %rbp
    mov %rsi, %rbx
    move_loader
    mov %rbx, %rsi
    lea mz_entry_linux64(%rbp), %rax
    jmp *%rax

// The facts about the image that the UEFI application needs: its offset from here, its sizes in the file and in memory, its start address
// as linked, the offset of the list from here, and the offset in the image of the entry for 64-bit mode.
    .balign 4
    .globl loader_description
loader_description:
    .long mz_image_offset - (loader_description - payload)
    .long mz_image_file_size, mz_image_memory_size, mz_linked_at
    .long mz_words_offset - (loader_description - payload)
    .long mz_entry_long_mode

    .section .note.GNU-stack, "", @progbits
