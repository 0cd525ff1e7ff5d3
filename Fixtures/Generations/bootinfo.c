// The registers at the entry and BootInfo, field by field, in the layout of this generation.

#include "kernel.h"

struct boot_info boot;
struct range kernel;
bool is_protected, has_no_execute;
uint64_t known_flags = ~NO_EXECUTE;

void check_entry_state(void) {
    extern void reload_segments(void) __attribute__((visibility("hidden")));
    uint16_t code, data, stack, fs, gs;
    __asm__ volatile("mov %%cs, %0; mov %%ds, %1; mov %%ss, %2; mov %%fs, %3; mov %%gs, %4"
                     : "=r"(code), "=r"(data), "=r"(stack), "=r"(fs), "=r"(gs));
    check(code == 0x08 && data == 0x10 && stack == 0x10 && fs == 0 && gs == 0, "selectors: cs 8, ds 0x10, ss 0x10");
    reload_segments();
    check_equal((uint32_t)entry_rsi, 0, "esi is the CPU's number, 0");
    check((entry_rdi & 7) == 0, "BootInfo is aligned to 8 bytes");
    check_equal(entry_rflags & 0x600, 0, "interrupts are off, the direction is up");
    is_protected = (read_cr0() & 1 << 16) != 0;
    check_equal(read_cr0() & 0xe000003f, 0x80000013, "cr0: PG, ET, MP, PE; EM, TS, CD, NW clear");
    check_equal(read_cr4(), 0x20, "cr4: PAE");
    check_equal(read_msr(0xc0000080) & 0x500, 0x500, "efer: LME, LMA");
    has_no_execute = (read_msr(0xc0000080) & 1 << 11) != 0;
    print(!is_protected ? "fixture: pages are not protected\n" : has_no_execute
            ? "fixture: pages are protected\n" : "fixture: pages are protected, but the CPU has no NX\n");
    check(read_cr3() < 1ull << 32 && (read_cr3() & 0xfff) == 0, "cr3 fits in the trampoline's 32 bits");
    // Kernels do this before they use NX in their own mappings.
    if (knows_no_execute()) {
        write_msr(0xc0000080, read_msr(0xc0000080) | 1 << 11);
        known_flags = ~0ull;
    }
    check(has_no_execute == (is_protected && knows_no_execute()), "efer: NXE where pages are protected and the CPU knows it");
}

#if GENERATION < 2

void check_boot_info(void) {
    const uint64_t info = entry_rdi;
    boot.bytes = (struct range){info, info + 160};
    check_equal(load32(info), 0xc0decafe, "BootInfo: magic_number");
    check_equal(load32(info + 0x04), 1, "BootInfo: version");
    boot.image.start = load64(info + 0x08);
    check_equal(load64(info + 0x10), 0, "BootInfo: limit");
    boot.image.end = boot.image.start + load64(info + 0x18);
    boot.tls.start = load64(info + 0x20);
    boot.tls.end = boot.tls.start + load64(info + 0x28);
    boot.tls_memsz = load64(info + 0x30);
    boot.stack = load64(info + 0x38);
    check_equal(load64(info + 0x40), 0, "BootInfo: current_percore_address");
    check_equal(load64(info + 0x48), 0, "BootInfo: host_logical_addr");
    check_equal(load64(info + 0x50), 0, "BootInfo: boot_gtod");
    boot.multiboot = load64(info + 0x58);
    boot.command_line = load64(info + 0x60);
    boot.command_line_size = load64(info + 0x68);
    check_equal(load32(info + 0x70), 0, "BootInfo: cpu_freq");
    check_equal(load32(info + 0x74), 0xffffffff, "BootInfo: boot_processor");
    boot.cpu_online = (volatile uint32_t *)(info + 0x78);
    check_equal(*boot.cpu_online, 0, "BootInfo: cpu_online");
    check_equal(load32(info + 0x7c), 0, "BootInfo: possible_cpus");
    check_equal(load32(info + 0x80), 0, "BootInfo: current_boot_id");
    check_equal(load16(info + 0x84), 0x3f8, "BootInfo: uartport");
    check_equal(load8(info + 0x86), 1, "BootInfo: single_kernel");
    check_equal(load8(info + 0x87), 0, "BootInfo: uhyve");
    check_equal(load32(info + 0x88), 0xffffffff, "BootInfo: hcip");
    check_equal(load32(info + 0x8c), 0xffffffff, "BootInfo: hcgateway");
    check_equal(load32(info + 0x90), 0x00ffffff, "BootInfo: hcmask");
    boot.tls_align = load64(info + 0x98);
    check_equal(boot.stack & 15, 0, "BootInfo: current_stack_address is aligned");
    // The kernel counts its processors here.
    *boot.cpu_online += 1;
    check_equal(*boot.cpu_online, 1, "BootInfo can be written");
}

#else

// The load information follows the hardware information, of which the device tree is the newest field. Compilers from 2024
// on align 128-bit integers, and with them the platform's union, to 16 bytes.
#if GENERATION == 2
#define LOAD 24
#else
#define LOAD 32
#endif
#ifdef ALIGN16
#define PLATFORM 80
#define PAYLOAD 96
#define SIZE 144
#else
#define PLATFORM (LOAD + 48)
#define PAYLOAD (LOAD + 56)
#define SIZE (LOAD + 96)
#endif

void check_boot_info(void) {
    const uint64_t info = entry_rdi;
    boot.bytes = (struct range){info, info + SIZE};
    check_equal(load64(info), 0, "BootInfo: phys_addr_start");
    check_equal(load64(info + 8), 0, "BootInfo: phys_addr_end");
    check_equal(load16(info + 16), 0x3f8, "BootInfo: serial_port_base");
#if HAS_DEVICE_TREE
    boot.device_tree = load64(info + 24);
    check(boot.device_tree != 0, "BootInfo: device_tree");
#endif
    boot.image.start = load64(info + LOAD);
    boot.image.end = load64(info + LOAD + 8);
    boot.tls.start = load64(info + LOAD + 16);
    boot.tls.end = boot.tls.start + load64(info + LOAD + 24);
    boot.tls_memsz = load64(info + LOAD + 32);
    boot.tls_align = load64(info + LOAD + 40);
    boot.stack = entry_rsp;
    const uint32_t tag = load32(info + PLATFORM);
    if (tag == 0) {
        boot.command_line = load64(info + PAYLOAD);
        boot.command_line_size = load64(info + PAYLOAD + 8);
        boot.multiboot = load64(info + PAYLOAD + 16);
        check(boot.multiboot != 0, "BootInfo: tag 0 has a Multiboot information, which is a NonZero");
    }
    check(tag == 0 || (GENERATION == 4 && tag == 3), "BootInfo: platform tag");
    // The memory for the trampoline of other processors; kernels write to it up to 0.10.
    store64(info + SIZE - 8, load64(info + SIZE - 8));
}

#endif

void check_stack(void) {
    check((boot.stack & 15) == 0, "the stack is aligned");
    check(is_identity_mapped((struct range){boot.stack, boot.stack + STACK_SIZE}), "the stack's 32 KiB are mapped");
    // Its upper end is in use.
    const uint64_t end = ((uint64_t)__builtin_frame_address(0) - 0x400) & ~7ull;
    check(end > boot.stack && end < boot.stack + STACK_SIZE, "this runs on the boot stack");
    bool holds = true;
    for (uint64_t address = boot.stack; address < end; address += 8)
        store64(address, ~address);
    for (uint64_t address = boot.stack; address < end; address += 8)
        holds = holds && load64(address) == ~address;
    check(holds, "the stack can be written");
    kernel.start = boot.image.start & ~(uint64_t)(LARGE_PAGE - 1);
    kernel.end = (boot.image.end + LARGE_PAGE - 1) & ~(uint64_t)(LARGE_PAGE - 1);
}
