// From the firmware's 32-bit entry to Swift, from exceptions to Swift, and from Swift to the kernel.

    .equ CR0_PE, 1 << 0
    .equ CR0_MP, 1 << 1
    .equ CR0_EM, 1 << 2
    .equ CR0_TS, 1 << 3
    .equ CR0_ET, 1 << 4
    .equ CR0_PG, 1 << 31
    .equ CR4_PAE, 1 << 5
    .equ CR4_OSFXSR_OSXMMEXCPT, 1 << 9 | 1 << 10
    .equ MSR_EFER, 0xc0000080
    .equ EFER_LME, 1 << 8
    .equ CPUID_FXSR_SSE_SSE2, 7 << 24
    .equ SELECTOR_CODE, 0x08
    .equ SELECTOR_DATA, 0x10
    .equ SELECTOR_TSS, 0x18
    .equ PAGE_FAULT, 14
    .equ SIZE_STUB, 4
    .equ SIZE_TSS, 44

// Multiboot 1 header. Flags: page-aligned modules (0), memory map (1), and the address fields (16), without which QEMU
// refuses a 64-bit file.
    .equ MULTIBOOT_MAGIC, 0x1badb002
    .equ MULTIBOOT_FLAGS, 0x10003
    .section .multiboot, "a", @progbits
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
    .long multiboot_header
    .long loader_start
    .long loader_data_end
    .long loader_end
    .long entry_multiboot

// PVH: the Xen note XEN_ELFNOTE_PHYS32_ENTRY.
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad entry_pvh

    .section .text.entry, "ax", @progbits
    .code32
// eax = 0x2badb002, ebx = Multiboot information.
    .globl entry_multiboot
entry_multiboot:
    mov %eax, %edi
    jmp entry32

// ebx = start info.
    .globl entry_pvh
entry_pvh:
    mov $0x336ec578, %edi
entry32:
    cli
    cld

    mov %ebx, %esi
// Swift uses vector registers, also to say what is wrong. CPUs with a 64-bit mode have them, unless QEMU's -cpu takes them away.
    mov $1, %eax
    cpuid
    not %edx
    test $CPUID_FXSR_SSE_SSE2, %edx
    jnz no_long_mode
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode
    mov %esi, %ebx

// Identity-map the first 2 MiB, the loader's own, and leave the rest of 4 GiB to page_fault: the firmware may have put
// anything anywhere there, but a boot touches only a few of its pages.
    mov $boot_pdpt + 3, %eax
    mov %eax, boot_pml4
    mov $boot_pdpt, %ecx
    movl $boot_pd + 0x0003, (%ecx)
    movl $boot_pd + 0x1003, 8(%ecx)
    movl $boot_pd + 0x2003, 16(%ecx)
    movl $boot_pd + 0x3003, 24(%ecx)
    movl $0x83, boot_pd

    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov $(CR4_PAE | CR4_OSFXSR_OSXMMEXCPT), %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    mov $EFER_LME, %eax
    xor %edx, %edx
    wrmsr
    mov $(CR0_PG | CR0_ET | CR0_MP | CR0_PE), %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $SELECTOR_CODE, $start64

// Swift runs in long mode only; this error has to be told without it. The status is that of Rule.Kind.platform.
no_long_mode:
    mov $no_long_mode_text, %esi
    mov $0x16, %bl
    jmp say_and_end

    .code64
// The ELF entry point: for whoever starts the file in long mode. rdi and rsi are not a protocol's, and say so.
    .globl entry64
entry64:
    cli
    cld
    mov $boot_stack_top, %esp
    lgdt gdt_pointer(%rip)
    pushq $SELECTOR_CODE
    pushq $3f
    lretq
3:  call enable_vectors
    xor %edi, %edi
    xor %ebx, %ebx

// edi = protocol, ebx = address of its information.
start64:
    pushq $SELECTOR_DATA
    popq %rax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %esp

// A gate for each of the 32 exceptions, from the last one down; they get a stack of their own (IST 1).
    mov idt_last_gate(%rip), %rax
    pushq $31 * 2
    popq %rcx
1:  mov %rax, idt(, %rcx, 8)
    sub $SIZE_STUB, %rax
    sub $2, %ecx
    jns 1b
    movw $page_fault_low, idt + 16 * PAGE_FAULT
    pushq $SELECTOR_TSS
    popq %rax
    ltr %ax
    lidt idt_pointer

    mov %ebx, %esi
    call boot_main
5:  cli
    hlt
    jmp 5b

// One stub per exception, SIZE_STUB bytes each. The page fault's is never used.
    .globl exception_stubs
exception_stubs:
    .set vector, 0
    .rept 32
    pushq $vector
    jmp exception_common
    .set vector, vector + 1
    .endr

exception_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %cr3, %rax
    push %rax
    mov $boot_pml4, %eax
    mov %rax, %cr3
    call enable_vectors
    cld
// On to the boot stack, which nobody needs any more: page faults while Swift runs overwrite what lies here.
    mov %rsp, %rsi
    mov $boot_stack_top - 24 * 8, %edi
    mov %rdi, %rsp
    mov $17, %ecx
    rep movsq
// Where the CPU has pushed no error code, the vector stands in its place. Interrupts have none, whatever exception has their number.
    cmp $exception_stack_top - 40, %esi
    jb 8f
    sub $8, %rsi
8:  mov $6, %ecx
    rep movsq
    mov %rsp, %rdi
    call loader_exception
    jmp 5b

// Vector registers for Swift, where somebody else decided on them: who started the loader in long mode, or the kernel.
enable_vectors:
    mov %cr0, %rax
    and $~(CR0_EM | CR0_TS), %rax
    mov %rax, %cr0
    mov %cr4, %rax
    or $CR4_OSFXSR_OSXMMEXCPT, %rax
    mov %rax, %cr4
    ret

// cm_enter(rdi = EntryState): see Handoff.swift for the offsets, which a test knows.
    .globl cm_enter
cm_enter:
    cli
    cld
    mov %rdi, %rbx
// No vector registers yet: kernels turn them on.
    mov $CR4_PAE, %eax
    mov %rax, %cr4
// The kernel's GDT, in memory that the image does not overwrite.
    sub $16, %rsp
    movw $23, 6(%rsp)
    mov 32(%rbx), %rax
    mov %rax, 8(%rsp)
    lgdt 6(%rsp)
    mov 24(%rbx), %r8
    mov 0(%rbx), %r9
    mov 8(%rbx), %r11
    mov 16(%rbx), %r12
    mov 56(%rbx), %rdx
    sub 48(%rbx), %rdx
    jnz 6f
    mov %r8, %cr3
    jmp enter_tail

// The loader's own bytes are about to be overwritten: go on from a copy of the tail in the handoff block, under page
// tables that lie behind the staged image. Behind the copy come gates for the 32 exceptions, which all lead to
// `moved_exception` in it.
6:  mov 40(%rbx), %rdi
    mov %rdi, %rax
    lea enter_moving(%rip), %rsi
    mov $(moving_end - enter_moving), %ecx
    rep movsb
    mov %rdi, 8(%rsp)
    movw $(32 * 16 - 1), 6(%rsp)
    lidt 6(%rsp)
    lea (moved_exception - enter_moving)(%rax), %ecx
    pushq $32
    popq %rsi
1:  mov %ecx, (%rdi)
    mov %ecx, 4(%rdi)
    movl $(0x8e00 << 16 | SELECTOR_CODE), 2(%rdi)
    andq $0, 8(%rdi)
    add $16, %rdi
    dec %esi
    jnz 1b
    mov 64(%rbx), %r10
    mov 48(%rbx), %rsi
    mov 72(%rbx), %rdi
    jmp *%rax

// qboot, the firmware of QEMU's microvm, leaves the beginning of this file at address 0, and kernels read at 0x40e the segment of
// the EBDA, whose page they map: there is none.
    .org entry_multiboot + 0x40e - 0x158
    .globl no_ebda
no_ebda:
    .word 0

enter_moving:
    mov %r10, %cr3
    mov %rdx, %rcx
    rep movsb
    mov %r8, %cr3
enter_tail:
    mov %r11, %rsp
    mov %r12, %rdi
    mov %r9, %rax
    xor %esi, %esi
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    jmp *%rax

// An exception after the image has replaced the loader: no more than that can be told. The status is that of Rule.Kind.exception.
moved_exception:
    cld
    lea moved_exception_text(%rip), %rsi
    mov $0x17, %bl
// Says what lies at rsi, unless the serial port keeps it waiting, and ends the machine with the status in bl. The bytes of these
// instructions mean the same in 32-bit mode.
say_and_end:
    mov $1000000, %ecx
9:  lodsb
    test %al, %al
    jz 11f
    mov %al, %ah
    mov $0x3fd, %dx
10: in %dx, %al
    test $0x20, %al
    loopz 10b
    jz 11f
    mov $0x3f8, %dx
    mov %ah, %al
    out %al, %dx
    jmp 9b
11: mov %bl, %al
    out %al, $0xf4
    mov $0xfe, %al
    out %al, $0x64
12: hlt
    jmp 12b
moved_exception_text:
    .asciz "[LOADER] error: CPU exception; the image lies over the loader: link it elsewhere to see where\r\n"
moving_end:

// Maps the 2 MiB page of the first access to it, below 4 GiB and under the loader's own page tables. Every other page
// fault is an exception like the rest.
    .globl page_fault
page_fault:
    push %rax
    push %rcx
    mov %cr3, %rax
    cmp $boot_pml4, %rax
    jne 7f
    testb $1, 16(%rsp)
    jnz 7f
    mov %cr2, %rax
    mov %rax, %rcx
    shr $21, %rcx
    cmp $4 * 512, %rcx
    jae 7f
    and $-0x200000, %eax
    mov $0x83, %al
    mov %rax, boot_pd(, %rcx, 8)
    pop %rcx
    pop %rax
    add $8, %rsp
    iretq
7:  pop %rcx
    pop %rax
    pushq $PAGE_FAULT
    jmp exception_common

    .section .rodata.entry, "a", @progbits
no_long_mode_text:
    .asciz "[LOADER] error: this CPU has no 64-bit mode, or no SSE2; choose another with QEMU's -cpu\r\n"

    .section .data.entry, "aw", @progbits
    .balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_tss:
    .word SIZE_TSS - 1, tss_low
    .byte tss_middle, 0x89, 0, 0
    .quad 0
gdt_end:
// Of the TSS only the address of the first interrupt stack is read, at its end; what would come before is the GDT's.
    .globl tss
    .set tss, gdt_end - 36
    .quad exception_stack_top
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
idt_pointer:
    .word 32 * 16 - 1
    .quad idt
idt_last_gate:
    .word exception_stubs_low + 31 * SIZE_STUB, SELECTOR_CODE, 0x8e01, exception_stubs_high

    .section .bss.entry, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
idt:
    .skip 32 * 16
    .globl cm_serial_buffer
cm_serial_buffer:
    .skip 512
    .balign 16
    .skip 512
exception_stack_top:
    .skip 98304
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
