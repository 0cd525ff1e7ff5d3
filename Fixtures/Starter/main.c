// A stand-in for the starters of the loader: a Multiboot kernel that takes the loader and an application as its modules and
// enters the loader as its command line says.
//
//   preset=NAME         like that starter: firecracker, cloud-hypervisor, xen, kexec, ipxe, syslinux, syslinux-aout, grub,
//                       grub2, firecracker-linux, crosvm-linux, kexec-linux, cloud-hypervisor-bzimage
//   entry=NAME          where: multiboot32, pvh32, or e_entry: elf32 (Multiboot's registers), multiboot2, linux32,
//                       linux64
//   random=SEED         everything random that the entry's specification leaves undefined
//   count=NUMBER        that many seeds, one after the other; the application must be starter-returning
//   eax= … edi= (rax= … r15=), flags=, cr0=, cr4=, efer=, dr0=, dr7=     registers
//   cs=, ds= (es, ss), fs= (gs)                                          selectors
//   gdt=, idt=                                                           limits of the descriptor tables
//   info=, map=, modules=, line=, string=, initrd=, rsdp=                addresses of structures (map: Linux's setup_data)
//   version=NUMBER      of PVH's start info
//   options=WORDS       for the loader, where the protocol has them; + stands for a space
//   load=               where an MZ file's kernel is put, a multiple of 1 MiB; without it 1 MiB
//   -- REST             the rest of the command line is the kernel's

#include "starter.h"

static struct file loader, application;
static const char *words;
static struct start start;
static uint32_t next_seed, seeds_left, entered;
static int is_random;

static _Noreturn void enter(void) {
    choose(&start, words, next_seed, is_random);
    for (const char *rest = words; *rest; rest++)
        if (begins(rest, " -- ")) {
            start.arguments = rest + 4;
            break;
        }
    say("[STARTER] ");
    say(start.name);
    if (is_random) {
        say(", random=");
        say_number(next_seed);
    }
    say(", entry ");
    say((const char *[]){"multiboot32", "pvh32", "elf32", "multiboot2", "linux32", "linux64"}[start.entry]);

    forget_places();
    // The loader is linked at 1 MiB, and is smaller than this.
    const char *place_of_kernel = value(words, "load");
    const uint32_t address = place_of_kernel ? (uint32_t)number(place_of_kernel) : 0x100000;
    keep(address, address + 0x80000);
    keep((uint32_t)starter_start, (uint32_t)application.bytes + application.size);
    if (start.application == ANYWHERE && !is_random)
        start.application = (ram_top - application.size) & ~0xfffu;
    start.application = place(start.application, application.size, 0x1000);
    memcpy((void *)start.application, application.bytes, application.size);
    start.cpu.target = load(loader, start.entry, address);
    switch (start.protocol) {
    case PROTOCOL_MULTIBOOT:
        write_multiboot(&start, application.size);
        start.cpu.registers[RAX] = value(words, "eax") ? start.cpu.registers[RAX] : 0x2badb002;
        break;
    case PROTOCOL_PVH:
        write_pvh(&start, application.size);
        break;
    case PROTOCOL_MULTIBOOT2:
        write_multiboot2(&start, application.size);
        start.cpu.registers[RAX] = value(words, "eax") ? start.cpu.registers[RAX] : 0x36d76289;
        break;
    case PROTOCOL_LINUX:
        write_linux(&start, application.size);
        if (!value(words, "esi") && !value(words, "rsi"))
            start.cpu.registers[RSI] = start.info;
        break;
    }
    if (!value(words, "ebx") && start.protocol != PROTOCOL_LINUX)
        start.cpu.registers[RBX] = start.info;
    if (start.watches) {
        // A breakpoint at the information: R/W, 4 bytes, enabled.
        start.cpu.dr0 = start.info & ~3u;
        start.cpu.dr7 = 0xf0003;
    }
    write_tables(&start.cpu);

    say(", info ");
    say_number(start.info);
    say(", map ");
    say_number(start.map);
    say(", application ");
    say_number(start.application);
    say(", esp ");
    say_number(start.cpu.registers[RSP]);
    say(", flags ");
    say_number(start.cpu.flags);
    say(", cr0 ");
    say_number(start.cpu.cr0);
    say(", cr4 ");
    say_number(start.cpu.cr4);
    say("\n");
    if (start.entry == ENTRY_LINUX_64)
        enter_64(&start.cpu);
    enter_32(&start.cpu);
}

static void expect(const char *what, uint64_t found, uint64_t wanted) {
    if (found == wanted)
        return;
    say("[STARTER] the application was entered with ");
    say(what);
    say(" ");
    say_number(found);
    say(", not ");
    say_number(wanted);
    say("\n");
    fail("the application's state is another");
}

// What the application saw does not depend on how the loader was entered (docs/kernels.md).
_Noreturn void came_back(const struct observed *observed) {
    // Except the arithmetic flags.
    expect("flags", observed->flags & ~0x8d5ull, 2);
    // PE, MP, ET, PG; WP if pages are protected.
    expect("cr0", observed->cr0 & ~(1ull << 16), 0x80000013);
    expect("cr4", observed->cr4, 1 << 5);
    // LME, LMA; NXE if pages are protected.
    expect("efer", observed->efer & ~(1ull << 11), 0x500);
    expect("dr7", observed->dr7, 0x400);
    expect("the base of fs", observed->fs_base, 0);
    expect("the base of gs", observed->gs_base, 0);
    expect("cs", observed->cs, 0x08);
    expect("ds", observed->ds, 0x10);
    expect("es", observed->es, 0x10);
    expect("ss", observed->ss, 0x10);
    expect("fs", observed->fs, 0);
    expect("gs", observed->gs, 0);
    expect("an x87 control word", observed->x87_control, 0x37f);
    expect("mxcsr", observed->mxcsr, 0x1f80);
    entered++;
    next_seed++;
    if (--seeds_left > 0)
        enter();
    say("[STARTER] came back ");
    say_number(entered);
    say(" times\n");
    for (;;)
        __asm__ volatile("outb %0, $0xf4" : : "a"((uint8_t)1));
}

_Noreturn void starter_main(const uint32_t *information) {
    if ((information[0] & 0x4c) != 0x4c || information[5] != 2)
        fail("two modules are wanted, the loader and an application");
    const uint32_t *modules = (const uint32_t *)information[6];
    loader = (struct file){(const uint8_t *)modules[0], modules[1] - modules[0]};
    application = (struct file){(const uint8_t *)modules[4], modules[5] - modules[4]};
    words = (const char *)information[4];
    read_ram(information);
    const char *random = value(words, "random"), *count = value(words, "count");
    is_random = random != NULL;
    next_seed = random ? (uint32_t)number(random) : 0;
    seeds_left = count ? (uint32_t)number(count) : 1;
    // The starter, its modules and its command line must be intact when the application returns.
    if (count) {
        static char copy[1024];
        if (length(words) >= sizeof copy)
            fail("the command line is too long");
        memcpy(copy, words, length(words) + 1);
        words = copy;
        uint32_t end = ((uint32_t)application.bytes + application.size + 0xfff) & ~0xfffu;
        for (int index = 0; index < ram_count; index++) {
            struct range whole = ram[index];
            if (whole.kind != 1 || whole.start > (uint32_t)starter_start || whole.end < end)
                continue;
            ram[index].end = (uint32_t)starter_start;
            ram[ram_count++] = (struct range){(uint32_t)starter_start, end, 2};
            ram[ram_count++] = (struct range){end, whole.end, 1};
            break;
        }
    }
    enter();
}
