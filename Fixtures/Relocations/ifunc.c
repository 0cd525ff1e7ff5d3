// IRELATIVE and STT_GNU_IFUNC: the implementation that a function in the application chooses, after everything else is relocated.

#include "check.h"

HIDDEN int first_choice(int a) { return a + 1; }
HIDDEN int second_choice(int a) { return a + 2; }

static int (*const choices[])(int) = {first_choice, second_choice};
static const int *volatile which = &(const int){1};
static int calls;

/// Needs relocations of other kinds to have been applied, and SSE to be enabled.
HIDDEN int (*resolver(void))(int) {
    __asm__ volatile("pxor %%xmm0, %%xmm0\n\tmovq %%xmm0, %0" : "=m"(*&(uint64_t){0}) : : "memory");
    calls++;
    int (*const *volatile table)(int) = choices;
    return table[*which];
}

__asm__(".globl chosen, resolved_here\n"
        ".type chosen, @gnu_indirect_function\n"
        ".set chosen, resolver\n"
        ".type chosen_here, @gnu_indirect_function\n"
        ".set chosen_here, resolver\n"
        ".data\n"
        ".globl places\n"
        "places: .quad chosen, chosen + 5, chosen_here\n"
        ".text\n");
extern int chosen(int);
extern HIDDEN int chosen_here(int);
extern HIDDEN uint64_t places[];

void check_relocations(void) {
    uint64_t *volatile table = places;
    check("called through the PLT", chosen(10), 12);
    check("called through the PLT, local", chosen_here(20), 22);
    int (*function)(int) = (int (*)(int))table[0];
    check("called through a pointer", function(30), 32);
    check("S + A", table[1], table[0] + 5);
    function = (int (*)(int))table[2];
    check("called through a pointer, local", function(40), 42);
    check("resolver was called", calls > 0, 1);
}
