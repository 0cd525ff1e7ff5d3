// The structures that the loader hands on from the firmware: Multiboot information and device tree, both decoded strictly.

#include "kernel.h"

struct list memory, reservations;

static void add(struct list *list, struct range range) {
    check(list->count < LIST_CAPACITY, "a list of ranges is short");
    if (list->count < LIST_CAPACITY)
        list->ranges[list->count++] = range;
}

static bool is_same_text(uint64_t a, uint64_t b, uint64_t count) {
    for (uint64_t index = 0; index < count; index++)
        if (load8(a + index) != load8(b + index))
            return false;
    return true;
}

static uint64_t length(uint64_t text) {
    uint64_t count = 0;
    while (load8(text + count) != 0)
        count++;
    return count;
}

// Compares a copy of the command line, `size` bytes at `text`, with BootInfo's, where there is one, and prints it once.
static void check_command_line(uint64_t text, uint64_t size, const char *fact) {
    static bool shown;
    if (boot.command_line == 0 && boot.command_line_size == 0) {
        boot.command_line = text;
        boot.command_line_size = size;
    }
    check(size == boot.command_line_size && is_same_text(text, boot.command_line, size), fact);
    if (shown)
        return;
    shown = true;
    print("fixture: command line: ");
    print_bytes((const char *)boot.command_line, boot.command_line_size);
    print("\n");
}

// Multiboot Specification 0.6.96, section 3.3.
void read_multiboot(void) {
    const uint64_t info = boot.multiboot;
    const uint32_t flags = load32(info);
    check((flags & 1 << 6) != 0, "Multiboot information: a memory map");
    check((flags & 1 << 3) != 0 && load32(info + 20) >= 1, "Multiboot information: a module");
    if ((flags & 1 << 2) != 0)
        check_command_line(load32(info + 16), length(load32(info + 16)), "Multiboot's command line is BootInfo's");
    else
        check(boot.command_line_size == 0, "Multiboot information: a command line");
    if ((flags & 1 << 3) != 0 && load32(info + 20) >= 1) {
        const uint32_t module = load32(info + 24);
        check(load32(module) < load32(module + 4), "Multiboot information: the module is not empty");
        print("fixture: module: ");
        print_bytes((const char *)(uint64_t)load32(module + 8), length(load32(module + 8)));
        print("\n");
    }
    uint64_t entry = load32(info + 48), previous = 0;
    const uint64_t end = entry + load32(info + 44);
    struct list list = {.count = 0};
    while (entry < end) {
        check(load32(entry) >= 20, "Multiboot memory map: size of an entry");
        const struct range range = {load64(entry + 4), load64(entry + 4) + load64(entry + 12)};
        if (load32(entry + 20) == 1) {
            check(range.start < range.end, "Multiboot memory map: no RAM is empty");
            check(range.start >= previous, "Multiboot memory map: RAM ascends");
            previous = range.end;
            add(&list, range);
        }
        entry += load32(entry) + 4;
    }
    check(entry == end, "Multiboot memory map: the entries fill it");
    check(list.count > 0, "Multiboot memory map: there is RAM");
#if HAS_DEVICE_TREE
    // Both sources must agree; the device tree's regions are whole pages.
    unsigned matched = 0;
    for (unsigned index = 0; index < list.count; index++) {
        const struct range pages = {
            (list.ranges[index].start + PAGE - 1) & ~(uint64_t)(PAGE - 1), list.ranges[index].end & ~(uint64_t)(PAGE - 1)};
        if (pages.start >= pages.end)
            continue;
        if (matched < memory.count && memory.ranges[matched].start == pages.start
            && memory.ranges[matched].end == pages.end)
            matched++;
    }
    check(matched == memory.count, "the device tree's memory is Multiboot's");
#else
    memory = list;
#endif
}

// MARK: Device tree (Devicetree Specification 0.4, chapter 5)

static uint32_t big32(uint64_t address) { return __builtin_bswap32(load32(address)); }
static uint64_t big64(uint64_t address) { return (uint64_t)big32(address) << 32 | big32(address + 4); }

static bool is_text(uint64_t address, const char *text) {
    while (*text && load8(address) == (uint8_t)*text) {
        address++;
        text++;
    }
    return *text == 0 && load8(address) == 0;
}

static bool has_prefix(uint64_t address, const char *text) {
    while (*text && load8(address) == (uint8_t)*text) {
        address++;
        text++;
    }
    return *text == 0;
}

// The number after the @ of a node's name.
static uint64_t unit_address(uint64_t name) {
    while (load8(name) != '@' && load8(name) != 0)
        name++;
    uint64_t value = 0;
    while (load8(name) != 0 && load8(++name) != 0) {
        const uint8_t digit = load8(name);
        value = value << 4 | (digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return value;
}

static void read_reservations(uint64_t address) {
    for (; big64(address) != 0 || big64(address + 8) != 0; address += 16) {
        const struct range range = {big64(address), big64(address) + big64(address + 8)};
        // Kernels unwrap a range that is empty or not of whole pages.
        check(
            range.start < range.end && ((range.start | range.end) & (PAGE - 1)) == 0,
            "device tree: reservations are whole pages and not empty");
        add(&reservations, range);
    }
}

static void read_property(uint64_t node, int depth, uint64_t name, uint64_t value, uint32_t size) {
    if (depth == 1 && is_text(name, "compatible")) {
        check(
            has_prefix(value, "hermit,") && !is_text(value, "hermit,uefi") && !is_text(value, "hermit,uhyve"),
            "device tree: compatible");
    } else if (depth == 1 && (is_text(name, "#address-cells") || is_text(name, "#size-cells"))) {
        check(size == 4 && big32(value) == 2, "device tree: two cells each for address and size");
    } else if (depth == 2 && has_prefix(node, "memory") && is_text(name, "reg")) {
        check(size == 16, "device tree: one reg entry per memory node, since kernels up to 0.13.2 read but one");
        const struct range range = {big64(value), big64(value) + big64(value + 8)};
        check(unit_address(node) == range.start, "device tree: memory@ADDRESS");
        check(
            range.start < range.end && ((range.start | range.end) & (PAGE - 1)) == 0,
            "device tree: memory is whole pages and not empty");
        check(
            memory.count == 0 || memory.ranges[memory.count - 1].end <= range.start, "device tree: memory ascends");
        add(&memory, range);
    } else if (depth == 2 && has_prefix(node, "memory") && is_text(name, "device_type")) {
        check(is_text(value, "memory"), "device tree: device_type");
    } else if (depth == 2 && is_text(node, "chosen") && is_text(name, "bootargs")) {
        check(size > 0 && load8(value + size - 1) == 0, "device tree: bootargs ends with a NUL");
        check_command_line(value, size - 1, "the device tree's command line is BootInfo's");
    } else if (depth == 2 && has_prefix(node, "hermit,rsdp") && is_text(name, "reg")) {
        // Kernels read it without mapping it first.
        check(is_identity_mapped((struct range){big64(value), big64(value) + 36}), "device tree: the RSDP is mapped");
        check(load64(big64(value)) == 0x2052545020445352, "device tree: the RSDP is one");
    }
}

void read_device_tree(void) {
    const uint64_t tree = boot.device_tree;
    check((tree & 7) == 0, "the device tree is aligned to 8 bytes");
    check_equal(big32(tree), 0xd00dfeed, "device tree: magic");
    check(big32(tree + 20) == 17 && big32(tree + 24) == 16, "device tree: version 17");
    check(
        (big32(tree + 16) & 7) == 0 && (big32(tree + 8) & 3) == 0 && big32(tree + 8) + big32(tree + 36) <= big32(tree + 4)
            && big32(tree + 12) + big32(tree + 32) <= big32(tree + 4),
        "device tree: offsets");
    read_reservations(tree + big32(tree + 16));

    uint64_t position = tree + big32(tree + 8), node = 0;
    const uint64_t end = position + big32(tree + 36), strings = tree + big32(tree + 12);
    int depth = 0, chosen = 0;
    while (position < end) {
        const uint32_t token = big32(position);
        position += 4;
        if (token == 1) {
            node = position;
            depth++;
            chosen += depth == 2 && is_text(node, "chosen");
            position = (position + length(position) + 4) & ~3ull;
        } else if (token == 2) {
            depth--;
        } else if (token == 3) {
            read_property(node, depth, strings + big32(position + 4), position + 8, big32(position));
            position = (position + 8 + big32(position) + 3) & ~3ull;
        } else {
            check(token == 9 && depth == 0 && position == end, "device tree: FDT_END");
            break;
        }
    }
    check_equal(chosen, 1, "device tree: /chosen");
    check(memory.count > 0, "device tree: there is memory");
    // Kernels have room for 16 ranges before they have a heap.
    check(memory.count + reservations.count < 12, "device tree: few regions and reservations");
}
