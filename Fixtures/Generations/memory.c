// The kernel's own use of memory: the memory that it takes as free, its mappings, and its search below 1 MiB.

#include "kernel.h"

#if IS_RECURSIVE
// Heap and devices are virtual addresses from the kernel's end up.
#define NEW_ADDRESSES kernel.end
#else
#define NEW_ADDRESSES 0x400000000000ull
#endif

// The part of a region that Hermit takes as free: nothing below the image, and the image's own region from its end on.
static struct range free_part(struct range region) {
    if (region.end <= kernel.end)
        return (struct range){0, 0};
    return region.start <= kernel.start ? (struct range){kernel.end, region.end} : region;
}

static bool is_reserved(struct range range) {
    // Only kernels from 0.12 on read reservations, which may touch each other.
    for (uint64_t page = range.start & ~(uint64_t)(PAGE - 1); page < range.end; page += PAGE) {
        bool found = false;
        for (unsigned index = 0; READS_RESERVATIONS && index < reservations.count; index++)
            found = found || contains(reservations.ranges[index], (struct range){page, page + PAGE});
        if (!found)
            return false;
    }
    return true;
}

uint64_t allocate_frame(void) {
    static uint64_t next;
    for (unsigned index = 0; index < memory.count; index++) {
        const struct range part = free_part(memory.ranges[index]);
        if (next < part.start)
            next = (part.start + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        while (next + PAGE <= part.end) {
            next += PAGE;
            if (!is_reserved((struct range){next - PAGE, next}))
                return next - PAGE;
        }
    }
    check(false, "there is free memory above the image");
    finish();
}

static void check_safe(struct range range, const char *fact) {
    for (unsigned index = 0; index < memory.count; index++)
        if (overlaps(free_part(memory.ranges[index]), range))
            check(is_reserved(range), fact);
    // Kernels since the middle of 2026 take RAM below the image, too, unless it is reserved.
    if (READS_RESERVATIONS)
        check(is_reserved(range), fact);
    check(
        !overlaps(range, (struct range){TRAMPOLINE, TRAMPOLINE + PAGE}) && !overlaps(range, (struct range){0, PAGE}),
        "pages 0 and 0x8000 are free of what the loader hands over");
    check(!overlaps(range, boot.image), fact);
}

static void check_table_is_safe(uint64_t table) {
    check_safe((struct range){table, table + PAGE}, "page tables are not in free memory");
}

void check_handed_over_is_safe(void) {
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) descriptors;
    __asm__ volatile("sgdt %0" : "=m"(descriptors));
    check_safe(
        (struct range){descriptors.base, descriptors.base + descriptors.limit + 1}, "the GDT is not in free memory");
    check_safe(boot.bytes, "BootInfo is not in free memory");
    check_safe((struct range){boot.stack, boot.stack + STACK_SIZE}, "the stack is not in free memory");
    check_safe(
        (struct range){boot.command_line, boot.command_line + boot.command_line_size},
        "the command line is not in free memory");
    if (boot.device_tree != 0)
        check_safe(
            (struct range){boot.device_tree, boot.device_tree + __builtin_bswap32(load32(boot.device_tree + 4))},
            "the device tree is not in free memory");
    if (boot.multiboot != 0) {
        check_safe((struct range){boot.multiboot, boot.multiboot + 116}, "Multiboot information is not in free memory");
        check_safe(
            (struct range){load32(boot.multiboot + 48), load32(boot.multiboot + 48) + load32(boot.multiboot + 44)},
            "the Multiboot memory map is not in free memory");
        const uint32_t modules = load32(boot.multiboot + 24), count = load32(boot.multiboot + 20);
        check_safe((struct range){modules, modules + count * 16}, "the Multiboot modules are not in free memory");
        for (uint32_t index = 0; index < count; index++) {
            const uint32_t text = load32(modules + index * 16 + 8);
            check_safe((struct range){text, text + 1}, "the Multiboot modules' strings are not in free memory");
        }
    }
    for_each_table(check_table_is_safe);
}

// Like kernels up to 0.6.0 do first: drops the mappings above the image, and maps the memory that it reads.
void take_over_page_tables(void) {
#if GENERATION <= 2
    const uint64_t directory = read_cr3() + 0x2000;
    for (uint64_t index = kernel.end >> 21; index < 512; index++)
        store64(directory + index * 8, 0);
    write_cr3(read_cr3());
    const uint32_t flags = load32(boot.multiboot), map = load32(boot.multiboot + 48);
    identity_map(boot.multiboot, NO_EXECUTE);
    // The page at the address that the first entry names: usually 0.
    identity_map(load64(map + 4), NO_EXECUTE);
    for (uint64_t page = boot.command_line & ~(uint64_t)(PAGE - 1);
         boot.command_line_size > 0 && page < boot.command_line + boot.command_line_size; page += PAGE)
        identity_map(page, NO_EXECUTE);
    check_equal(load32(boot.multiboot), flags, "the Multiboot information is there after it is mapped again");
#endif
}

#if !IS_RECURSIVE
static void check_round_trip(uint64_t address, const char *fact) {
    const uint64_t first = load64(address), last = load64(address + PAGE - 8);
    store64(address, ~address);
    store64(address + PAGE - 8, address);
    check(load64(address) == ~address && load64(address + PAGE - 8) == address, fact);
    store64(address, first);
    store64(address + PAGE - 8, last);
}

// First and last bytes of many pages of RAM, through the loader's mapping.
static void touch_memory(void) {
    for (unsigned index = 0; index < memory.count; index++) {
        const struct range range = memory.ranges[index];
        const uint64_t step = ((range.end - range.start) / 256 | (PAGE - 1)) + 1;
        for (uint64_t page = range.start; page + PAGE <= range.end; page += step)
            if (page >= kernel.end && !is_reserved((struct range){page, page + PAGE}))
                check_round_trip(page, "RAM can be written through the identity mapping");
        if (range.end > kernel.end && !is_reserved((struct range){range.end - PAGE, range.end}))
            check_round_trip(range.end - PAGE, "the last page of RAM can be written");
    }
}
#endif

uint64_t check_mapping(void) {
#if IS_RECURSIVE
    check(!translate(kernel.end).present, "above the image, nothing is mapped");
#else
    touch_memory();
#endif
    // A heap: neighbouring pages, then one in each of several 2 MiB pages, and one 1 GiB further.
    static const uint64_t offsets[] = {
        0x0, 0x1000, 0x2000, 0x3000, 0x1fe000, 0x1ff000, 0x200000, 0x400000, 0x3e00000, 0x40000000, 0x40001000};
    enum { COUNT = sizeof offsets / sizeof *offsets };
    for (int index = 0; index < COUNT; index++) {
        const uint64_t page = NEW_ADDRESSES + offsets[index], frame = allocate_frame();
        check(!translate(page).present, "what the kernel maps is not mapped yet");
        check(map_page(page, frame, WRITABLE | NO_EXECUTE), "what the kernel maps is in no huge page");
        check(translate(page).physical == frame, "the kernel's mapping works");
        for (uint64_t offset = 0; offset < PAGE; offset += 8)
            store64(page + offset, page ^ offset);
    }
    bool holds = true;
    for (int index = 0; index < COUNT; index++)
        for (uint64_t offset = 0; offset < PAGE; offset += 8)
            holds = holds && load64(NEW_ADDRESSES + offsets[index] + offset) == ((NEW_ADDRESSES + offsets[index]) ^ offset);
    check(holds, "the kernel's heap holds what was written");

    // The local APIC, at a fresh address.
    const uint64_t apic = NEW_ADDRESSES + 0x800000;
    check(map_page(apic, 0xfee00000, WRITABLE | UNCACHED | NO_EXECUTE), "the local APIC can be mapped");
    check((load32(apic + 0x30) & 0xf0) == 0x10, "the local APIC answers");
    return apic;
}

static bool is_root_pointer(uint64_t address) {
    if (load64(address) != 0x2052545020445352)
        return false;
    uint8_t sum = 0;
    for (int index = 0; index < 20; index++)
        sum += load8(address + index);
    return sum == 0;
}

// The search for ACPI's root pointer, which maps each page before it reads it; then the trampoline's page.
void check_low_memory(void) {
    identity_map(0, NO_EXECUTE);
    const uint64_t extended = (uint64_t)load16(0x40e) << 4;
    uint64_t found = 0;
    if (extended > 0x400) {
        if (IS_RECURSIVE)
            check(!translate(extended).present, "the EBDA's page is not mapped yet");
        identity_map(extended, NO_EXECUTE);
        if ((extended & 0xfff) > 0xc00)
            identity_map(extended + 0x400, NO_EXECUTE);
        for (uint64_t address = extended; address < extended + 0x400 && found == 0; address += 16)
            found = is_root_pointer(address) ? address : 0;
    }
    for (uint64_t address = 0xe0000; address < 0x100000 && found == 0; address += 16) {
        if ((address & (PAGE - 1)) == 0)
            identity_map(address, NO_EXECUTE);
        found = is_root_pointer(address) ? address : 0;
    }
    print("fixture: RSDP ");
    print_hex(found);
    print(", free memory from ");
    print_hex(kernel.end);
    print("\n");

    identity_map(TRAMPOLINE, WRITABLE);
    const struct translation page = translate(TRAMPOLINE);
    check(page.identity && page.writable && page.executable && page.size == PAGE, "0x8000 is in a 4 KiB page");
    for (uint64_t offset = 0; offset < PAGE; offset += 8)
        store64(TRAMPOLINE + offset, 0xf4f4f4f4f4f4f4f4);
}
