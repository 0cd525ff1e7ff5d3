// The 16-bit part of Linux's boot protocol: asks the BIOS for the memory map, enables the address line A20, and enters the payload in
// 32-bit mode. Boot loaders that know the memory map themselves skip it.
//
// It is entered by a far jump with ds, es and ss at the header's segment, and a stack in it (Linux, Documentation/arch/x86/boot.rst,
// "Running the kernel"). boot_params lies past it in the same segment: Documentation/arch/x86/zero-page.rst.

    .equ SETUP_HEADER, 0x1f1
    .equ SETUP_HEADER_SIZE, SETUP_CODE - SETUP_HEADER
    .equ CODE32_START, 0x214
// The offset of this code in the file, right after the header.
    .equ SETUP_CODE, 0x26c
// An address past the 4 KiB that boot loaders read, in the 32 KiB that they leave to 16-bit code.
    .equ BOOT_PARAMS, 0x1000
    .equ E820_COUNT, 0x1e8
    .equ E820_TABLE, 0x2d0
    .equ E820_CAPACITY, 128
    .equ E820_ENTRY, 20
    .equ SMAP, 0x534d4150
    .equ CR0_PE, 1
    .equ SELECTOR_CODE, 0x10
    .equ SELECTOR_DATA, 0x18
    .equ PORT_KEYBOARD_DATA, 0x60
    .equ PORT_KEYBOARD, 0x64
    .equ PORT_SYSTEM_CONTROL, 0x92
    .equ PORT_DELAY, 0x80
// The number of reads of a port before a keyboard controller counts as absent, and of checks whether A20 is enabled.
    .equ PATIENCE, 0x8000

    .section .setup, "a", @progbits
    .code16
    .globl setup_entry
setup_entry:
    cli
    cld
// Code, too, is addressed from the start of the segment: until here cs was 0x20 higher.
    push %ds
    push $(1f - setup_entry + SETUP_CODE)
    lret
1:  mov %ds, %ax
    mov %ax, %es

// boot_params, all zeros except the header.
    mov $BOOT_PARAMS, %di
    mov $4096 / 4, %cx
    xor %eax, %eax
    rep stosl
    mov $SETUP_HEADER, %si
    mov $BOOT_PARAMS + SETUP_HEADER, %di
    mov $SETUP_HEADER_SIZE, %cx
    rep movsb
    sti

// INT 15h, E820h: an entry of the memory map for each call, until ebx is 0 again.
    xor %ebx, %ebx
    mov $BOOT_PARAMS + E820_TABLE, %di
1:  mov $0xe820, %eax
    mov $E820_ENTRY, %ecx
    mov $SMAP, %edx
    int $0x15
    jc 2f
    cmp $SMAP, %eax
    jne 2f
    add $E820_ENTRY, %di
    incb BOOT_PARAMS + E820_COUNT
    cmpb $E820_CAPACITY, BOOT_PARAMS + E820_COUNT
    je 2f
    test %ebx, %ebx
    jnz 1b
2:

// A20: on most machines it is enabled. Otherwise try the BIOS, then the keyboard controller, then port 0x92, and check after each.
    call is_a20_open
    jne 4f
    mov $0x2401, %ax
    int $0x15
    call is_a20_open
    jne 4f
    cli
    call wait_for_keyboard
    mov $0xd1, %al
    out %al, $PORT_KEYBOARD
    call wait_for_keyboard
    mov $0xdf, %al
    out %al, $PORT_KEYBOARD_DATA
    call wait_for_keyboard
    mov $0xff, %al
    out %al, $PORT_KEYBOARD
    call wait_for_keyboard
    call is_a20_open
    jne 4f
    in $PORT_SYSTEM_CONTROL, %al
    or $2, %al
    and $0xfe, %al
    out %al, $PORT_SYSTEM_CONTROL
    call is_a20_open
    jne 4f
    mov $(a20_text - setup_entry + SETUP_CODE), %si
3:  lodsb
    test %al, %al
    jz 5f
    mov $0x0e, %ah
    mov $7, %bx
    int $0x10
    jmp 3b
5:  hlt
    jmp 5b

4:  cli
// NMIs off, because there is no interrupt table in protected mode.
    mov $0x80, %al
    out %al, $0x70
    out %al, $PORT_DELAY
    xor %ebx, %ebx
    mov %ds, %bx
    shl $4, %ebx
    lea (gdt - setup_entry + SETUP_CODE)(%ebx), %eax
    mov %eax, (gdt_pointer - setup_entry + SETUP_CODE + 2)
    lgdt (gdt_pointer - setup_entry + SETUP_CODE)
    lea BOOT_PARAMS(%ebx), %esi
    lea (in_protected_mode - setup_entry + SETUP_CODE)(%ebx), %eax
    mov %eax, (far_pointer - setup_entry + SETUP_CODE)
    mov CODE32_START, %ebp
    mov $CR0_PE, %eax
    mov %eax, %cr0
    ljmpl *(far_pointer - setup_entry + SETUP_CODE)

    .code32
in_protected_mode:
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov %ebp, %eax
    xor %ebp, %ebp
    xor %edi, %edi
    xor %ebx, %ebx
    jmp *%eax

    .code16
// Checks whether the byte at 0x500 and the one 1 MiB above it are different bytes: then the zero flag is clear. Checks often, because some
// machines enable A20 slowly.
is_a20_open:
    push %ds
    push %es
    xor %ax, %ax
    mov %ax, %ds
    dec %ax
    mov %ax, %es
    mov $PATIENCE, %cx
    mov 0x500, %dl
1:  incb 0x500
    out %al, $PORT_DELAY
    mov %es:0x510, %al
    cmp 0x500, %al
    loope 1b
    mov %dl, 0x500
    pop %es
    pop %ds
    ret

// Waits until the keyboard controller accepts a byte.
wait_for_keyboard:
    mov $PATIENCE, %cx
1:  in $PORT_KEYBOARD, %al
    test $2, %al
    out %al, $PORT_DELAY
    loopnz 1b
    ret

a20_text:
    .asciz "[LOADER] error: the address line A20 does not open\r\n"
    .balign 4
// Flat segments at the selectors that the protocol names.
gdt:
    .quad 0, 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long 0
far_pointer:
    .long 0
    .word SELECTOR_CODE

    .section .note.GNU-stack, "", @progbits
