// RELATIVE, packed (DT_RELR) or not: pointers to the application's own data and code.

#include "check.h"

static int numbers[130] = {1, 2, 3};
static int function(void) { return 42; }

// Enough for several bitmaps of DT_RELR, with holes in them.
static int *pointers[130] = {
    [0] = &numbers[0], [1] = &numbers[1], [3] = &numbers[3], [62] = &numbers[62], [63] = &numbers[63],
    [64] = &numbers[64], [65] = &numbers[65], [128] = &numbers[128], [129] = &numbers[129],
};
static int (*functions[])(void) = {function, (int (*)(void))((char *)function + 3)};
static struct __attribute__((packed)) {
    char odd;
    int *pointer;
} unaligned = {1, &numbers[7]};

void check_relocations(void) {
    for (int i = 0; i < 130; i++) {
        int **volatile pointer = &pointers[i];
        int isSet = i < 2 || i == 3 || (i >= 62 && i <= 65) || i >= 128;
        check("pointer", (uint64_t)*pointer, isSet ? (uint64_t)&numbers[i] : 0);
    }
    int (**volatile table)(void) = functions;
    check("function", (uint64_t)table[0](), 42);
    check("function + 3", (uint64_t)table[1], (uint64_t)function + 3);
    int *volatile *odd = (int *volatile *)((char *)&unaligned + 1);
    check("unaligned", (uint64_t)*odd, (uint64_t)&numbers[7]);
}
