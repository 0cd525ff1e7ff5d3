// Shared by the starter's parts, and by the application that returns to it.

#ifndef STARTER_H
#define STARTER_H

// The address that the returning application jumps to, in 32-bit mode without paging, esi the address of a `struct observed`.
#define STARTER_RETURN 0x4000010

// Offsets in `struct state`, for starter.S.
#define STATE_REGISTERS 0
#define STATE_FLAGS 128
#define STATE_CR0 136
#define STATE_CR3 144
#define STATE_CR4 152
#define STATE_EFER 160
#define STATE_DR0 168
#define STATE_DR7 176
#define STATE_GDT 184
#define STATE_IDT 192
#define STATE_CODE 200
#define STATE_DATA 202
#define STATE_FS 204
#define STATE_TARGET 208
#define STATE_MXCSR 212
#define STATE_X87_CONTROL 216

// Selectors of the starter's own descriptor table.
#define SELECTOR_CODE_32 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE_64 0x18

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

// The entries of the loader's file.
enum entry { ENTRY_MULTIBOOT_32, ENTRY_PVH_32, ENTRY_ELF_32, ENTRY_MULTIBOOT2_32, ENTRY_LINUX_32, ENTRY_LINUX_64 };

// The protocol by which structures are written. A further protocol is one more of these.
enum protocol { PROTOCOL_MULTIBOOT, PROTOCOL_PVH, PROTOCOL_LINUX, PROTOCOL_MULTIBOOT2 };

// Registers in the order of their numbers.
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

// The CPU's state when the loader is entered. In 32-bit mode the lower halves count.
struct state {
    uint64_t registers[16];
    uint64_t flags, cr0, cr3, cr4, efer;
    uint32_t dr0, unused;
    uint64_t dr7;
    struct table gdt;
    uint16_t unused1;
    struct table idt;
    uint16_t unused2;
    // Selectors: of cs; of ds, es and ss; of fs and gs.
    uint16_t code, data, fs, unused3;
    // The address that is entered.
    uint32_t target;
    uint32_t mxcsr, x87_control;
};

#define AT(field, offset) _Static_assert(offsetof(struct state, field) == offset, #field)
AT(registers, STATE_REGISTERS);
AT(flags, STATE_FLAGS);
AT(cr0, STATE_CR0);
AT(cr3, STATE_CR3);
AT(cr4, STATE_CR4);
AT(efer, STATE_EFER);
AT(dr0, STATE_DR0);
AT(dr7, STATE_DR7);
AT(gdt, STATE_GDT);
AT(idt, STATE_IDT);
AT(code, STATE_CODE);
AT(data, STATE_DATA);
AT(fs, STATE_FS);
AT(target, STATE_TARGET);
AT(mxcsr, STATE_MXCSR);
AT(x87_control, STATE_X87_CONTROL);

// Everything about one start.
struct start {
    const char *name;
    enum entry entry;
    enum protocol protocol;
    struct state cpu;
    // The addresses of structures; for ANYWHERE a place is chosen.
    uint32_t info, map, modules, line, string, application;
    // The RSDP's address, or 0, or ANYWHERE for where it is.
    uint32_t rsdp;
    // The memory map.
    enum { RAM_FIRMWARE, RAM_FIRECRACKER, RAM_CLOUD_HYPERVISOR } ram;
    // Whether there is a string for the module, and whether it begins with a file's name.
    int has_string, names_module;
    // Whether the watched address (dr0) is that of the information.
    int watches;
    // Options for the loader, and the words after them in the command line.
    const char *options, *arguments;
    // The value of bytes without a meaning.
    uint8_t filler;
    // Multiboot 1 and 2: the size that an entry of the memory map claims.
    uint32_t entry_size;
    // PVH: the version of the start info.
    uint32_t version;
    // Linux: whether boot_params had been cleared before they were filled in, how many elements setup_data has, and how many
    // entries of the memory map are there rather than in boot_params.
    int is_cleared, elements, moved_entries;
};
#define ANYWHERE 1

// The state that the application has observed; the offsets are those of returning.S.
struct observed {
    uint64_t flags, cr0, cr4, efer, dr7, fs_base, gs_base, information, stack;
    uint16_t cs, ds, es, ss, fs, gs, x87_control, unused;
    uint32_t mxcsr;
};

// A range of memory.
struct range {
    uint64_t start, end;
    uint32_t kind;
};

// A file in memory.
struct file {
    const uint8_t *bytes;
    uint32_t size;
};

// words.c: text, words of a command line, numbers.
void say(const char *text);
void say_number(uint64_t number);
_Noreturn void fail(const char *text);
int begins(const char *text, const char *start);
// The value of the word NAME=VALUE, ended by a space or the end of the starter's words; NULL if there is none.
const char *value(const char *words, const char *name);
// Whether `value` is `word`.
int is(const char *value, const char *word);
uint64_t number(const char *value);
// Copies a value, a space for each +.
const char *text(const char *value);
uint32_t length(const char *text);

// states.c: presets, the user's words, and random values.
void choose(struct start *start, const char *words, uint32_t seed, int is_random);

// memory.c: RAM, and places in it.
extern struct range ram[32];
extern int ram_count;
extern uint32_t ram_top;
void read_ram(const uint32_t *information);
void forget_places(void);
void keep(uint32_t start, uint32_t end);
uint32_t place(uint32_t address, uint32_t size, uint32_t alignment);
uint32_t find_rsdp(void);

// file.c: the loader's file.
uint32_t load(struct file loader, enum entry entry, uint32_t address);

// structures.c: the structures of the protocols in memory.
void write_multiboot(struct start *start, uint32_t size);
void write_pvh(struct start *start, uint32_t size);
void write_multiboot2(struct start *start, uint32_t size);
void write_linux(struct start *start, uint32_t size);

// random.c
uint32_t chance(void);
uint32_t below(uint32_t limit);
void seed(uint32_t seed);

// tables.c: the starter's descriptor table and page tables.
void write_tables(struct state *cpu);
void cpuid(uint32_t leaf, uint32_t result[4]);
uint32_t possible_cr4(void);

// starter.S
extern char starter_start[], starter_end[];
_Noreturn void enter_32(const struct state *state);
_Noreturn void enter_64(const struct state *state);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#endif
#endif
