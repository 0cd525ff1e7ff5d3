// A UEFI application that starts \loader.efi of its volume, once for each word of the file \faults, with firmware that fails as the
// word says: boot services and file handles lead through functions here first. After each start that returns it prints the status, how
// many pages were allocated and not given back, and how many files and folders were opened and not closed.
//
//   unknown         the firmware does not know from which device the loader was loaded
//   empty           the initrd that it offers has no size
//   query           ... or cannot be asked for its size
//   load            ... or cannot be loaded
//   openN           opening a file or folder fails for the Nth time, from 1 on
//   readN           reading fails for the Nth time
//   shortN          reading gives a byte less than was asked for
//   memoryN         allocating pages anywhere fails for the Nth time
//   place           allocating pages at an address fails
//   map             the memory map cannot be read
//   leave           boot services do not end
//   staleN          an event has changed the memory map, N times, when boot services are to end

#include <stddef.h>

#include "../../Sources/CMZ/include/uefi.h"

#define FAILED(number) ((uefi_status)(number) | 1ull << 63)
#define UNSUPPORTED FAILED(3)
#define BUFFER_TOO_SMALL FAILED(5)
#define DEVICE_ERROR FAILED(7)
#define OUT_OF_RESOURCES FAILED(9)
#define NOT_FOUND FAILED(14)

static struct uefi_system_table *system;
static struct uefi_boot_services *boot, real;
static char fault[16];
static int countdown;
static int64_t pages_left, files_left;

// What compilers call.
void *memcpy(void *to, const void *from, size_t size) {
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

// MARK: Text

static void say(const char *text) {
    uint16_t wide[128];
    size_t count = 0;
    for (; *text && count < 127; text++)
        wide[count++] = (uint16_t)*text;
    wide[count] = 0;
    uefi_output(system, wide);
}

static void say_number(uint64_t number) {
    char digits[19] = "0x";
    int shift = 60, count = 2;
    while (shift > 0 && number >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        digits[count++] = "0123456789abcdef"[number >> shift & 15];
    digits[count] = 0;
    say(digits);
}

static int is(const char *name) {
    const char *word = fault;
    while (*name && *word == *name)
        word++, name++;
    return *name == 0 && (*word == 0 || (*word >= '0' && *word <= '9'));
}

static _Noreturn void end(uint8_t status) {
    for (;;)
        __asm__ volatile("outb %0, $0xf4" : : "a"(status));
}

static void require(uefi_status status, const char *what) {
    if (status == 0)
        return;
    say("[FIRMWARE] error: ");
    say(what);
    say("\r\n");
    // QEMU's status 5.
    end(2);
}

static int is_turn(const char *name) { return is(name) && --countdown == 0; }

// MARK: Boot services

static uefi_status UEFI_CALL allocate_pages(uint32_t type, uint32_t memory, uint64_t pages, uint64_t *address) {
    if (type == 1 && is_turn("memory"))
        return OUT_OF_RESOURCES;
    if (type == 2 && is("place"))
        return NOT_FOUND;
    uefi_status status = real.allocate_pages(type, memory, pages, address);
    pages_left += status ? 0 : (int64_t)pages;
    return status;
}

static uefi_status UEFI_CALL free_pages(uint64_t address, uint64_t pages) {
    uefi_status status = real.free_pages(address, pages);
    pages_left -= status ? 0 : (int64_t)pages;
    return status;
}

static uefi_status UEFI_CALL get_memory_map(uint64_t *size, void *map, uint64_t *key, uint64_t *entry, uint32_t *version) {
    if (map && is("map"))
        return DEVICE_ERROR;
    return real.get_memory_map(size, map, key, entry, version);
}

static uefi_status UEFI_CALL handle_protocol(void *handle, const struct uefi_guid *guid, void **interface) {
    static const struct uefi_guid loaded_image = UEFI_LOADED_IMAGE;
    if (is("unknown") && guid->first == loaded_image.first)
        return UNSUPPORTED;
    return real.handle_protocol(handle, guid, interface);
}

static uefi_status UEFI_CALL exit_boot_services(void *image, uint64_t key) {
    uint64_t page;
    if (is("leave"))
        return FAILED(2);
    // The firmware itself finds that the key is stale.
    if (is("stale") && countdown-- > 0)
        require(real.allocate_pages(0, 4, 1, &page), "no page is free");
    return real.exit_boot_services(image, key);
}

// MARK: Files

static struct uefi_file real_file;
static uefi_status(UEFI_CALL *real_open_volume)(struct uefi_file_system *, struct uefi_file **);

static void lead_here(struct uefi_file *file);

static uefi_status UEFI_CALL open(
    struct uefi_file *folder, struct uefi_file **file, const uint16_t *name, uint64_t mode, uint64_t attributes) {
    if (is_turn("open"))
        return DEVICE_ERROR;
    uefi_status status = real_file.open(folder, file, name, mode, attributes);
    if (status == 0)
        lead_here(*file), files_left++;
    return status;
}

static uefi_status UEFI_CALL close(struct uefi_file *file) {
    files_left--;
    return real_file.close(file);
}

static uefi_status UEFI_CALL read(struct uefi_file *file, uint64_t *size, void *bytes) {
    if (is_turn("read"))
        return DEVICE_ERROR;
    uefi_status status = real_file.read(file, size, bytes);
    if (is_turn("short"))
        --*size;
    return status;
}

// Each handle has its own functions; those of one file system are the same.
static void lead_here(struct uefi_file *file) {
    if (file->open == open)
        return;
    real_file = *file;
    file->open = open;
    file->close = close;
    file->read = read;
}

static uefi_status UEFI_CALL open_volume(struct uefi_file_system *volume, struct uefi_file **root) {
    uefi_status status = real_open_volume(volume, root);
    if (status == 0)
        lead_here(*root), files_left++;
    return status;
}

// MARK: An initrd

static uefi_status UEFI_CALL load(
    struct uefi_load_file *file, const void *path, uint8_t is_boot, uint64_t *size, void *bytes) {
    (void)file, (void)path, (void)is_boot;
    if (is("query"))
        return NOT_FOUND;
    if (bytes)
        return DEVICE_ERROR;
    *size = is("empty") ? 0 : 0x1000;
    return BUFFER_TOO_SMALL;
}

static struct uefi_load_file offer = {load};
static const struct uefi_guid device_path = {0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct uefi_guid load_file2 = UEFI_LOAD_FILE2;
static struct __attribute__((packed)) {
    uint8_t type, subtype, size[2];
    struct uefi_guid guid;
    uint8_t end[4];
} initrd_path = {4, 3, {20, 0}, UEFI_INITRD_MEDIA, {0x7f, 0xff, 4, 0}};

typedef uefi_status(UEFI_CALL *install)(void **handle, const struct uefi_guid *, uint32_t type, void *interface);
typedef uefi_status(UEFI_CALL *uninstall)(void *handle, const struct uefi_guid *, void *interface);

// MARK: Starts

typedef uefi_status(UEFI_CALL *load_image)(uint8_t, void *parent, void *path, void *bytes, uint64_t size, void **image);
typedef uefi_status(UEFI_CALL *start_image)(void *image, uint64_t *size, uint16_t **data);

// Pages with all of a file of this volume, and a 0 after it.
static char *read_file(struct uefi_file *volume, const uint16_t *name, uint64_t *size) {
    uefi_status status;
    struct uefi_file *file = uefi_open(volume, name, &status);
    require(status, "a file is missing");
    require(uefi_file_size(file, size), "a file has no size");
    uint64_t address;
    require(boot->allocate_pages(0, 2, *size / 4096 + 1, &address), "there is no memory");
    require(uefi_read(file, size, (void *)address), "a file cannot be read");
    ((char *)address)[*size] = 0;
    uefi_close(file);
    return (char *)address;
}

uefi_status efi_main(void *image, struct uefi_system_table *table) {
    system = table;
    boot = table->boot;
    real = *boot;
    const struct uefi_loaded_image *own = uefi_loaded_image(table, image);
    struct uefi_file *volume = uefi_open_volume(table, own->device);
    uint64_t loader_size, words_size;
    char *loader = read_file(volume, (const uint16_t *)L"\\loader.efi", &loader_size);
    const char *words = read_file(volume, (const uint16_t *)L"\\faults", &words_size);
    void *path;
    require(boot->handle_protocol(own->device, &device_path, &path), "the volume has no path");
    static const struct uefi_guid file_system = UEFI_FILE_SYSTEM;
    struct uefi_file_system *files;
    require(boot->handle_protocol(own->device, &file_system, (void **)&files), "the volume has no files");
    real_open_volume = files->open_volume;

    while (*words > ' ') {
        int count = 0;
        countdown = 0;
        for (; *words > ' '; words++) {
            if (*words >= '0' && *words <= '9')
                countdown = countdown * 10 + *words - '0';
            if (count < 15)
                fault[count++] = *words;
        }
        fault[count] = 0;
        while (*words && *words <= ' ')
            words++;

        void *child, *initrd = NULL;
        require(((load_image)boot->load_image)(0, image, path, loader, loader_size, &child), "the loader is not taken");
        int offers = is("empty") || is("query") || is("load");
        if (offers) {
            require(((install)boot->install_protocol[0])(&initrd, &device_path, 0, &initrd_path), "no path for an initrd");
            require(((install)boot->install_protocol[0])(&initrd, &load_file2, 0, &offer), "no initrd");
        }
        pages_left = files_left = 0;
        boot->allocate_pages = allocate_pages;
        boot->free_pages = free_pages;
        boot->get_memory_map = get_memory_map;
        boot->exit_boot_services = exit_boot_services;
        boot->handle_protocol = handle_protocol;
        files->open_volume = open_volume;
        uefi_status status = ((start_image)real.start_image)(child, NULL, NULL);
        *boot = real;
        files->open_volume = real_open_volume;
        if (offers) {
            ((uninstall)boot->install_protocol[2])(initrd, &load_file2, &offer);
            ((uninstall)boot->install_protocol[2])(initrd, &device_path, &initrd_path);
        }
        say("[FIRMWARE] ");
        say(fault);
        say(": status ");
        say_number(status);
        say(", pages left ");
        say_number((uint64_t)pages_left);
        say(", files left ");
        say_number((uint64_t)files_left);
        say("\r\n");
    }
    say("[FIRMWARE] done\r\n");
    end(1);
}
