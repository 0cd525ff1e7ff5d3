// Starts the other processors through the trampoline's page, as kernels with SMP do, and counts them.

#include "kernel.h"

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_cr3[], trampoline_counter[];

// QEMU's fw_cfg, item 5: the number of processors.
static uint32_t number_of_processors(void) {
    __asm__ volatile("outw %0, %1" : : "a"((uint16_t)5), "Nd"((uint16_t)0x510));
    const uint32_t low = in8(0x511);
    return low | (uint32_t)in8(0x511) << 8;
}

static uint64_t ticks(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

void start_processors(uint64_t apic) {
    // Kernels before entry version 2 count their processors in BootInfo, later ones in a variable of their own.
    static volatile uint32_t online = 1;
    volatile uint32_t *counter = boot.cpu_online ? boot.cpu_online : &online;
    const uint32_t expected = number_of_processors();

    __builtin_memcpy((void *)TRAMPOLINE, trampoline_start, (uint64_t)(trampoline_end - trampoline_start));
    store64(TRAMPOLINE + (uint64_t)(trampoline_cr3 - trampoline_start), read_cr3());
    store64(TRAMPOLINE + (uint64_t)(trampoline_counter - trampoline_start), (uint64_t)counter);
    if (expected > 1) {
        // INIT, then STARTUP at page 8, to all processors except this one.
        *(volatile uint32_t *)(apic + 0x300) = 0xc4500;
        for (const uint64_t start = ticks(); ticks() - start < 1 << 24;) {
        }
        *(volatile uint32_t *)(apic + 0x300) = 0xc4608;
    }
    for (const uint64_t start = ticks(); *counter < expected && ticks() - start < 1ull << 34;)
        __asm__ volatile("pause");
    print("fixture: processors: ");
    print_decimal(*counter);
    print("\n");
    check_equal(*counter, expected, "every processor starts through page 0x8000");
}
