// The loader's file: where its bytes go, and where it is entered.

#include "starter.h"

#define WORD(file, offset) (*(const uint32_t *)((file).bytes + (offset)))

static const uint32_t *multiboot_header(struct file loader) {
    for (uint32_t offset = 0; offset + 32 <= 8192 && offset + 32 <= loader.size; offset += 4)
        if (WORD(loader, offset) == 0x1badb002)
            return (const uint32_t *)(loader.bytes + offset);
    fail("the loader has no Multiboot header");
}

// Writes only bytes that differ. An emulator retranslates code that has been written to, which would take most of the time of a
// thousand starts.
static void copy(uint32_t address, const uint8_t *from, uint32_t size) {
    uint8_t *to = (uint8_t *)address;
    for (uint32_t index = 0; index < size; index++)
        if (to[index] != from[index])
            to[index] = from[index];
}

// By the address fields: header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr.
static uint32_t load_by_address_fields(struct file loader) {
    const uint32_t *header = multiboot_header(loader);
    if ((header[1] & 1 << 16) == 0)
        fail("the loader's Multiboot header has no address fields");
    const uint8_t *from = (const uint8_t *)header - (header[3] - header[4]);
    copy(header[4], from, header[5] - header[4]);
    memset((void *)header[5], 0, header[6] - header[5]);
    return header[7];
}

// The entry in Xen's note of type 18 (XEN_ELFNOTE_PHYS32_ENTRY).
static uint32_t pvh_entry(const uint8_t *note, uint32_t size) {
    for (uint32_t offset = 0; offset + 12 <= size;) {
        const uint32_t *words = (const uint32_t *)(note + offset);
        if (words[2] == 18 && begins((const char *)(words + 3), "Xen"))
            return words[3 + (words[0] + 3) / 4];
        offset += 12 + ((words[0] + 3) & ~3u) + ((words[1] + 3) & ~3u);
    }
    return 0;
}

// By the program headers.
static uint32_t load_by_program_headers(struct file loader, enum entry entry) {
    uint32_t pvh = 0;
    for (uint32_t index = 0; index < (WORD(loader, 56) & 0xffff); index++) {
        uint32_t header = WORD(loader, 32) + 56 * index;
        uint32_t offset = WORD(loader, header + 8), address = WORD(loader, header + 24);
        uint32_t size = WORD(loader, header + 32), memory_size = WORD(loader, header + 40);
        if (WORD(loader, header) == 1) {
            copy(address, loader.bytes + offset, size);
            memset((void *)(address + size), 0, memory_size - size);
        } else if (WORD(loader, header) == 4 && pvh == 0) {
            pvh = pvh_entry(loader.bytes + offset, size);
        }
    }
    if (entry != ENTRY_PVH_32)
        return WORD(loader, 24);
    if (pvh == 0)
        fail("the loader has no PVH note");
    return pvh;
}

// As a bzImage (Linux, Documentation/arch/x86/boot.rst): the bytes after the setup sectors go to `address`. The rest of the memory that it
// asks for is undefined.
static uint32_t load_bzimage(struct file loader, enum entry entry, uint32_t address) {
    uint32_t setup = (loader.bytes[0x1f1] + 1) * 512, size = loader.size - setup, init_size = WORD(loader, 0x260);
    copy(address, loader.bytes + setup, size);
    if (init_size > size)
        memset((void *)(address + size), 0xcc, init_size - size);
    return address + (entry == ENTRY_LINUX_64 ? 0x200 : 0);
}

// Loads the loader as starters do that use this entry, an MZ file to `address`, and returns the address of its entry.
uint32_t load(struct file loader, enum entry entry, uint32_t address) {
    if (loader.size > 0x1000 && loader.bytes[0] == 'M' && loader.bytes[1] == 'Z' && WORD(loader, 0x202) == 0x53726448) {
        if (entry != ENTRY_LINUX_32 && entry != ENTRY_LINUX_64)
            fail("an MZ file is started by Linux's protocol");
        return load_bzimage(loader, entry, address);
    }
    if (loader.size < 64 || WORD(loader, 0) != 0x464c457f)
        fail("the first module is not the loader");
    return entry == ENTRY_MULTIBOOT_32 ? load_by_address_fields(loader) : load_by_program_headers(loader, entry);
}
