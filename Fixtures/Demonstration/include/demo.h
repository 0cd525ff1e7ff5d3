// The parts of the demonstration application that cannot be written in Swift.

#ifndef DEMO_H
#define DEMO_H

#include <stdint.h>

extern uint64_t demo_state[4];
extern uint64_t demo_words[3];
extern uint8_t demo_unaligned_word[8];
uint64_t demo_local_anchor(void);
uint64_t demo_anchor_by_got(void);
uint64_t demo_image_start(void);
uint64_t demo_call_by_plt(void);

/// Whether this is the variant whose kernel finds RAM identity-mapped.
uint64_t demo_is_identity(void);

static inline void demo_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t demo_in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint64_t demo_cr0(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}
static inline uint64_t demo_cr3(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
static inline uint64_t demo_cr4(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}
static inline uint64_t demo_efer(void) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
    return (uint64_t)high << 32 | low;
}
static inline uint64_t demo_load(uint64_t address) { return *(volatile uint64_t *)address; }
static inline uint32_t demo_load32(uint64_t address) { return *(volatile uint32_t *)address; }
static inline uint16_t demo_load16(uint64_t address) { return *(volatile uint16_t *)address; }
static inline uint8_t demo_load8(uint64_t address) { return *(volatile uint8_t *)address; }
static inline void demo_store(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }

#endif
