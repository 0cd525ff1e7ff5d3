// Page tables as the kernels of this generation reach them: through PML4[511], or where they lie in memory.

#include "kernel.h"

enum { PML4 = 39, PDPT = 30, PD = 21, PT = 12 };

#if IS_RECURSIVE
// The window of PML4[511]: the entry of `level` for `address` in the tables that cr3 holds.
static volatile uint64_t *entry(uint64_t address, int level) {
    const uint64_t window = level == PML4 ? 0xfffffffffffff000
        : level == PDPT                   ? 0xffffffffffe00000
        : level == PD                     ? 0xffffffffc0000000
                                          : 0xffffff8000000000;
    return (volatile uint64_t *)(window + ((address & 0xffffffffffff) >> level << 3));
}
#else
static volatile uint64_t *entry(uint64_t address, int level) {
    uint64_t table = read_cr3() & ADDRESS_MASK;
    for (int upper = PML4; upper > level; upper -= 9)
        table = load64(table + (address >> upper & 511) * 8) & ADDRESS_MASK;
    return (volatile uint64_t *)(table + (address >> level & 511) * 8);
}
#endif

struct translation translate(uint64_t address) {
    struct translation result = {.writable = true, .cacheable = true, .executable = true};
    for (int level = PML4;; level -= 9) {
        const uint64_t value = *entry(address, level);
        result.size = 1ull << level;
        if ((value & PRESENT) == 0)
            return result;
        result.writable = result.writable && (value & WRITABLE) != 0;
        result.cacheable = result.cacheable && (value & UNCACHED) == 0;
        result.executable = result.executable && (value & NO_EXECUTE) == 0;
        if (level == PT || (value & HUGE) != 0) {
            const uint64_t frame = value & ADDRESS_MASK & ~(result.size - 1);
            result.present = true;
            result.physical = frame | (address & (result.size - 1));
            result.identity = result.physical == address;
            return result;
        }
    }
}

static bool is_mapped(struct range range, bool written) {
    for (uint64_t address = range.start; address < range.end;) {
        const struct translation page = translate(address);
        if (!page.present || !page.identity || (written && !page.writable))
            return false;
        address = (address & ~(page.size - 1)) + page.size;
    }
    return true;
}

bool is_mapped_to_itself(struct range range) { return is_mapped(range, false); }
bool is_identity_mapped(struct range range) { return is_mapped(range, true); }

// x86_64's Mapper::unmap and map_to for one 4 KiB page: false stands for the panic ParentEntryHugePage.
bool map_page(uint64_t virtual, uint64_t physical, uint64_t flags) {
    for (int level = PML4; level > PT; level -= 9) {
        volatile uint64_t *slot = entry(virtual, level);
        if ((*slot & PRESENT) == 0) {
            const uint64_t frame = allocate_frame();
            *slot = frame | PRESENT | WRITABLE;
            volatile uint64_t *table = (volatile uint64_t *)((uint64_t)entry(virtual, level - 9) & ~(uint64_t)(PAGE - 1));
            invalidate((uint64_t)table);
            for (int index = 0; index < 512; index++)
                table[index] = 0;
        } else if ((*slot & HUGE) != 0) {
            return false;
        }
    }
    *entry(virtual, PT) = physical | (flags & known_flags) | PRESENT;
    invalidate(virtual);
    return true;
}

// Kernels with a recursive page table assert that what they identity-map lies below them.
void identity_map(uint64_t address, uint64_t flags) {
    const uint64_t page = address & ~(uint64_t)(PAGE - 1);
    if (IS_RECURSIVE)
        check(page < kernel.start, "what the kernel identity-maps lies below the image");
    check(map_page(page, page, flags), "what the kernel identity-maps is in no huge page");
}

static void visit_tables(uint64_t table, int level, void (*visit)(uint64_t)) {
    visit(table);
    for (int index = 0; level > PT && index < (level == PML4 && IS_RECURSIVE ? 511 : 512); index++) {
        const uint64_t value = load64(table + index * 8);
        if ((value & PRESENT) != 0 && (value & HUGE) == 0)
            visit_tables(value & ADDRESS_MASK, level - 9, visit);
    }
}

// Every table that the loader made, at its physical address; only before the kernel adds its own.
void for_each_table(void (*visit)(uint64_t)) { visit_tables(read_cr3() & ADDRESS_MASK, PML4, visit); }

static void check_table(uint64_t table) {
    check(table < 1ull << 32, "page tables lie below 4 GiB");
    check(is_identity_mapped((struct range){table, table + PAGE}), "page tables are mapped to themselves");
}

#if IS_RECURSIVE

void check_page_tables(void) {
    const uint64_t root = read_cr3();
    check_equal(load64(root + 511 * 8) & (ADDRESS_MASK | 3), root | 3, "PML4[511] is the PML4");
    check_equal(*entry(root, PML4), load64(root + (root >> PML4 & 511) * 8), "the recursive slot shows the PML4");
    for_each_table(check_table);
    check_equal(load64(root) & ADDRESS_MASK, root + 0x1000, "the PDPT follows the PML4");
    check_equal(load64(root + 0x1000) & ADDRESS_MASK, root + 0x2000, "the PD follows the PDPT");
    check((load64(root + 0x2000) & (PRESENT | HUGE)) == PRESENT, "PD[0] is a page table");
    for (int index = 0; index < 512; index++)
        check((load64(root + 0x1000 + index * 8) & HUGE) == 0, "there are no 1 GiB pages");
    unsigned mapped = 0;
    for (uint64_t page = 0; page < LARGE_PAGE; page += PAGE)
        mapped += translate(page).present;
    check(mapped < 512, "PD[0]'s page table is sparse");
    // Kernels map these pages before they read them, and 0.6.9 panics where one is mapped already.
    bool clear = !translate(0).present && !translate(TRAMPOLINE).present;
    for (uint64_t page = 0xe0000; page < 0x100000; page += PAGE)
        clear = clear && !translate(page).present;
    check(clear, "page 0, the trampoline's and the BIOS's pages are not mapped yet");
}

#else

void check_page_tables(void) {
    const uint64_t root = read_cr3();
    check_equal(load64(root + 511 * 8), 0, "PML4[511] is clear");
    for_each_table(check_table);
    // Newer kernels take a table with holes for a mapping of all 2 MiB; those up to 0.13.2 remap 0x8000 alone.
    bool complete = true;
    for (uint64_t page = 0; page < LARGE_PAGE; page += PAGE) {
        const struct translation found = translate(page);
        complete = complete && found.identity && found.size == PAGE;
        if (!is_protected || page == TRAMPOLINE)
            complete = complete && found.writable && found.executable;
    }
    check(complete, "the first 2 MiB are mapped by 4 KiB pages, without a hole");
    bool hole = true;
    for (uint64_t page = DEVICE_HOLE_START; page < DEVICE_HOLE_END; page += PAGE) {
        const struct translation found = translate(page);
        hole = hole && !(found.present && found.cacheable);
    }
    check(hole, "the APICs' addresses are not mapped as memory");

    uint64_t pages[3] = {0, 0, 0};
    for (unsigned index = 0; index < memory.count; index++) {
        const struct range range = memory.ranges[index];
        check(is_mapped_to_itself(range), "RAM is mapped to itself");
        for (uint64_t address = range.start; address < range.end;) {
            const struct translation found = translate(address);
            pages[found.size == PAGE ? 0 : found.size == LARGE_PAGE ? 1 : 2]++;
            address = (address & ~(found.size - 1)) + found.size;
        }
    }
    check(READS_RESERVATIONS || pages[2] == 0, "no pages of 1 GiB, which 0.11 cannot split");
    print("fixture: RAM in pages of 4 KiB, 2 MiB, 1 GiB: ");
    for (int size = 0; size < 3; size++) {
        print_decimal(pages[size]);
        print(size < 2 ? ", " : "\n");
    }
}

#endif
