// DTPMOD64 and DTPOFF64, TPOFF64, TLSDESC, or no relocation at all: thread-local variables in the model chosen by the compiler's
// options, in a block that is set up as by Hermit kernels.

#include "check.h"

__thread int first = 11;
#if PADDING
// Only this part of PT_TLS, in .tbss, is aligned: .tdata begins PADDING bytes after a multiple.
__thread char second[3] __attribute__((aligned(ALIGN)));
#else
__thread char second[3] __attribute__((aligned(ALIGN))) = {1, 2, 3};
#endif
static __thread long local = 33;
static __thread long zero[5];
extern __thread int nowhere __attribute__((weak));

struct tls_index {
    uint64_t module, offset;
};

static uint64_t tp;

/// The general and the local dynamic model call this.
void *__tls_get_addr(const struct tls_index *index) {
    if (index->module == 0)
        return (void *)index->offset;
    check("module", index->module, 1);
    uint64_t align = boot_info->tls_align;
    uint64_t size = (boot_info->tls_memsz + align - 1) & -align;
    // Offsets count from the template's first byte: if PT_TLS does not begin at a multiple of its alignment, BootInfo's template
    // begins earlier.
    return (void *)(tp - size + PADDING + index->offset);
}

// Not inlined, so that each address is computed where it is used.
#define NEVER __attribute__((noinline))
static NEVER int *address_of_first(void) { return &first; }
static NEVER char *address_of_second(void) { return second; }
static NEVER long *address_of_local(void) { return &local; }
static NEVER long *address_of_zero(void) { return zero; }
#ifdef WEAK
static NEVER int *address_of_nowhere(void) { return &nowhere; }
#endif

void check_relocations(void) {
    check("PT_TLS", boot_info->tls_start != 0, 1);
    tp = set_up_tls();
    uint64_t align = boot_info->tls_align;
    check("alignment", align >= ALIGN, 1);
    check("alignment of TP", tp & (align - 1), 0);
    check("first", *address_of_first(), 11);
    check("second", address_of_second()[2], PADDING ? 0 : 3);
    check("alignment of second", (uint64_t)address_of_second() & (ALIGN - 1), 0);
    check("local", *address_of_local(), 33);
    for (int i = 0; i < 5; i++)
        check("zero", address_of_zero()[i], 0);
    check("below TP", (uint64_t)&address_of_zero()[4] < tp, 1);
    *address_of_first() = 12;
    check("first, written", *address_of_first(), 12);
#ifdef WEAK
    check("weak undefined", (uint64_t)address_of_nowhere(), 0);
#endif
}
