/* The application that the peer boots: at the address in EAX, it prints a line, and ends the machine with success, or stays. */
        .code32
        .text
start:
        lea     (line - start)(%eax), %esi
        mov     $0x3f8, %edx
        mov     $(line_end - line), %ecx
say:
        lodsb
        out     %al, (%dx)
        loop    say
#ifdef STAYING
        cli
stay:
        hlt
        jmp     stay
#endif
        mov     $1, %eax
        out     %eax, $0xf4
line:   .ascii  "the application\r\n"
line_end:
