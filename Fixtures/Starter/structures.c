// What the loader is told, as each protocol has it in memory.

#include "starter.h"

static void append(char **to, const char *text) {
    uint32_t size = length(text);
    memcpy(*to, text, size + 1);
    *to += size;
}

// The memory map of whom the starter stands in for.
static int memory_map(const struct start *start, struct range map[32]) {
    int count = 0;
    switch (start->ram) {
    case RAM_FIRMWARE:
        for (; count < ram_count; count++)
            map[count] = ram[count];
        break;
    case RAM_FIRECRACKER:
        map[count++] = (struct range){0, 0x9fc00, 1};
        map[count++] = (struct range){0x9fc00, 0x100000, 2};
        map[count++] = (struct range){0x100000, ram_top, 1};
        map[count++] = (struct range){0xeec00000, 0xfec00000, 2};
        break;
    case RAM_CLOUD_HYPERVISOR:
        map[count++] = (struct range){0, 0xa0000, 1};
        map[count++] = (struct range){0x100000, ram_top, 1};
        map[count++] = (struct range){0xe8000000, 0xf8000000, 2};
        break;
    }
    return count;
}

// The command line: by Multiboot the loader's name, by PVH the options for the loader, and what the user says.
static uint32_t write_line(struct start *start) {
    static char line[4096];
    char *end = line;
    append(&end, start->protocol == PROTOCOL_PVH ? start->options : "loader");
    if (end > line && *start->arguments)
        append(&end, " ");
    append(&end, start->arguments);
    uint32_t size = (uint32_t)(end - line) + 1;
    start->line = place(start->line, size, 1);
    memcpy((void *)start->line, line, size);
    return start->line;
}

// Multiboot 0.6.96, 3.3. The flags say which fields there are; the others hold anything.
void write_multiboot(struct start *start, uint32_t size) {
    struct range map[32];
    int count = memory_map(start, map);
    uint32_t step = 4 + start->entry_size;
    start->info = place(start->info, 120, 4);
    start->modules = place(start->modules, 16, 4);
    start->map = place(start->map, count * step, 4);
    uint32_t *information = (uint32_t *)start->info, *module = (uint32_t *)start->modules;
    memset(information, start->filler, 120);
    memset((void *)start->map, start->filler, count * step);
    information[0] = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6;
    information[1] = 639;
    information[2] = (ram_top - 0x100000) / 1024;
    information[4] = write_line(start);
    information[5] = 1;
    information[6] = start->modules;
    information[11] = count * step;
    information[12] = start->map;
    module[0] = start->application;
    module[1] = start->application + size;
    module[2] = 0;
    module[3] = start->filler * 0x01010101u;
    if (start->has_string || *start->options) {
        static char string[1024];
        char *end = string;
        append(&end, start->names_module ? "application" : "");
        if (end > string && *start->options)
            append(&end, " ");
        append(&end, start->options);
        start->string = place(start->string, (uint32_t)(end - string) + 1, 1);
        memcpy((void *)start->string, string, (uint32_t)(end - string) + 1);
        module[2] = start->string;
    }
    for (int index = 0; index < count; index++) {
        uint8_t *entry = (uint8_t *)start->map + index * step;
        *(uint32_t *)entry = start->entry_size;
        *(uint64_t *)(entry + 4) = map[index].start;
        *(uint64_t *)(entry + 12) = map[index].end - map[index].start;
        *(uint32_t *)(entry + 20) = map[index].kind;
    }
}

// Xen, public/arch-x86/hvm/start_info.h, version 1.
void write_pvh(struct start *start, uint32_t size) {
    struct range map[32];
    int count = memory_map(start, map);
    start->info = place(start->info, 56, 8);
    start->modules = place(start->modules, 32, 8);
    start->map = place(start->map, count * 24, 8);
    uint32_t *information = (uint32_t *)start->info;
    memset(information, 0, 56);
    information[0] = 0x336ec578;
    information[1] = 1;
    information[3] = 1;
    *(uint64_t *)(information + 4) = start->modules;
    *(uint64_t *)(information + 6) = write_line(start);
    *(uint64_t *)(information + 8) = start->rsdp == ANYWHERE ? find_rsdp() : start->rsdp;
    *(uint64_t *)(information + 10) = start->map;
    information[12] = count;
    uint64_t *module = (uint64_t *)start->modules;
    module[0] = start->application;
    module[1] = size;
    module[2] = 0;
    module[3] = start->filler * 0x0101010101010101u;
    for (int index = 0; index < count; index++) {
        uint64_t *entry = (uint64_t *)(start->map + 24 * index);
        entry[0] = map[index].start;
        entry[1] = map[index].end - map[index].start;
        entry[2] = map[index].kind | (uint64_t)start->filler << 32;
    }
}
