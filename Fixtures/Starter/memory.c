// The machine's RAM, and free places in it.

#include "starter.h"

struct range ram[32];
int ram_count;
uint32_t ram_top;

static struct range taken[16];
static int taken_count;

// Takes the memory map from the Multiboot information that the starter itself was started with.
void read_ram(const uint32_t *information) {
    if ((information[0] & 1 << 6) == 0)
        fail("no memory map");
    const uint8_t *next = (const uint8_t *)information[12], *end = next + information[11];
    while (next < end) {
        const uint64_t *entry = (const uint64_t *)(next + 4);
        if (ram_count == 30)
            fail("too many memory regions");
        ram[ram_count++] = (struct range){entry[0], entry[0] + entry[1], (uint32_t)entry[2]};
        if ((uint32_t)entry[2] == 1 && entry[0] + entry[1] <= 1ull << 32 && entry[0] + entry[1] > ram_top)
            ram_top = (uint32_t)(entry[0] + entry[1]);
        next += 4 + *(const uint32_t *)next;
    }
}

void forget_places(void) { taken_count = 0; }

void keep(uint32_t start, uint32_t end) {
    if (taken_count == 16)
        fail("too many structures");
    taken[taken_count++] = (struct range){start, end, 0};
}

static int is_free(uint32_t start, uint32_t end) {
    for (int index = 0; index < taken_count; index++)
        if (start < taken[index].end && end > taken[index].start)
            return 0;
    for (int index = 0; index < ram_count; index++)
        if (ram[index].kind == 1 && start >= ram[index].start && end <= ram[index].end)
            return 1;
    return 0;
}

// `address`, or a random place: every second one below 1 MiB, if it fits there.
uint32_t place(uint32_t address, uint32_t size, uint32_t alignment) {
    for (int attempt = 0; address == ANYWHERE && attempt < 10000; attempt++) {
        uint32_t limit = chance() & 1 && size < 0x10000 ? 0x9f000 : ram_top;
        uint32_t candidate = (0x1000 + below(limit - 0x1000)) & -alignment;
        if (candidate >= 0x1000 && is_free(candidate, candidate + size))
            address = candidate;
    }
    if (address == ANYWHERE)
        fail("no place");
    keep(address, address + size);
    return address;
}

// The firmware's RSDP, or 0 (ACPI 6.5, 5.2.5.1).
uint32_t find_rsdp(void) {
    for (uint32_t address = 0xe0000; address < 0x100000; address += 16)
        if (begins((const char *)address, "RSD PTR "))
            return address;
    return 0;
}
