// The states in which the loader is entered: those of known starters, the user's, and random ones within what the specifications
// leave undefined.

#include "starter.h"

#define CR0_PE 1
#define CR0_ET (1 << 4)
#define CR0_PG (1u << 31)
#define CR4_PAE (1 << 5)
#define CR4_LA57 (1 << 12)
#define CR4_PCIDE (1 << 17)
#define EFER_SCE 1
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

static enum protocol protocol_of(enum entry entry) {
    switch (entry) {
    case ENTRY_PVH_32:
        return PROTOCOL_PVH;
    case ENTRY_MULTIBOOT2_32:
        return PROTOCOL_MULTIBOOT2;
    case ENTRY_LINUX_32:
    case ENTRY_LINUX_64:
        return PROTOCOL_LINUX;
    default:
        return PROTOCOL_MULTIBOOT;
    }
}

// Firecracker (src/vmm/src/arch/x86_64) and Cloud Hypervisor (arch/src/x86_64): structures at the same fixed addresses, all
// registers but ebx zero, a descriptor table in low memory.
static void monitor(struct start *start) {
    start->entry = ENTRY_PVH_32;
    start->cpu.gdt = (struct table){31, 0x500};
    start->cpu.idt = (struct table){7, 0x520};
    start->info = 0x6000;
    start->modules = 0x6040;
    start->map = 0x7000;
    start->line = 0x20000;
    start->has_string = 0;
}

static void firecracker(struct start *start) {
    monitor(start);
    start->ram = RAM_FIRECRACKER;
    start->rsdp = 0;
}

static void cloud_hypervisor(struct start *start) {
    monitor(start);
    start->ram = RAM_CLOUD_HYPERVISOR;
}

// A PVH guest of xl: registers are not specified, and structures lie together, past the module.
static void xen(struct start *start) {
    start->entry = ENTRY_PVH_32;
    start->cpu.registers[RSP] = 0xcccccccc;
    start->application = 0x1000000;
    start->info = 0x3000000;
    start->modules = 0x3000038;
    start->map = 0x3000058;
    start->line = 0x3000200;
    start->has_string = 0;
}

// kexec-tools: its purgatory jumps, on its own stack. The memory map lies at address 0.
static void kexec(struct start *start) {
    start->entry = ENTRY_MULTIBOOT_32;
    start->cpu.registers[RSP] = 0x3ffd5ff0;
    start->cpu.gdt = (struct table){31, 0x3ffd6000};
    start->map = 0;
    start->info = 0x3000000;
    start->modules = 0x3000100;
    start->line = 0x3000200;
    start->string = 0x3000300;
}

static void ipxe(struct start *start) {
    start->entry = ENTRY_MULTIBOOT_32;
    start->cpu.registers[RSP] = 0x3ff3fe5c;
    start->cpu.gdt = (struct table){63, 0x3ff30000};
    start->info = 0x9c2c0;
    start->modules = 0x9c340;
    start->map = 0x9c3a0;
    start->line = 0x9c500;
    start->string = 0x9c600;
}

// mboot.c32 by the ELF header, and with -aout by the address fields.
static void syslinux(struct start *start) {
    start->entry = ENTRY_ELF_32;
    start->cpu.registers[RSP] = 0x7b9c;
    start->cpu.registers[RBP] = 0x10ffff;
}

static void syslinux_aout(struct start *start) {
    syslinux(start);
    start->entry = ENTRY_MULTIBOOT_32;
    start->cpu.registers[RSP] = 0x3fe00000;
}

// The module's string holds its arguments, without the file's name.
static void grub(struct start *start) {
    start->entry = ENTRY_MULTIBOOT_32;
    start->cpu.registers[RSP] = 0x7fff8;
    start->has_string = 1;
    start->names_module = 0;
}

// The same by multiboot2 and module2: one block of tags.
static void grub2(struct start *start) {
    grub(start);
    start->entry = ENTRY_MULTIBOOT2_32;
}

// Firecracker before 1.12, which did not know PVH (src/vmm/src/arch/x86_64): into 64-bit mode at e_entry.
static void firecracker_linux(struct start *start) {
    monitor(start);
    start->entry = ENTRY_LINUX_64;
    start->ram = RAM_FIRECRACKER;
    start->rsdp = 0;
    start->info = 0x7000;
    start->cpu.registers[RSP] = 0x8ff0;
    start->cpu.registers[RBP] = 0x8ff0;
}

// crosvm (x86_64/src/lib.rs): the same addresses, a random seed in setup_data, and an RSDP.
static void crosvm_linux(struct start *start) {
    firecracker_linux(start);
    start->rsdp = ANYWHERE;
    start->map = 0x18000;
    start->elements = 1;
    start->cpu.gdt = (struct table){39, 0x1500};
    start->cpu.idt = (struct table){7, 0x1528};
    start->cpu.registers[RSP] = 0x8000;
    start->cpu.registers[RBP] = 0x8000;
}

// kexec-tools, -t bzImage: its purgatory jumps, on its own stack; setup_data and boot_params lie high, and so does the rest of a map
// that was too long.
static void kexec_linux(struct start *start) {
    start->entry = ENTRY_LINUX_64;
    start->cpu.registers[RSP] = 0x3ffd5ff0;
    start->cpu.gdt = (struct table){31, 0x3ffd6000};
    start->info = 0x3001000;
    start->map = 0x3003000;
    start->line = 0x3002000;
    start->elements = 3;
    start->moved_entries = 2;
}

// Cloud Hypervisor enters a bzImage where code32_start says, in 32-bit mode, with the address of boot_params in esi.
static void cloud_hypervisor_bzimage(struct start *start) {
    monitor(start);
    start->entry = ENTRY_LINUX_32;
    start->ram = RAM_CLOUD_HYPERVISOR;
    start->info = 0x7000;
}

static const struct {
    const char *name;
    void (*set)(struct start *start);
} presets[] = {
    {"firecracker", firecracker}, {"cloud-hypervisor", cloud_hypervisor}, {"xen", xen}, {"kexec", kexec}, {"ipxe", ipxe},
    {"syslinux", syslinux}, {"syslinux-aout", syslinux_aout}, {"grub", grub}, 
    {"grub2", grub2}, {"firecracker-linux", firecracker_linux}, {"crosvm-linux", crosvm_linux}, {"kexec-linux", kexec_linux},
    {"cloud-hypervisor-bzimage", cloud_hypervisor_bzimage},
};

static const struct {
    const char *name;
    enum entry entry;
} entries[] = {
    {"multiboot32", ENTRY_MULTIBOOT_32}, {"pvh32", ENTRY_PVH_32}, {"elf32", ENTRY_ELF_32}, {"multiboot2", ENTRY_MULTIBOOT2_32},
    {"linux32", ENTRY_LINUX_32},
    {"linux64", ENTRY_LINUX_64},
};

// Random values for everything that the specification of the entry leaves undefined. The trap flag stays clear: with it not even the
// first instruction can be survived.
static void randomise(struct start *start) {
    struct state *cpu = &start->cpu;
    for (int index = 0; index < 16; index++)
        cpu->registers[index] = chance() & 1 ? (uint64_t)chance() << 32 | chance() : chance() & 1 ? 0 : ~0ull;
    // CF, PF, AF, ZF, SF, DF, OF, IOPL, NT, AC, ID.
    cpu->flags = (chance() & 0x247cd5) | 2;
    cpu->code = 8 * (4 + below(20));
    cpu->data = 8 * (24 + below(20));
    cpu->fs = chance() & 1 ? cpu->data : 0;
    cpu->gdt = (struct table){(uint16_t)(chance() & 1 ? 0 : chance()), chance()};
    cpu->idt = (struct table){(uint16_t)(chance() & 1 ? 0 : chance()), chance()};
    // System calls, long mode as soon as there is paging, pages that are not executable.
    cpu->efer = chance() & (EFER_SCE | EFER_LME | EFER_NXE);
    // Exceptions of either unit, enabled or not; rounding, precision.
    cpu->mxcsr = chance() & 0xff80;
    cpu->x87_control = chance() & 0xf3f;
    start->watches = chance() & 1;
    // MP, EM, TS, NE, WP, AM; caches off.
    cpu->cr0 = CR0_PE | CR0_ET | (chance() & (1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 16 | 1 << 18));
    if (chance() & 1)
        cpu->cr0 |= 1 << 30;
    cpu->cr4 = chance() & possible_cr4() & ~CR4_PCIDE;
    switch (start->entry) {
    case ENTRY_PVH_32:
        // CR0 and CR4 are specified, fs and gs are not.
        cpu->cr0 = CR0_PE | CR0_ET;
        cpu->cr4 = 0;
        cpu->fs = chance() & 1 ? 8 * (44 + below(20)) : cpu->fs;
        break;
    case ENTRY_LINUX_64:
        cpu->cr0 |= CR0_PG;
        cpu->cr4 = (chance() & possible_cr4()) | CR4_PAE;
        cpu->efer |= EFER_LME;
        cpu->data = chance() & 1 ? 0 : cpu->data;
        break;
    default:
        break;
    }
    start->info = start->map = start->modules = start->line = start->string = ANYWHERE;
    start->application = ANYWHERE;
    start->rsdp = chance() & 1 ? ANYWHERE : 0;
    start->has_string = chance() & 1;
    start->names_module = 1;
    start->filler = (uint8_t)chance();
    start->entry_size = 20 + 4 * below(4);
    start->is_cleared = chance() & 1;
    start->elements = below(4);
    start->moved_entries = below(4);
}

// The user's explicit words.
static void override(struct start *start, const char *words) {
    static const char *const wide[] = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    };
    static const char *const narrow[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    struct state *cpu = &start->cpu;
    const char *found;
    for (int index = 0; index < 16; index++)
        if ((found = value(words, wide[index])) || (index < 8 && (found = value(words, narrow[index]))))
            cpu->registers[index] = number(found);
    const struct {
        const char *name;
        uint64_t *field;
    } wide_fields[] = {
        {"flags", &cpu->flags}, {"cr0", &cpu->cr0}, {"cr4", &cpu->cr4}, {"efer", &cpu->efer}, {"dr7", &cpu->dr7},
    };
    for (uint32_t index = 0; index < sizeof wide_fields / sizeof *wide_fields; index++)
        if ((found = value(words, wide_fields[index].name)))
            *wide_fields[index].field = number(found);
    const struct {
        const char *name;
        uint32_t *field;
    } fields[] = {
        {"dr0", &cpu->dr0},        {"info", &start->info},     {"map", &start->map},
        {"modules", &start->modules}, {"line", &start->line},     {"string", &start->string},
        {"initrd", &start->application}, {"rsdp", &start->rsdp}, {"version", &start->version},
    };
    for (uint32_t index = 0; index < sizeof fields / sizeof *fields; index++)
        if ((found = value(words, fields[index].name)))
            *fields[index].field = (uint32_t)number(found);
    if ((found = value(words, "gdt")))
        cpu->gdt.limit = (uint16_t)number(found);
    if ((found = value(words, "idt")))
        cpu->idt.limit = (uint16_t)number(found);
    if ((found = value(words, "cs")))
        cpu->code = (uint16_t)number(found);
    if ((found = value(words, "ds")))
        cpu->data = (uint16_t)number(found);
    if ((found = value(words, "fs")))
        cpu->fs = (uint16_t)number(found);
    if ((found = value(words, "options")))
        start->options = text(found);
}

// Fills in `start` from the command line's words.
void choose(struct start *start, const char *words, uint32_t number_of_seed, int is_random) {
    *start = (struct start){
        .name = "nobody", .entry = ENTRY_MULTIBOOT_32, .info = ANYWHERE, .map = ANYWHERE, .modules = ANYWHERE,
        .line = ANYWHERE, .string = ANYWHERE, .application = ANYWHERE, .rsdp = ANYWHERE, .has_string = 1, .names_module = 1,
        .options = "", .arguments = "", .entry_size = 20, .version = 1,
        .is_cleared = 1,
        .cpu = {.flags = 2, .cr0 = CR0_PE | CR0_ET, .code = SELECTOR_CODE_32, .data = SELECTOR_DATA, .fs = SELECTOR_DATA,
                .mxcsr = 0x1f80, .x87_control = 0x37f},
    };
    seed(number_of_seed);
    const char *preset = value(words, "preset"), *entry = value(words, "entry");
    for (uint32_t index = 0; preset && index < sizeof presets / sizeof *presets; index++) {
        if (!is(preset, presets[index].name))
            continue;
        start->name = presets[index].name;
        presets[index].set(start);
    }
    if (preset && begins(start->name, "nobody"))
        fail("there is no such preset");
    if (is_random && !preset)
        start->entry = entries[below(sizeof entries / sizeof *entries)].entry;
    int is_known = entry == NULL;
    for (uint32_t index = 0; entry && index < sizeof entries / sizeof *entries; index++) {
        if (!is(entry, entries[index].name))
            continue;
        start->entry = entries[index].entry;
        is_known = 1;
    }
    if (!is_known)
        fail("there is no such entry");
    start->protocol = protocol_of(start->entry);
    if (is_random) {
        randomise(start);
    } else if (start->entry == ENTRY_LINUX_64) {
        start->cpu.cr0 |= CR0_PG;
        start->cpu.cr4 |= CR4_PAE;
        start->cpu.efer |= EFER_LME;
        start->cpu.code = SELECTOR_CODE_64;
    }
    override(start, words);
}
