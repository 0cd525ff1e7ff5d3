// Shared by every application here: checks that name themselves on the serial line, and a kernel's TLS set-up.

#include <stddef.h>
#include <stdint.h>

#define HIDDEN __attribute__((visibility("hidden")))

/// BootInfo of entry version 4.
struct boot_info {
    uint64_t hardware[3], device_tree;
    uint64_t image_start, image_end;
    uint64_t tls_start, tls_filesz, tls_memsz, tls_align;
};

/// Set by the first instructions, through the GOT; of default visibility, so that there is a GLOB_DAT for it.
extern const struct boot_info *boot_info;
/// The number of the first check that failed; 0 if none has.
extern HIDDEN uint8_t failed_check;

/// Compares, and prints a line if the two differ.
HIDDEN void check(const char *what, uint64_t actual, uint64_t expected);

/// Sets up the block of thread-local storage as Hermit kernels do, from BootInfo alone; returns the thread pointer.
HIDDEN uint64_t set_up_tls(void);
