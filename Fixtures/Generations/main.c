// A strict kernel of one generation: checks everything that Hermit's kernels of that generation rely on, and does what they do to
// memory and page tables.

#include "kernel.h"

void *memset(void *target, int value, unsigned long count) {
    void *start = target;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *target, const void *source, unsigned long count) {
    void *start = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    return start;
}

static uint64_t sum(uint64_t start, uint64_t size) {
    uint64_t sum = size;
    for (uint64_t offset = 0; offset < size; offset++)
        sum = sum * 31 + load8(start + offset);
    return sum;
}

// The sum of the loader's structures, which must survive whatever the kernel does with memory that it takes as free.
static uint64_t sum_of_handed_over(void) {
    uint64_t result = sum(boot.bytes.start, boot.bytes.end - boot.bytes.start);
    result ^= sum(boot.command_line, boot.command_line_size);
    if (boot.device_tree != 0)
        result ^= sum(boot.device_tree, __builtin_bswap32(load32(boot.device_tree + 4)));
    return result ^ sum(boot.tls.start, boot.tls.end - boot.tls.start);
}

__attribute__((visibility("hidden"))) void kernel_main(void) {
    install_exceptions();
    print("fixture: generation ");
    print_decimal(GENERATION);
    print(GENERATION < 4 ? "" : IS_RECURSIVE ? ", recursive" : ", identity");
    print("; BootInfo ");
    print_hex(entry_rdi);
    print(", stack ");
    print_hex(entry_rsp);
    print(", cr3 ");
    print_hex(read_cr3());
    print("\n");
    check_entry_state();
    check_boot_info();
    check_image();
    check_stack();
#if HAS_DEVICE_TREE
    read_device_tree();
#endif
    if (boot.multiboot != 0)
        read_multiboot();
    check_page_tables();
    check_handed_over_is_safe();

    const uint64_t before = sum_of_handed_over();
    take_over_page_tables();
    const uint64_t apic = check_mapping();
    check_low_memory();
    check(sum_of_handed_over() == before, "what the loader handed over is unharmed");
    start_processors(apic);
    finish();
}
