// From the starter to Swift, from exceptions to Swift, and from Swift to the kernel.
//
// At entry the code relies only on the state that every specification promises. In 32-bit mode: no paging, and flat segments in cs,
// ds, es and ss (Multiboot 0.6.96, 3.2; Xen, x86/HVM direct boot ABI). In 64-bit mode: this file is mapped to itself (Linux, x86 boot
// protocol). Stack, descriptor tables, flags, all other registers, and bits of control registers are unknown, so nothing can be pushed
// and no exception handled until the loader has set up its own. There is no defence against a set trap flag, which would trap at the
// first instruction, or against NMIs. Memory types (PAT, MTRRs) stay: they only change how fast memory is.

    .equ CR0_PE, 1 << 0
    .equ CR0_MP, 1 << 1
    .equ CR0_EM, 1 << 2
    .equ CR0_TS, 1 << 3
    .equ CR0_ET, 1 << 4
    .equ CR0_PG, 1 << 31
    .equ CR4_PAE, 1 << 5
    .equ CR4_OSFXSR_OSXMMEXCPT, 1 << 9 | 1 << 10
    .equ CR4_LA57, 1 << 12
    .equ MSR_EFER, 0xc0000080
    .equ EFER_LME, 1 << 8
    .equ PAGE_PRESENT_WRITABLE, 3
    .equ PAGE_2MIB, 0x80 | PAGE_PRESENT_WRITABLE
    .equ SELECTOR_CODE, 0x08
    .equ SELECTOR_DATA, 0x10
    .equ SELECTOR_TSS, 0x18
    .equ SELECTOR_CODE_32, 0x28
    .equ EXCEPTIONS, 32
    .equ PAGE_FAULT, 14
    .equ ALIAS_BIT, 39
    .equ PAGE_SIZE, 4096
    .equ TABLE_ENTRIES, 512
    .equ LARGE_PAGE_BITS, 21
    .equ SIZE_STUB, 8
    .equ SIZE_GATE, 16
    .equ SIZE_DESCRIPTOR, 8
    .equ SIZE_TSS, 104
// The exception frame (struct cm_exception_frame): the words that the stubs and exception_common push, then those of the CPU: an error
// code, which only some exceptions have, and the words from rip to ss.
    .equ FRAME_PUSHED, 18
    .equ FRAME_BY_CPU, 6
    .equ FRAME_ALWAYS_BY_CPU, 5
    .equ SIZE_EXCEPTION_FRAME, (FRAME_PUSHED + FRAME_BY_CPU) * 8
// The words of an EntryState.
    .equ STATE_INSTRUCTION_POINTER, 0
    .equ STATE_STACK_POINTER, 8
    .equ STATE_BOOT_INFO, 16
    .equ STATE_PAGE_TABLE, 24
    .equ STATE_DESCRIPTOR_TABLE, 32
    .equ STATE_TRAMPOLINE, 40
    .equ STATE_STAGED_START, 48
    .equ STATE_STAGED_END, 56
    .equ STATE_MOVING_PAGE_TABLE, 64
    .equ STATE_IMAGE_START, 72
// An interrupt gate, present; and one that uses the first of the TSS's interrupt stacks.
    .equ GATE, 0x8e00
    .equ GATE_IST1, GATE | 1

// CPUID 1, edx; the compiler may use any of x86-64's instructions. And CPUID 0x80000001, edx: long mode. The same bit of leaf 1 has
// another meaning, which does not matter here.
    .equ CPUID_MSR, 5
    .equ CPUID_PAE, 6
    .equ CPUID_CMOV, 15
    .equ CPUID_FXSR, 24
    .equ CPUID_SSE, 25
    .equ CPUID_SSE2, 26
    .equ CPUID_LONG_MODE, 29
    .equ CPUID_NEEDED, 1 << CPUID_MSR | 1 << CPUID_PAE | 1 << CPUID_CMOV | 1 << CPUID_FXSR | 1 << CPUID_SSE | 1 << CPUID_SSE2 | \
        1 << CPUID_LONG_MODE
// CPUID 1, ecx: there is a hypervisor; leaf 0x40000000 has its name. The first four letters of Xen's, in ebx: XenV.
    .equ CPUID_HYPERVISOR, 31
    .equ CPUID_HYPERVISOR_NAME, 0x40000000
    .equ NAME_XEN, 0x566e6558

    .equ PORT_DEBUG_EXIT, 0xf4
    .equ PORT_KEYBOARD, 0x64
    .equ KEYBOARD_RESET, 0xfe
    .equ PORT_SLEEP_CONTROL, 0x600
    .equ SLEEP_POWER_OFF, 0x34
    .equ PORT_PM1A_CONTROL, 0x604
    .equ PM1A_POWER_OFF, 1 << 13
    .equ DELAYS, 0x10000
    .equ PORT_SERIAL, 0x3f8
    .equ PORT_SERIAL_STATUS, PORT_SERIAL + 5
    .equ SERIAL_EMPTY, 0x20
    .equ SERIAL_PATIENCE, 1000000
// Rule.Kind.platform and Rule.Kind.exception.
    .equ STATUS_PLATFORM, 0x16
    .equ STATUS_EXCEPTION, 0x17

// Sends the text at esi (rsi), up to its 0, to the serial port; gives up if the port is not ready for too long.
    .macro say
    mov $SERIAL_PATIENCE, %ecx
.Lbyte\@:
    lodsb
    test %al, %al
    jz .Ldone\@
    mov %al, %ah
    mov $PORT_SERIAL_STATUS, %edx
.Lwait\@:
    in %dx, %al
    test $SERIAL_EMPTY, %al
    loopz .Lwait\@
    jz .Ldone\@
    mov $PORT_SERIAL, %edx
    mov %ah, %al
    out %al, %dx
    jmp .Lbyte\@
.Ldone\@:
    .endm

// Ends the machine, with the status in edi if there is a device for it. The order avoids a reset, and so a boot loop, on every machine
// that can be ended in another way:
// - QEMU's isa-debug-exit takes the status, and ends at once.
// - Without a hypervisor the CPU halts: the output can still be read, and a reset would lead here again.
// - Cloud Hypervisor powers off by ACPI's sleep control register (SLP_EN, SLP_TYP 5). On QEMU's pc and q35 that port has status bits,
//   which are cleared by writing ones: that does no harm, as nothing waits for them.
// - QEMU's pc and q35 power off by ACPI's PM1a_CNT (SLP_EN, SLP_TYP 0), where SeaBIOS puts it. Both get a moment to do so: the time
//   of many reads of a port.
// - Firecracker, crosvm and kvmtool end when the keyboard controller is told to reset the CPU; other machines that have one do reset.
// - Xen powers off when the last CPU halts with interrupts off; after a triple fault it would restart.
// - A triple fault resets all others.
// `no_idt` is the address of an IDT's limit and base, all zeros.
    .macro end_machine no_idt
    cli
    mov %edi, %eax
    out %al, $PORT_DEBUG_EXIT
    mov $1, %eax
    cpuid
    bt $CPUID_HYPERVISOR, %ecx
    jnc .Lhalt\@
    mov $PORT_SLEEP_CONTROL, %edx
    mov $SLEEP_POWER_OFF, %eax
    out %al, %dx
    mov $PORT_PM1A_CONTROL, %edx
    mov $PM1A_POWER_OFF, %eax
    out %ax, %dx
    mov $DELAYS, %ecx
    mov $PORT_SERIAL_STATUS, %edx
.Ldelay\@:
    in %dx, %al
    loop .Ldelay\@
    mov $KEYBOARD_RESET, %al
    out %al, $PORT_KEYBOARD
    mov $CPUID_HYPERVISOR_NAME, %eax
    cpuid
    cmp $NAME_XEN, %ebx
    je .Lhalt\@
    lidt \no_idt
    int3
.Lhalt\@:
    hlt
    jmp .Lhalt\@
    .endm

// The value of eax at entry by Multiboot 1 and 2; and for PVH, which has none, the first word of its start info.
    .equ MAGIC_MULTIBOOT, 0x2badb002
    .equ MAGIC_MULTIBOOT2, 0x36d76289
    .equ MAGIC_PVH, 0x336ec578

// Multiboot 1 header: page-aligned modules, a memory map, and the address fields, without which QEMU refuses a 64-bit file.
    .equ MULTIBOOT_MAGIC, 0x1badb002
    .equ MULTIBOOT_PAGE_ALIGN, 1 << 0
    .equ MULTIBOOT_MEMORY_INFO, 1 << 1
    .equ MULTIBOOT_ADDRESS_FIELDS, 1 << 16
    .equ MULTIBOOT_FLAGS, MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO | MULTIBOOT_ADDRESS_FIELDS
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

// Multiboot 2 header, without addresses: the program headers list what to load. Tags, each with a type, flags and a size: a request for the
// memory map; one for ACPI's root pointers, optional because there may be none; page-aligned modules; the end.
    .equ MULTIBOOT2_MAGIC, 0xe85250d6
    .equ MULTIBOOT2_I386, 0
    .equ HEADER_TAG_END, 0
    .equ HEADER_TAG_INFORMATION_REQUEST, 1
    .equ HEADER_TAG_MODULE_ALIGN, 6
    .equ HEADER_TAG_OPTIONAL, 1 << 0
    .equ TAG_MEMORY_MAP, 6
    .equ TAG_ACPI_OLD, 14
    .equ TAG_ACPI_NEW, 15
    .section .text.multiboot2, "ax", @progbits
    .balign 8
multiboot2_header:
    .long MULTIBOOT2_MAGIC, MULTIBOOT2_I386, multiboot2_end - multiboot2_header
    .long -(MULTIBOOT2_MAGIC + MULTIBOOT2_I386 + (multiboot2_end - multiboot2_header))
    .word HEADER_TAG_INFORMATION_REQUEST, 0
    .long 12, TAG_MEMORY_MAP
    .long 0
    .word HEADER_TAG_INFORMATION_REQUEST, HEADER_TAG_OPTIONAL
    .long 16, TAG_ACPI_OLD, TAG_ACPI_NEW
    .word HEADER_TAG_MODULE_ALIGN, 0
    .long 8
    .word HEADER_TAG_END, 0
    .long 8
multiboot2_end:

// PVH: the Xen note.
    .equ XEN_ELFNOTE_PHYS32_ENTRY, 18
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad entry_pvh

    .section .text.entry, "ax", @progbits
    .code32
// Multiboot: eax = its magic number, ebx = its information. This is also e_entry, where starters enter that use the ELF header: in
// 32-bit mode with the registers of Multiboot (SYSLINUX) or of Linux, or in 64-bit mode with those of Linux.
    .globl entry_multiboot
entry_multiboot:
    cli
    mov %eax, %edi
// The byte 0x40 is `inc %eax` in 32-bit mode; in 64-bit mode it is a prefix that does not change the `nop`.
    xor %eax, %eax
    .byte 0x40
    nop
    jz entry_linux64
    cmp $MAGIC_MULTIBOOT, %edi
    je entry32
    cmp $MAGIC_MULTIBOOT2, %edi
    je entry32
// No register identifies Linux's protocol: the reader of boot_params has to check.
    mov %esi, %ebx
    jmp entry32

// Only Linux in 32-bit mode: esi = boot_params.
    .globl entry_linux32
entry_linux32:
    cli
    xor %edi, %edi
    mov %esi, %ebx
    jmp entry32

    .code64
// Linux in 64-bit mode: rsi = boot_params. Leaves 64-bit mode, since five-level page tables (LA57), for instance, can only be left that
// way, and continues as in 32-bit mode, except for the upper half of rsi.
    .globl entry_linux64
entry_linux64:
    cli
    mov %esi, %ebx
    shr $32, %rsi
    mov %esi, information_high(%rip)
    xor %edi, %edi
// The same with edi = the protocol's magic number, ebx = the address of its information: for the code of the MZ file that has moved the
// loader here (Sources/CMZ).
    .globl entry_long_mode
entry_long_mode:
    lgdt gdt_pointer(%rip)
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
// Clears all of CR4 except what cannot change in this mode: with PCIDE, CR0.PG could not be cleared, and with CET, CR0.WP could not.
    mov %cr4, %rax
    and $(CR4_PAE | CR4_LA57), %eax
    mov %rax, %cr4
    ljmpl *without_paging(%rip)
    .code32
paging_off:
    mov $(CR0_ET | CR0_PE), %eax
    mov %eax, %cr0
    jmp entry32

// PVH: ebx = start info.
    .globl entry_pvh
entry_pvh:
    cli
    mov $MAGIC_PVH, %edi

// edi = the protocol's magic number, ebx = the address of its information. From here on there are a stack, clear flags (DF, NT, AC) and
// no breakpoints.
entry32:
    mov $boot_stack_top, %esp
    push $0
    popf
    xor %eax, %eax
    mov %eax, %dr7

    mov %ebx, %esi
    mov $1, %eax
    cpuid
    mov %edx, %ebp
    and $~(1 << CPUID_LONG_MODE), %ebp
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb 1f
    mov $0x80000001, %eax
    cpuid
    and $(1 << CPUID_LONG_MODE), %edx
    or %edx, %ebp
1:  not %ebp
    and $CPUID_NEEDED, %ebp
    jnz unfit_cpu

// Identity-map the 2 MiB page that the loader lies in, and leave the rest of 4 GiB to page_fault: the firmware may have put its
// structures anywhere there, but a boot touches only a few pages. The same 4 GiB are mapped a second time, at 1 << ALIAS_BIT: Swift
// reads and writes memory there, where the byte at address 0 has an address that is not a null pointer.
    movl $boot_pdpt + PAGE_PRESENT_WRITABLE, boot_pml4
    movl $boot_pdpt + PAGE_PRESENT_WRITABLE, boot_pml4 + 8
    mov $boot_pdpt, %ecx
    .irp number, 0, 1, 2, 3
    movl $boot_pd + \number * PAGE_SIZE + PAGE_PRESENT_WRITABLE, \number * 8(%ecx)
    .endr
    mov $loader_start, %eax
    shr $LARGE_PAGE_BITS, %eax
    lea boot_pd(, %eax, 8), %ecx
    shl $LARGE_PAGE_BITS, %eax
    or $PAGE_2MIB, %eax
    mov %eax, (%ecx)

// Whole values are written, so that bits set by the starter are cleared. CR4 comes first, for the reasons given above.
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

// ebp = the features that the CPU lacks. Swift runs only in long mode, so this message is written without it.
unfit_cpu:
    mov $unfit_text, %esi
    call say32
    mov $feature_names, %ebx
    mov $first_separator, %edi
1:  movzbl (%ebx), %eax
    inc %ebx
    bt %eax, %ebp
    jnc 2f
    mov %edi, %esi
    call say32
    mov %ebx, %esi
    call say32
    mov $separator, %edi
2:  cmpb $0, (%ebx)
    lea 1(%ebx), %ebx
    jne 2b
    cmp $feature_names_end, %ebx
    jb 1b
    mov $unfit_advice, %esi
    call say32
    mov $STATUS_PLATFORM, %edi
    end_machine no_idt

say32:
    say
    ret

    .code64
// edi = the protocol's magic number, esi = the address of its information; the upper halves are unknown.
start64:
    mov %esi, %esi
    mov information_high, %eax
    shl $32, %rax
    or %rax, %rsi
// Load a segment first, so that the bases of fs and gs are 0 whatever they were; then the null selector.
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %esp
    fninit
    ldmxcsr mxcsr_at_reset(%rip)

// A gate for each exception; its first half in rax: the low half of the stub's address, the selector, the kind, the high half of the
// address. The second half is 0. All use a stack of their own (IST 1).
    mov $exception_stubs, %eax
    mov %eax, %edx
    shr $16, %edx
    shl $48, %rdx
    movzwl %ax, %eax
    or %rdx, %rax
    mov $(GATE_IST1 << 32 | SELECTOR_CODE << 16), %rdx
    or %rdx, %rax
    mov $idt, %ecx
1:  mov %rax, (%rcx)
    add $SIZE_STUB, %rax
    add $SIZE_GATE, %ecx
    cmp $idt_end, %ecx
    jb 1b
    lidt idt_pointer
    mov $tss, %eax
    mov %ax, gdt_tss + 2
    shr $16, %eax
    mov %al, gdt_tss + 4
    mov %ah, gdt_tss + 7
    mov $SELECTOR_TSS, %eax
    ltr %ax

    call boot_main
5:  hlt
    jmp 5b

// Qboot, the firmware of QEMU's microvm, leaves the beginning of this file at address 0. Kernels read the segment of the EBDA at 0x40e
// and map its page; 0 tells them that there is no EBDA. The linker script puts this word there.
    .section .text.ebda, "ax", @progbits
    .globl no_ebda
no_ebda:
    .word 0

    .section .stubs, "ax", @progbits
// One stub per exception. `.org` checks that it has at most SIZE_STUB bytes: it cannot go back. With this alignment the low half of
// the stubs' addresses does not overflow, whatever page the loader begins at.
    .balign SIZE_STUB * EXCEPTIONS
    .globl exception_stubs
exception_stubs:
    .set vector, 0
    .rept EXCEPTIONS
    .if vector == PAGE_FAULT
    jmp page_fault
    .else
    pushq $vector
    jmp exception_common
    .endif
    .set vector, vector + 1
    .org exception_stubs + SIZE_STUB * vector
    .endr

    .section .text.machine, "ax", @progbits
// Maps a 2 MiB page at the first access to it, if it is below 4 GiB or in the alias of that, and the page tables are the loader's own.
// Any other page fault is an exception like the rest.
page_fault:
    push %rax
    push %rcx
    mov %cr3, %rax
    cmp $boot_pml4, %rax
    jne 7f
    testb $1, 16(%rsp)
    jnz 7f
    mov %cr2, %rax
    btr $ALIAS_BIT, %rax
    mov %rax, %rcx
    shr $LARGE_PAGE_BITS, %rcx
    cmp $4 * TABLE_ENTRIES, %rcx
    jae 7f
    and $-(1 << LARGE_PAGE_BITS), %eax
    or $PAGE_2MIB, %eax
    mov %rax, boot_pd(, %rcx, 8)
    pop %rcx
    pop %rax
    add $8, %rsp
    iretq
7:  pop %rcx
    pop %rax
    pushq $PAGE_FAULT

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
    mov %cr4, %rdx
    push %rdx
    mov $boot_pml4, %eax
    mov %rax, %cr3
// Enable vector registers for Swift, whatever the kernel's setting.
    mov %cr0, %rax
    and $~(CR0_EM | CR0_TS), %rax
    mov %rax, %cr0
    or $CR4_OSFXSR_OSXMMEXCPT, %rdx
    mov %rdx, %cr4
    cld
// Continue on the boot stack, which is no longer needed: page faults while Swift runs overwrite this stack. Copy the words pushed here,
// with the vector last,
    mov %rsp, %rsi
    mov $boot_stack_top - SIZE_EXCEPTION_FRAME, %edi
    mov %rdi, %rsp
    mov $FRAME_PUSHED, %ecx
    rep movsq
// then the words that the CPU pushed. If it pushed no error code, the vector takes its place. Interrupts have none, whichever exception has
// their number.
    cmp $exception_stack_top - FRAME_ALWAYS_BY_CPU * 8, %esi
    jb 8f
    sub $8, %rsi
8:  mov $FRAME_BY_CPU, %ecx
    rep movsq
    mov %rsp, %rdi
    call loader_exception
    jmp 5b

// cm_enter(rdi = EntryState), which is described in EntryState.swift.
    .globl cm_enter
cm_enter:
    cli
    cld
    mov %rdi, %rbx
// Vector registers are off: kernels enable them.
    mov $CR4_PAE, %eax
    mov %rax, %cr4
// The kernel's GDT, in memory that the image does not overwrite.
    sub $16, %rsp
    movw $(3 * SIZE_DESCRIPTOR - 1), 6(%rsp)
    mov STATE_DESCRIPTOR_TABLE(%rbx), %rax
    mov %rax, 8(%rsp)
    lgdt 6(%rsp)
    mov STATE_PAGE_TABLE(%rbx), %r8
    mov STATE_INSTRUCTION_POINTER(%rbx), %r9
    mov STATE_STACK_POINTER(%rbx), %r11
    mov STATE_BOOT_INFO(%rbx), %r12
    mov STATE_STAGED_END(%rbx), %rdx
    sub STATE_STAGED_START(%rbx), %rdx
    mov STATE_MOVING_PAGE_TABLE(%rbx), %r10
    test %r10, %r10
    jnz 6f
    mov %r8, %cr3
    jmp enter_tail

// The loader's own bytes are about to be overwritten, or are not mapped for the kernel: continue in a copy of the tail in the handoff
// block, under page tables that lie after the staged image, or the kernel's if nothing is to be moved. After the copy come gates for
// the 32 exceptions, which all lead to its `moved_exception`.
6:  mov STATE_TRAMPOLINE(%rbx), %rdi
    mov %rdi, %rax
    lea enter_moving(%rip), %rsi
    mov $(moving_end - enter_moving), %ecx
    rep movsb
    mov %rdi, 8(%rsp)
    movw $(EXCEPTIONS * SIZE_GATE - 1), 6(%rsp)
    lidt 6(%rsp)
    lea (moved_exception - enter_moving)(%rax), %ecx
    mov $EXCEPTIONS, %esi
1:  mov %ecx, (%rdi)
    mov %ecx, 4(%rdi)
    movl $(GATE << 16 | SELECTOR_CODE), 2(%rdi)
    andq $0, 8(%rdi)
    add $SIZE_GATE, %rdi
    dec %esi
    jnz 1b
    mov STATE_STAGED_START(%rbx), %rsi
    mov STATE_IMAGE_START(%rbx), %rdi
    jmp *%rax

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

// An exception after the loader was overwritten, or unmapped: nothing else is left to report.
moved_exception:
    cld
    lea moved_exception_text(%rip), %rsi
    say
    mov $STATUS_EXCEPTION, %edi

// cm_end(edi = status)
    .globl cm_end
cm_end:
    end_machine no_idt(%rip)
moved_exception_text:
    .asciz "[LOADER] error: CPU exception; the loader is no longer there: link the image above it to see where\r\n"
no_idt:
    .skip 10
moving_end:

    .section .rodata.entry, "a", @progbits
unfit_text:
    .asciz "[LOADER] error: this CPU lacks"
first_separator:
    .asciz " "
separator:
    .asciz ", "
unfit_advice:
    .asciz ", which the loader needs; choose another model (QEMU's -cpu)\r\n"
feature_names:
    .byte CPUID_LONG_MODE
    .asciz "a 64-bit mode"
    .byte CPUID_PAE
    .asciz "PAE"
    .byte CPUID_MSR
    .asciz "MSR"
    .byte CPUID_CMOV
    .asciz "CMOV"
    .byte CPUID_FXSR
    .asciz "FXSR"
    .byte CPUID_SSE
    .asciz "SSE"
    .byte CPUID_SSE2
    .asciz "SSE2"
feature_names_end:

    .section .data.entry, "aw", @progbits
    .balign 16
// Segments are marked as accessed; otherwise the CPU would set the mark, in a page that may be read-only. start64 fills in the address
// of the TSS.
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_tss:
    .word SIZE_TSS - 1, 0
    .byte 0, 0x89, 0, 0
    .quad 0
    .quad 0x00cf9b000000ffff
gdt_end:
tss:
    .skip 36
    .quad exception_stack_top
    .skip SIZE_TSS - 36 - 8 - 2
// No I/O permission map.
    .word SIZE_TSS
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
idt_pointer:
    .word EXCEPTIONS * SIZE_GATE - 1
    .quad idt
without_paging:
    .long paging_off
    .word SELECTOR_CODE_32
    .balign 4
mxcsr_at_reset:
    .long 0x1f80

    .section .bss.entry, "aw", @nobits
    .balign PAGE_SIZE
boot_pml4:
    .skip PAGE_SIZE
boot_pdpt:
    .skip PAGE_SIZE
boot_pd:
    .skip 4 * PAGE_SIZE
idt:
    .skip EXCEPTIONS * SIZE_GATE
idt_end:
// The upper half of the information's address, if the loader was entered in 64-bit mode.
information_high:
    .skip 8
    .globl cm_serial_buffer
cm_serial_buffer:
    .skip 512
    .balign 16
    .skip 512
exception_stack_top:
    .skip 98304
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
