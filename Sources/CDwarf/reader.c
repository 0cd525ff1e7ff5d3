// libdw's functions, found at run time, by the prototypes and structures of its interface (elfutils/libdw.h, version ELFUTILS_0.171).

#include "CDwarf.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// Dwarf_Die.
struct die {
    void *addr, *cu, *abbrev;
    long padding;
};

struct unit_reader {
    void *library, *elf, *dwarf, *unit;
    // A copy of the file: libelf stores into the section headers of compressed sections.
    void *bytes;
    // The position in the current unit's ranges: the state of dwarf_ranges, 0 after the last.
    ptrdiff_t offset;
    uint64_t base;
    struct die die;
    int (*end_elf)(void *);
    int (*end_dwarf)(void *);
    int (*next_unit)(void *, void *, void **, uint16_t *, uint8_t *, struct die *, struct die *);
    const char *(*name)(struct die *);
    ptrdiff_t (*ranges)(struct die *, ptrdiff_t, uint64_t *, uint64_t *, uint64_t *);
};

struct unit_reader *unit_reader_open(const void *bytes, size_t size, int *is_missing) {
    *is_missing = 1;
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return NULL;
    struct unit_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        dlclose(library);
        return NULL;
    }
    reader->library = library;
    unsigned (*version)(unsigned) = (unsigned (*)(unsigned))dlsym(library, "elf_version");
    void *(*begin_elf)(const void *, size_t) = (void *(*)(const void *, size_t))dlsym(library, "elf_memory");
    void *(*begin_dwarf)(void *, int, void *) = (void *(*)(void *, int, void *))dlsym(library, "dwarf_begin_elf");
    *(void **)&reader->end_elf = dlsym(library, "elf_end");
    *(void **)&reader->end_dwarf = dlsym(library, "dwarf_end");
    *(void **)&reader->next_unit = dlsym(library, "dwarf_get_units");
    *(void **)&reader->name = dlsym(library, "dwarf_diename");
    *(void **)&reader->ranges = dlsym(library, "dwarf_ranges");
    if (version && begin_elf && begin_dwarf && reader->end_elf && reader->end_dwarf && reader->next_unit && reader->name &&
        reader->ranges) {
        *is_missing = 0;
        // EV_CURRENT is 1, DWARF_C_READ is 0.
        version(1);
        reader->bytes = malloc(size ? size : 1);
        if (reader->bytes) {
            memcpy(reader->bytes, bytes, size);
            reader->elf = begin_elf(reader->bytes, size);
        }
        if (reader->elf) reader->dwarf = begin_dwarf(reader->elf, 0, NULL);
        if (reader->dwarf) return reader;
    }
    unit_reader_close(reader);
    return NULL;
}

int unit_reader_next(struct unit_reader *reader, const char **name, uint64_t *start, uint64_t *end) {
    for (;;) {
        if (reader->offset == 0) {
            struct die split;
            if (reader->next_unit(reader->dwarf, reader->unit, &reader->unit, NULL, NULL, &reader->die, &split) != 0) return 0;
        }
        reader->offset = reader->ranges(&reader->die, reader->offset, &reader->base, start, end);
        if (reader->offset > 0) {
            *name = reader->name(&reader->die);
            return 1;
        }
        reader->offset = 0;
    }
}

void unit_reader_close(struct unit_reader *reader) {
    if (reader->dwarf) reader->end_dwarf(reader->dwarf);
    if (reader->elf) reader->end_elf(reader->elf);
    dlclose(reader->library);
    free(reader->bytes);
    free(reader);
}
