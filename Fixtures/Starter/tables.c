// Descriptors and page tables, and the features of the CPU.

#include "starter.h"

extern uint64_t descriptors[64];

static uint64_t pml5[512] __attribute__((aligned(4096)));
static uint64_t pml4[512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t pd[4][512] __attribute__((aligned(4096)));

// Flat segments for the selectors that the loader is entered with, but for fs and gs one that begins elsewhere. 4 GiB mapped to
// themselves in pages of 2 MiB.
void write_tables(struct state *cpu) {
    if (cpu->code >= 4 * 8)
        descriptors[cpu->code / 8] = cpu->efer & 1 << 8 && cpu->cr0 >> 31 ? descriptors[3] : descriptors[1];
    if (cpu->data >= 4 * 8)
        descriptors[cpu->data / 8] = descriptors[2];
    if (cpu->fs >= 4 * 8 && cpu->fs != cpu->data)
        descriptors[cpu->fs / 8] = 0x12cf9b345678ffff & ~(8ull << 40);
    pml5[0] = (uint32_t)pml4 | 3;
    pml4[0] = (uint32_t)pdpt | 3;
    for (uint32_t index = 0; index < 4 * 512; index++) {
        pdpt[index / 512] = (uint32_t)pd[index / 512] | 3;
        // Global, so that loading cr3 flushes nothing; accessed and dirty.
        pd[index / 512][index % 512] = (uint64_t)index << 21 | 0x1e3;
    }
    cpu->cr3 = (uint32_t)(cpu->cr4 & 1 << 12 ? pml5 : pml4);
}

void cpuid(uint32_t leaf, uint32_t result[4]) {
    __asm__ volatile("cpuid" : "=a"(result[0]), "=b"(result[1]), "=c"(result[2]), "=d"(result[3]) : "a"(leaf), "c"(0));
}

// The bits of CR4 that this CPU has (Intel SDM volume 3, 2.5), except those of virtual machines (13, 14), of key locker, and of
// control-flow enforcement (23), which needs CR0.WP.
uint32_t possible_cr4(void) {
    static const struct {
        uint8_t leaf, word, bit, cr4;
    } features[] = {
        {1, 3, 1, 0}, {1, 3, 1, 1},  {1, 3, 4, 2},   {1, 3, 2, 3},   {1, 3, 3, 4},  {1, 3, 6, 5},  {1, 3, 7, 6},  {1, 3, 13, 7},
        {1, 3, 24, 9}, {1, 3, 25, 10}, {7, 2, 2, 11}, {7, 2, 16, 12}, {7, 1, 0, 16}, {1, 2, 17, 17}, {1, 2, 26, 18}, {7, 1, 7, 20},
        {7, 1, 20, 21}, {7, 2, 3, 22}, {7, 2, 31, 24},
    };
    uint32_t bits = 0, last[4];
    cpuid(0, last);
    for (uint32_t index = 0; index < sizeof features / sizeof *features; index++) {
        uint32_t words[4];
        if (features[index].leaf > last[0])
            continue;
        cpuid(features[index].leaf, words);
        if (words[features[index].word] >> features[index].bit & 1)
            bits |= 1u << features[index].cr4;
    }
    return bits;
}
