// The structures for the loader, as each protocol lays them out in memory.

#include "starter.h"

static void append(char **to, const char *text) {
    uint32_t size = length(text);
    memcpy(*to, text, size + 1);
    *to += size;
}

// The memory map of the starter that is imitated.
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

static int is_multiboot(const struct start *start) {
    return start->protocol == PROTOCOL_MULTIBOOT || start->protocol == PROTOCOL_MULTIBOOT2;
}

// The command line: by Multiboot the loader's name, by PVH and Linux the options for the loader, then the user's words.
static const char *line_text(const struct start *start) {
    static char line[4096];
    char *end = line;
    append(&end, is_multiboot(start) ? "loader" : start->options);
    if (end > line && *start->arguments)
        append(&end, " ");
    append(&end, start->arguments);
    return line;
}

static uint32_t write_line(struct start *start) {
    const char *line = line_text(start);
    uint32_t size = length(line) + 1;
    start->line = place(start->line, size, 1);
    memcpy((void *)start->line, line, size);
    return start->line;
}

// The module's string: the file's name, and the options for the loader.
static const char *module_text(const struct start *start) {
    static char string[1024];
    char *end = string;
    append(&end, start->names_module ? "application" : "");
    if (end > string && *start->options)
        append(&end, " ");
    append(&end, start->options);
    return string;
}

// Multiboot 0.6.96, 3.3. The flags tell which fields are valid; the others hold arbitrary values.
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
        const char *string = module_text(start);
        start->string = place(start->string, length(string) + 1, 1);
        memcpy((void *)start->string, string, length(string) + 1);
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

// Xen, public/arch-x86/hvm/start_info.h, version 1; version 0 ends before the memory map.
void write_pvh(struct start *start, uint32_t size) {
    struct range map[32];
    int count = memory_map(start, map);
    start->info = place(start->info, 56, 8);
    start->modules = place(start->modules, 32, 8);
    start->map = place(start->map, count * 24, 8);
    uint32_t *information = (uint32_t *)start->info;
    memset(information, 0, 56);
    information[0] = 0x336ec578;
    information[1] = start->version;
    information[3] = 1;
    *(uint64_t *)(information + 4) = start->modules;
    *(uint64_t *)(information + 6) = write_line(start);
    *(uint64_t *)(information + 8) = start->rsdp == ANYWHERE ? find_rsdp() : start->rsdp;
    if (start->version == 0) {
        memset(information + 10, 0xcc, 16);
    } else {
        *(uint64_t *)(information + 10) = start->map;
        information[12] = count;
    }
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

// Multiboot 2, 3.6: a tag of `size` bytes besides its type and size; returns them.
static uint32_t *add_tag(uint32_t *information, uint32_t type, uint32_t size) {
    uint32_t *tag = (uint32_t *)((uint8_t *)information + information[0]);
    tag[0] = type;
    tag[1] = 8 + size;
    information[0] += (8 + size + 7) & ~7u;
    return tag + 2;
}

static void add_string(uint32_t *information, uint32_t type, const char *string) {
    uint32_t size = length(string) + 1;
    memcpy(add_tag(information, type, size), string, size);
}

void write_multiboot2(struct start *start, uint32_t size) {
    struct range map[32];
    int count = memory_map(start, map);
    uint32_t step = (start->entry_size & ~7u) + 8;
    const char *string = start->has_string || *start->options ? module_text(start) : "";
    start->info = place(start->info, 8192, 8);
    uint32_t *information = (uint32_t *)start->info;
    memset(information, start->filler, 8192);
    information[0] = 8;
    add_string(information, 1, line_text(start));
    add_string(information, 2, "the stand-in");
    uint32_t *memory = add_tag(information, 4, 8);
    memory[0] = 639;
    memory[1] = (ram_top - 0x100000) / 1024;
    uint32_t *module = add_tag(information, 3, 8 + length(string) + 1);
    module[0] = start->application;
    module[1] = start->application + size;
    memcpy(module + 2, string, length(string) + 1);
    uint32_t *fields = add_tag(information, 6, 8 + count * step);
    fields[0] = step;
    fields[1] = 0;
    for (int index = 0; index < count; index++) {
        uint64_t *entry = (uint64_t *)((uint8_t *)(fields + 2) + index * step);
        entry[0] = map[index].start;
        entry[1] = map[index].end - map[index].start;
        entry[2] = map[index].kind;
    }
    const uint8_t *rsdp = (const uint8_t *)(start->rsdp == ANYWHERE ? find_rsdp() : start->rsdp);
    if (rsdp)
        memcpy(add_tag(information, rsdp[15] < 2 ? 14 : 15, rsdp[15] < 2 ? 20 : 36), rsdp, rsdp[15] < 2 ? 20 : 36);
    add_tag(information, 0, 0);
}

// An entry of Linux's memory map.
struct e820 {
    uint64_t start, size;
    uint32_t kind;
} __attribute__((packed));

static void write_entry(struct e820 *entry, struct range range) {
    *entry = (struct e820){range.start, range.end - range.start, range.kind};
}

// An element of setup_data.
struct setup_data {
    uint64_t next;
    uint32_t type, size;
    uint8_t bytes[];
};

// Linux, Documentation/arch/x86/zero-page.rst. The header, from 0x1f1 to 0x270, is the file's. An ELF file has none: then it is zeros,
// except what the starter knows.
void write_linux(struct start *start, uint32_t size) {
    struct range map[32];
    int count = memory_map(start, map);
    start->info = place(start->info, 4096, 16);
    uint8_t *parameters = (uint8_t *)start->info;
    memset(parameters, start->is_cleared ? 0 : start->filler | 1, 4096);
    memset(parameters + 0x1f1, 0, 0x270 - 0x1f1);
    *(uint16_t *)(parameters + 0x1fe) = 0xaa55;
    *(uint32_t *)(parameters + 0x202) = 0x53726448;
    parameters[0x210] = 0xff;
    uint32_t line = write_line(start);
    *(uint32_t *)(parameters + 0x228) = line;
    *(uint32_t *)(parameters + 0x238) = length((const char *)line);
    *(uint32_t *)(parameters + 0x218) = start->application;
    *(uint32_t *)(parameters + 0x21c) = size;
    if (start->is_cleared)
        *(uint64_t *)(parameters + 0x70) = start->rsdp == ANYWHERE ? find_rsdp() : start->rsdp;

    int moved = start->elements == 0 ? 0 : start->moved_entries < count ? start->moved_entries : count - 1;
    parameters[0x1e8] = (uint8_t)(count - moved);
    struct e820 *entries = (struct e820 *)(parameters + 0x2d0);
    for (int index = 0; index < count - moved; index++)
        write_entry(entries + index, map[index]);
    uint64_t *next = (uint64_t *)(parameters + 0x250);
    for (int element = 0; element < start->elements; element++) {
        int is_map = element + 1 == start->elements && moved > 0;
        uint32_t bytes = is_map ? moved * sizeof(struct e820) : 32;
        struct setup_data *data = (struct setup_data *)place(element == 0 ? start->map : ANYWHERE, sizeof *data + bytes, 8);
        // SETUP_E820_EXT and SETUP_RNG_SEED.
        *data = (struct setup_data){0, is_map ? 1 : 9, bytes};
        memset(data->bytes, start->filler, bytes);
        for (int index = 0; is_map && index < moved; index++)
            write_entry((struct e820 *)data->bytes + index, map[count - moved + index]);
        *next = (uint32_t)data;
        next = &data->next;
    }
}
