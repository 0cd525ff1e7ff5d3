// Shared by the parts of a fixture kernel: checks, the machine's registers, and BootInfo.

#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stdint.h>

// GENERATION is the entry version; IDENTITY, for kernels of version 4 that expect identity-mapped RAM, is the kernel's minor
// version: 0.11 reads no reservations and knows no pages of 1 GiB.
#ifdef IDENTITY
#define IS_RECURSIVE 0
#define READS_RESERVATIONS (IDENTITY >= 12)
#else
#define IS_RECURSIVE 1
#define READS_RESERVATIONS 0
#endif
#define HAS_DEVICE_TREE (GENERATION >= 3)

enum {
    PAGE = 0x1000,
    LARGE_PAGE = 0x200000,
    STACK_SIZE = 0x8000,
    TRAMPOLINE = 0x8000,
    PRESENT = 1 << 0,
    WRITABLE = 1 << 1,
    WRITE_THROUGH = 1 << 3,
    UNCACHED = 1 << 4,
    HUGE = 1 << 7,
};
#define NO_EXECUTE (1ull << 63)
#define ADDRESS_MASK 0x000ffffffffff000ull
#define DEVICE_HOLE_START 0xfec00000ull
#define DEVICE_HOLE_END 0xfee01000ull

struct range {
    uint64_t start, end;
};

static inline bool overlaps(struct range a, struct range b) { return a.start < b.end && b.start < a.end; }
static inline bool contains(struct range outer, struct range inner) {
    return outer.start <= inner.start && inner.end <= outer.end;
}

// Registers as they were at the entry.
extern uint64_t entry_rdi, entry_rsi, entry_rsp, entry_rflags;

// The contents of BootInfo, independent of the layout.
struct boot_info {
    struct range image, tls;
    uint64_t tls_memsz, tls_align, stack, device_tree, multiboot, command_line, command_line_size;
    volatile uint32_t *cpu_online;
    struct range bytes;
};
extern struct boot_info boot;
// Whether the loader gave pages the permissions of their segments, and whether these include execution.
extern bool is_protected, has_no_execute;
// The flags of a page table entry that the CPU knows: all, or all but NO_EXECUTE.
extern uint64_t known_flags;
// The image's 2 MiB pages: kernels take whole ones for their own.
extern struct range kernel;

// RAM according to the source that this generation's kernels read, and the ranges that they leave alone.
enum { LIST_CAPACITY = 64 };
struct list {
    struct range ranges[LIST_CAPACITY];
    unsigned count;
};
extern struct list memory, reservations;

// console.c
void print(const char *text);
void print_hex(uint64_t value);
void print_decimal(uint64_t value);
void print_bytes(const char *text, uint64_t count);
// Counts a fact that must hold; prints it only if it does not.
void check(bool holds, const char *fact);
void check_equal(uint64_t value, uint64_t expected, const char *fact);
_Noreturn void finish(void);
void install_exceptions(void);

// bootinfo.c
void check_entry_state(void);
void check_boot_info(void);
void check_stack(void);

// image.c
void check_image(void);

// firmware.c
void read_multiboot(void);
void read_device_tree(void);

// paging.c
struct translation {
    bool present, identity, writable, cacheable, executable;
    uint64_t physical, size;
};
struct translation translate(uint64_t address);
// Whether all of it is mapped to itself, and whether it can be written, too.
bool is_mapped_to_itself(struct range range);
bool is_identity_mapped(struct range range);
bool map_page(uint64_t virtual, uint64_t physical, uint64_t flags);
void identity_map(uint64_t address, uint64_t flags);
void check_page_tables(void);
void for_each_table(void (*visit)(uint64_t table));

// memory.c
uint64_t allocate_frame(void);
void check_handed_over_is_safe(void);
void take_over_page_tables(void);
// Returns the address where the local APIC is mapped.
uint64_t check_mapping(void);
void check_low_memory(void);

// processors.c
void start_processors(uint64_t apic);

static inline uint64_t load64(uint64_t address) { return *(volatile uint64_t *)address; }
static inline uint32_t load32(uint64_t address) { return *(volatile uint32_t *)address; }
static inline uint16_t load16(uint64_t address) { return *(volatile uint16_t *)address; }
static inline uint8_t load8(uint64_t address) { return *(volatile uint8_t *)address; }
static inline void store64(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }
static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
#define READ_REGISTER(name)                                                                                            \
    static inline uint64_t read_##name(void) {                                                                         \
        uint64_t value;                                                                                                \
        __asm__ volatile("movq %%" #name ", %0" : "=r"(value));                                                        \
        return value;                                                                                                  \
    }
READ_REGISTER(cr0)
READ_REGISTER(cr2)
READ_REGISTER(cr3)
READ_REGISTER(cr4)
static inline void write_cr3(uint64_t value) { __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory"); }
static inline void invalidate(uint64_t address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }
static inline uint64_t read_msr(uint32_t number) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (uint64_t)high << 32 | low;
}
// CPUID 0x80000001, edx bit 20.
static inline bool knows_no_execute(void) {
    uint32_t eax = 0x80000001, ebx, ecx, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return (edx >> 20 & 1) != 0;
}
static inline void write_msr(uint32_t number, uint64_t value) {
    __asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(number));
}

#endif
