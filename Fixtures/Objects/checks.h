// Shared by the applications: the entry point, checks, the thread pointer, the machine's end.

#ifndef CHECKS_H
#define CHECKS_H

#include <stdint.h>

// The entry point and the notes, so that an application is one file, compiled once.
__asm__(".include \"start.S\"");

static void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static void print(const char *text) {
    for (; *text; text++) out8(0x3f8, (uint8_t)*text);
}

static int failures __attribute__((unused));

static inline void check(int holds, const char *fact) {
    if (holds) return;
    failures++;
    print("wrong: ");
    print(fact);
    print("\n");
}

// BootInfo as kernels since 0.6 have it.
struct boot_info {
    uint64_t phys_start, phys_end, serial_port, device_tree, image_start, image_end, tls_start, tls_filesz, tls_memsz, tls_align;
};

static inline void set_thread_pointer(const struct boot_info *info) {
    if (info->tls_memsz == 0 || info->tls_memsz > 4096 || info->tls_align > 4096) {
        check(0, "the size of the thread-local block");
        return;
    }
    // The block as kernels make it: aligned, below TP, filled from the template.
    static uint8_t room[8192] __attribute__((aligned(4096)));
    uint64_t distance = (info->tls_memsz + info->tls_align - 1) & ~(info->tls_align - 1);
    uint8_t *tp = room + 4096;
    for (uint64_t i = 0; i < info->tls_filesz; i++) tp[i - distance] = ((const uint8_t *)info->tls_start)[i];
    *(uint64_t *)tp = (uint64_t)tp;
    __asm__ volatile("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)(uint64_t)tp), "d"((uint32_t)((uint64_t)tp >> 32)));
}

// Hidden from the optimiser, so that the values that the loader stored are read.
static inline uint64_t look(const volatile void *pointer) {
    uint64_t value = *(const volatile uint64_t *)pointer;
    __asm__ volatile("" : "+r"(value));
    return value;
}

_Noreturn static inline void finish(void) {
    print(failures ? "object file: failed\n" : "object file: all checks passed\n");
    for (;;) out8(0xf4, failures ? 0 : 1);
}

#endif
