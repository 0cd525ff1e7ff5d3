// The tables and protocols of UEFI that the application uses, and a function for each call (UEFI Specification 2.10). Firmware has
// Microsoft's calling convention: function pointers with that attribute are called by it.

#ifndef CMZ_UEFI_H
#define CMZ_UEFI_H

#include <stdint.h>

#define UEFI_CALL __attribute__((ms_abi))
#define UEFI_INLINE static inline __attribute__((always_inline))

typedef uint64_t uefi_status;

struct uefi_guid {
    uint32_t first;
    uint16_t second, third;
    uint8_t rest[8];
};

// 4.2.1: the header of every table.
struct uefi_table_header {
    uint64_t signature;
    uint32_t revision, size, checksum, reserved;
};

// 12.4: text output.
struct uefi_text_output {
    uefi_status(UEFI_CALL *reset)(struct uefi_text_output *, uint8_t);
    uefi_status(UEFI_CALL *output_string)(struct uefi_text_output *, const uint16_t *);
};

// 4.4.1: boot services. Unused ones are declared as words.
struct uefi_boot_services {
    struct uefi_table_header header;
    void *task_priority[2];
    uefi_status(UEFI_CALL *allocate_pages)(uint32_t type, uint32_t memory, uint64_t pages, uint64_t *address);
    uefi_status(UEFI_CALL *free_pages)(uint64_t address, uint64_t pages);
    uefi_status(UEFI_CALL *get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *entry, uint32_t *version);
    void *pool[2];
    void *events[6];
    void *install_protocol[3];
    uefi_status(UEFI_CALL *handle_protocol)(void *handle, const struct uefi_guid *, void **interface);
    void *reserved;
    void *register_notify;
    void *locate_handle;
    uefi_status(UEFI_CALL *locate_device_path)(const struct uefi_guid *, void **path, void **handle);
    void *install_configuration_table;
    void *load_image, *start_image, *exit, *unload_image;
    uefi_status(UEFI_CALL *exit_boot_services)(void *image, uint64_t key);
};

struct uefi_configuration_table {
    struct uefi_guid guid;
    uint64_t address;
};

// 4.3.1: the system table.
struct uefi_system_table {
    struct uefi_table_header header;
    void *vendor;
    uint32_t revision;
    void *input_handle, *input, *output_handle;
    struct uefi_text_output *output;
    void *error_handle, *error, *runtime_services;
    struct uefi_boot_services *boot;
    uint64_t table_count;
    struct uefi_configuration_table *tables;
};

// 9.1.1: the description of a loaded image.
struct uefi_loaded_image {
    uint32_t revision;
    void *parent, *system_table, *device, *path, *reserved;
    uint32_t options_size;
    void *options;
};

// 13.5: files.
struct uefi_file {
    uint64_t revision;
    uefi_status(UEFI_CALL *open)(struct uefi_file *, struct uefi_file **, const uint16_t *, uint64_t mode, uint64_t attributes);
    uefi_status(UEFI_CALL *close)(struct uefi_file *);
    void *erase;
    uefi_status(UEFI_CALL *read)(struct uefi_file *, uint64_t *size, void *);
    void *write;
    uefi_status(UEFI_CALL *get_position)(struct uefi_file *, uint64_t *);
    uefi_status(UEFI_CALL *set_position)(struct uefi_file *, uint64_t);
};

struct uefi_file_system {
    uint64_t revision;
    uefi_status(UEFI_CALL *open_volume)(struct uefi_file_system *, struct uefi_file **);
};

// 13.2: a file that another program offers.
struct uefi_load_file {
    uefi_status(UEFI_CALL *load)(struct uefi_load_file *, const void *path, uint8_t is_boot, uint64_t *size, void *);
};

#define UEFI_LOADED_IMAGE {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define UEFI_FILE_SYSTEM {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}}
#define UEFI_LOAD_FILE2 {0x4006c0c1, 0xfcb3, 0x403e, {0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d}}
// Linux, include/linux/efi.h: LINUX_EFI_INITRD_MEDIA_GUID.
#define UEFI_INITRD_MEDIA {0x5568e427, 0x68fc, 0x4f3d, {0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}}

/// Allocates `pages` pages of 4 KiB, of kind `memory`, by `type`: anywhere (0), at or below `*address` (1), or at `*address` (2).
UEFI_INLINE uefi_status uefi_allocate_pages(
    const struct uefi_system_table *table, uint32_t type, uint32_t memory, uint64_t pages, uint64_t *address) {
    return table->boot->allocate_pages(type, memory, pages, address);
}

/// Frees pages.
UEFI_INLINE uefi_status uefi_free_pages(const struct uefi_system_table *table, uint64_t address, uint64_t pages) {
    return table->boot->free_pages(address, pages);
}

/// Lets the firmware write the memory map to `map`, which has `*size` bytes.
UEFI_INLINE uefi_status uefi_get_memory_map(
    const struct uefi_system_table *table, uint64_t *size, void *map, uint64_t *key, uint64_t *entry_size) {
    uint32_t version;
    return table->boot->get_memory_map(size, map, key, entry_size, &version);
}

/// Ends boot services, if `key` is that of the current memory map.
UEFI_INLINE uefi_status uefi_exit_boot_services(const struct uefi_system_table *table, void *image, uint64_t key) {
    return table->boot->exit_boot_services(image, key);
}

/// Writes a text that ends with a 0.
UEFI_INLINE void uefi_output(const struct uefi_system_table *table, const uint16_t *text) {
    if (table->output)
        table->output->output_string(table->output, text);
}

/// The firmware's description of this image; null if it has none.
UEFI_INLINE const struct uefi_loaded_image *uefi_loaded_image(const struct uefi_system_table *table, void *image) {
    static const struct uefi_guid guid = UEFI_LOADED_IMAGE;
    void *found = 0;
    return table->boot->handle_protocol(image, &guid, &found) ? 0 : (const struct uefi_loaded_image *)found;
}

/// The root folder of the file system on `device`; null if there is none.
UEFI_INLINE struct uefi_file *uefi_open_volume(const struct uefi_system_table *table, void *device) {
    static const struct uefi_guid guid = UEFI_FILE_SYSTEM;
    void *found = 0;
    struct uefi_file *root = 0;
    if (!device || table->boot->handle_protocol(device, &guid, &found))
        return 0;
    struct uefi_file_system *system = found;
    return system->open_volume(system, &root) ? 0 : root;
}

/// Opens the file or folder with the name `name`, relative to `folder`, for reading, and stores the status; null if that fails.
UEFI_INLINE struct uefi_file *uefi_open(struct uefi_file *folder, const uint16_t *name, uefi_status *status) {
    struct uefi_file *file = 0;
    *status = folder->open(folder, &file, name, 1, 0);
    return *status ? 0 : file;
}

/// Closes a file.
UEFI_INLINE void uefi_close(struct uefi_file *file) { file->close(file); }

/// Reads up to `*size` bytes; from a folder, one entry.
UEFI_INLINE uefi_status uefi_read(struct uefi_file *file, uint64_t *size, void *bytes) {
    return file->read(file, size, bytes);
}

/// Stores the size of a file in bytes, and goes to its first byte.
UEFI_INLINE uefi_status uefi_file_size(struct uefi_file *file, uint64_t *size) {
    uefi_status status = file->set_position(file, UINT64_MAX);
    if (!status)
        status = file->get_position(file, size);
    return status ? status : file->set_position(file, 0);
}

/// The protocol that offers an initrd as Linux expects it, by a device path that consists of its GUID; null if there is none.
UEFI_INLINE struct uefi_load_file *uefi_initrd(const struct uefi_system_table *table) {
    static const struct uefi_guid guid = UEFI_LOAD_FILE2;
    static const struct __attribute__((packed)) {
        uint8_t type, subtype, size[2];
        struct uefi_guid guid;
        uint8_t end[4];
    } initrd = {4, 3, {20, 0}, UEFI_INITRD_MEDIA, {0x7f, 0xff, 4, 0}};
    void *path = (void *)&initrd, *handle = 0, *found = 0;
    if (table->boot->locate_device_path(&guid, &path, &handle) || table->boot->handle_protocol(handle, &guid, &found))
        return 0;
    return found;
}

/// Lets the other program write the offered file to `bytes`, which has room for `*size` bytes; if that is too little, stores its size.
UEFI_INLINE uefi_status uefi_load(struct uefi_load_file *file, uint64_t *size, void *bytes) {
    static const uint8_t end[4] = {0x7f, 0xff, 4, 0};
    return file->load(file, end, 0, size, bytes);
}

/// The address of the configuration table that `guid` names; 0 if there is none.
UEFI_INLINE uint64_t uefi_configuration_table(const struct uefi_system_table *table, const struct uefi_guid *guid) {
    uint64_t wanted[2], found[2];
    __builtin_memcpy(wanted, guid, sizeof wanted);
    for (uint64_t index = 0; index < table->table_count; index++) {
        __builtin_memcpy(found, &table->tables[index].guid, sizeof found);
        if (found[0] == wanted[0] && found[1] == wanted[1])
            return table->tables[index].address;
    }
    return 0;
}

/// The address of ACPI's root pointer, of version 2 if there is one; 0 if there is none.
UEFI_INLINE uint64_t uefi_acpi(const struct uefi_system_table *table) {
    static const struct uefi_guid acpi2 = {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
    static const struct uefi_guid acpi1 = {0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    uint64_t address = uefi_configuration_table(table, &acpi2);
    return address ? address : uefi_configuration_table(table, &acpi1);
}

/// The address of AMD SEV-SNP's confidential computing blob (AMD 56421); 0 if there is none.
UEFI_INLINE uint64_t uefi_confidential_blob(const struct uefi_system_table *table) {
    static const struct uefi_guid blob = {0x067b1f5f, 0xcf26, 0x44c5, {0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42}};
    return uefi_configuration_table(table, &blob);
}

/// The loader's image in this file: see payload.S. Offsets count from this structure.
struct uefi_loader_description {
    uint32_t image, file_size, memory_size, linked_at, words, entry;
};
extern const struct uefi_loader_description loader_description;
UEFI_INLINE struct uefi_loader_description uefi_loader(void) { return loader_description; }
UEFI_INLINE uint64_t uefi_loader_address(void) { return (uint64_t)&loader_description; }

/// Enters the loader at `entry` by its protocol for starts from UEFI; `information` is the address of the start info.
__attribute__((noreturn)) UEFI_INLINE void uefi_enter(uint64_t entry, uint32_t protocol, uint32_t information) {
    __asm__ volatile("cli; jmp *%0" : : "r"(entry), "D"(protocol), "b"(information) : "memory");
    __builtin_unreachable();
}

#endif
