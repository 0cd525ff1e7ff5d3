// Dies at a known place, which the loader must report.

#include "checks.h"

static volatile uint64_t *nowhere = (volatile uint64_t *)0x400000000000;

__attribute__((noinline)) void dies_here(void) { *nowhere = 1; }

_Noreturn void application(const struct boot_info *info) {
    (void)info;
    dies_here();
    finish();
}
