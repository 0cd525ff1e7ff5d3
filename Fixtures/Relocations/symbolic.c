// 64, GLOB_DAT, JUMP_SLOT: symbols of the application's own dynamic symbol table, weak undefined ones, absolute ones.

#include "check.h"

int exported[4] = {7, 8, 9};
extern int nowhere[] __attribute__((weak));
extern int nowhere_called(int) __attribute__((weak));
extern char absolute[];
__asm__(".globl absolute\n.set absolute, 0x123456789abcdef0");
int called(int a) { return a * 3; }

int *pointers[] = {&exported[0], &exported[2], nowhere, nowhere + 4};
int (*functions[])(int) = {called, nowhere_called};
char *absolutes[] = {absolute, absolute + 1};

// Addresses without relocations: hidden aliases of the symbols, relative to the instruction.
extern HIDDEN int exported_here[4] __attribute__((alias("exported")));
extern HIDDEN int called_here(int) __attribute__((alias("called")));

void check_relocations(void) {
    int **volatile pointer = pointers;
    int (**volatile function)(int) = functions;
    char **volatile constant = absolutes;
    check("64", (uint64_t)pointer[0], (uint64_t)&exported_here[0]);
    check("64 + A", (uint64_t)pointer[1], (uint64_t)&exported_here[2]);
    check("64, weak undefined", (uint64_t)pointer[2], 0);
    check("64 + A, weak undefined", (uint64_t)pointer[3], 16);
    check("GLOB_DAT", exported[1], 8);
    check("GLOB_DAT, weak undefined", (uint64_t)nowhere, 0);
    check("64, function", (uint64_t)function[0], (uint64_t)called_here);
    check("64, weak undefined function", (uint64_t)function[1], 0);
    check("JUMP_SLOT", called(5), 15);
    check("64, absolute", (uint64_t)constant[0], 0x123456789abcdef0);
    check("64 + A, absolute", (uint64_t)constant[1], 0x123456789abcdef1);
    check("BootInfo", boot_info->image_start <= (uint64_t)&exported_here[0], 1);
}
