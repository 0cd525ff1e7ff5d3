/*
 * A minimal loader, whose instructions can be counted by hand: a 32-bit Multiboot kernel that prints a line, copies its module to
 * where it runs, and jumps there.
 */
        .code32
        .section .multiboot, "a"
        .balign 4
        .long   0x1badb002, 0, -0x1badb002

        .text
        .globl  _start, say, copy, copy_end
_start: /* Four instructions. */
        cld
        mov     $0x3f8, %edx
        mov     $line, %esi
        mov     $(line_end - line), %ecx
say:    /* Three per byte. */
        lodsb
        out     %al, (%dx)
        loop    say
#ifdef HANGING
hang:
        nop
        jmp     hang
#endif
#ifdef MOVING
        /* Six, and an iteration for each of the code's bytes. */
        mov     $copy, %esi
        mov     $0x180000, %edi
        mov     $(copy_end - copy), %ecx
        rep     movsb
        mov     $0x180000, %eax
        jmp     *%eax
#endif
copy:   /* Eight, and an iteration for each of the module's bytes. */
        mov     24(%ebx), %eax
        mov     (%eax), %esi
        mov     4(%eax), %ecx
        sub     %esi, %ecx
        mov     $PLACE, %edi
        rep     movsb
        mov     $PLACE, %eax
        jmp     *%eax
copy_end:

line:   .ascii  "[PEER] about to jump\r\n"
line_end:

#ifdef ROOM
        /* Code that runs here runs in the loader's own segment. */
        .bss
        .skip   0x1000
#endif
