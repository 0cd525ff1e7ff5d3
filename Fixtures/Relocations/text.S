// Text relocations: 64 in the middle of instructions, in a segment that is not writable.

    .text
    .globl move_address
move_address:
    movabsq $target, %rax
    ret
    .globl move_own
move_own:
    movabsq $hidden_target + 1, %rax
    ret
    .data
    .globl target
    .globl hidden_target
    .hidden hidden_target
target:
hidden_target:
    .quad 0
    .section .note.GNU-stack, "", @progbits
