// Raises one exception for each macro, before it has an IDT of its own.

#include "checks.h"

_Noreturn void application(const struct boot_info *info) {
    (void)info;
#if defined(DIVIDE)
    __asm__ volatile("xor %%eax, %%eax; div %%al" : : : "eax");
#elif defined(INVALID)
    __asm__ volatile("ud2");
#elif defined(VECTOR)
    // CR4.OSFXSR is clear.
    __asm__ volatile("movaps %xmm1, %xmm0");
#elif defined(AVX)
    // CR4.OSXSAVE is clear.
    __asm__ volatile("vxorps %ymm0, %ymm0, %ymm0");
#elif defined(PROTECTION)
    __asm__ volatile("mov %0, %%ds" : : "r"(0x1000));
#elif defined(FLOATING)
    // CR0.NE, and division by zero unmasked.
    uint64_t control;
    uint16_t word = 0x37b;
    __asm__ volatile("mov %%cr0, %0" : "=r"(control));
    __asm__ volatile("mov %0, %%cr0; fninit; fldcw %1; fld1; fldz; fdivrp; fwait" : : "r"(control | 1 << 5), "m"(word));
#elif defined(INTERRUPT)
    __asm__ volatile("int $32");
#elif defined(NUMBER)
    // A page fault's number, but no error code.
    __asm__ volatile("int $14");
#elif defined(CLOCK)
    // The BIOS maps the interval timer's interrupt to the vector of the double fault.
    __asm__ volatile("sti; 1: pause; jmp 1b");
#elif defined(BREAKPOINT)
    __asm__ volatile("int3");
    __builtin_unreachable();
#elif defined(OVERFLOW)
    __asm__ volatile("1: call 1b");
#endif
    finish();
}
