// Does something that page protection forbids, one thing for each macro; without protection it succeeds.

#include "checks.h"

static const volatile uint64_t constant = 1;
static uint64_t data = 1;
// A function's whole code: ret.
static uint8_t returns[16] = {0xc3};

__attribute__((noinline, used)) static void function(void) { __asm__ volatile("nop"); }

static inline void write(const volatile void *address) { *(volatile uint8_t *)address = *(const volatile uint8_t *)address; }
static inline void execute(const void *address) { ((void (*)(void))address)(); }

_Noreturn void application(const struct boot_info *info) {
    (void)info;
    uint8_t stack[16] = {0xc3};
    __asm__ volatile("" : : "r"(&execute), "r"(stack), "r"(returns), "r"(&data) : "memory");
#if defined(WRITE_CODE)
    write((const volatile void *)function);
#elif defined(WRITE_CONSTANT)
    write(&constant);
#elif defined(EXECUTE_DATA)
    execute(returns);
#elif defined(EXECUTE_STACK)
    execute(stack);
#endif
    // Accesses that are always allowed.
    write(&data);
    write(stack);
    function();
    check(constant == 1, "the constant");
    finish();
}
