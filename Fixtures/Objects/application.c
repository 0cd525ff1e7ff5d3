// An ordinary C program as one object file: it checks its own pointers, zeros, common symbols, thread-local variables and
// initialisers, and ends the machine with 1 where all are right.

#include <stdint.h>

// The entry point and the notes, so that this is one file, compiled once.
__asm__(".include \"start.S\"");

static void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static void print(const char *text) {
    for (; *text; text++) out8(0x3f8, (uint8_t)*text);
}

static int failures;

static void check(int holds, const char *fact) {
    if (holds) return;
    failures++;
    print("wrong: ");
    print(fact);
    print("\n");
}

// BootInfo as kernels since 0.6 have it.
struct boot_info {
    uint64_t phys_start, phys_end, serial_port, device_tree, image_start, image_end, tls_start, tls_filesz, tls_memsz, tls_align;
};

extern uint64_t common_words[5] __attribute__((common));
uint64_t common_words[5] __attribute__((common));
uint8_t common_byte __attribute__((common));
uint64_t page_common __attribute__((common, aligned(4096)));

static uint64_t zeros[3000];
uint64_t initialised = 0x1122334455667788;
uint64_t *const constant_pointer = &initialised;
uint64_t *pointer_into = zeros + 17;
const char *strings[] = {"first", "second", 0};
static int (*operations[2])(int);
extern void nobody_defines_this(void) __attribute__((weak));
extern char _end[], __executable_start[];

__attribute__((noinline)) int add_one(int value) { return value + 1; }
__attribute__((noinline)) static int twice(int value) { return value * 2; }
static int (*const table[])(int) = {add_one, twice};

__thread uint64_t thread_initialised = 0xabcdef;
__thread uint64_t thread_zero;
static __thread uint8_t thread_bytes[37] __attribute__((aligned(64))) = {1, 2, 3};
static __thread uint64_t thread_static = 0x5150;

typedef void (*initialiser)(void);
extern initialiser __init_array_start[], __init_array_end[];
static volatile int initialised_by;
__attribute__((constructor)) static void construct(void) { initialised_by = 42; }

// A function that chooses an implementation.
static int chosen_implementation(int value) { return value ^ 0x55; }
__attribute__((used)) static int (*resolve_chosen(void))(int) { return chosen_implementation; }
__asm__(".globl chosen\n.type chosen, @gnu_indirect_function\n.set chosen, resolve_chosen");
extern int chosen(int value);
int (*chosen_pointer)(int) = chosen;

static void set_thread_pointer(const struct boot_info *info) {
    if (info->tls_memsz == 0 || info->tls_memsz > 4096 || info->tls_align > 4096) {
        check(0, "the size of the thread-local block");
        return;
    }
    // The block as kernels make it: aligned, below TP, filled from the template.
    static uint8_t room[8192] __attribute__((aligned(4096)));
    uint64_t distance = (info->tls_memsz + info->tls_align - 1) & ~(info->tls_align - 1);
    uint8_t *tp = room + 4096;
    for (uint64_t i = 0; i < info->tls_filesz; i++) tp[i - distance] = ((const uint8_t *)info->tls_start)[i];
    *(uint64_t *)tp = (uint64_t)tp;
    __asm__ volatile("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)(uint64_t)tp), "d"((uint32_t)((uint64_t)tp >> 32)));
}

// Kept from the optimiser: what the loader stored is to be looked at.
static uint64_t look(const volatile void *pointer) {
    uint64_t value = *(const volatile uint64_t *)pointer;
    __asm__ volatile("" : "+r"(value));
    return value;
}

_Noreturn void application(const struct boot_info *info) {
    set_thread_pointer(info);
    check(look(&initialised) == 0x1122334455667788, "initialised data");
    check(look(&constant_pointer) == (uint64_t)&initialised, "a pointer to data");
    check(look(&pointer_into) == (uint64_t)zeros + 17 * 8, "a pointer with an addend");
    check(((const char *volatile *)strings)[1][2] == 'c', "a pointer to a string");
    check(look(&strings[2]) == 0, "a null pointer");
    for (unsigned i = 0; i < 3000; i++)
        if (look(&zeros[i]) != 0) check(0, "zeros");
    for (unsigned i = 0; i < 5; i++) check(look(&common_words[i]) == 0, "common words are zero");
    common_words[4] = 7;
    *(volatile uint8_t *)&common_byte = 9;
    check(look(&common_words[4]) == 7, "common symbols do not overlap");
    check(((uint64_t)&page_common & 4095) == 0, "the alignment of a common symbol");
    operations[0] = table[1];
    check(((int (*volatile *)(int))table)[0](4) == 5 && operations[0](4) == 8, "pointers to functions");
    void (*volatile weak)(void) = nobody_defines_this;
    check(weak == 0, "a weak symbol that nobody defines");
    check((uint64_t)__executable_start <= (uint64_t)application && (uint64_t)&page_common < (uint64_t)_end,
          "the linker's symbols");
    check((uint64_t)__executable_start == info->image_start && (uint64_t)_end <= info->image_end,
          "the image that BootInfo tells of");

    check(look(&thread_initialised) == 0xabcdef, "an initialised thread-local variable");
    check(look(&thread_zero) == 0, "a thread-local variable of zeros");
    thread_zero = 3;
    check(look(&thread_zero) == 3 && look(&thread_static) == 0x5150, "thread-local variables do not overlap");
    check((look(thread_bytes) & 0xffffff) == 0x030201 && look(thread_bytes + 29) == 0, "thread-local bytes");
    check(((uint64_t)thread_bytes & 63) == 0, "the alignment of a thread-local variable");

    for (initialiser *each = __init_array_start; each < __init_array_end; each++) (*each)();
    check(initialised_by == 42, "functions that initialise");
    check(chosen(0xff) == 0xaa, "a function that chooses its implementation");
    check(((int (*volatile *)(int))&chosen_pointer)[0](1) == 0x54, "a pointer to it");
    check(look(&chosen_pointer) == (uint64_t)chosen, "all references to it agree");

    print(failures ? "object file: failed\n" : "object file: all checks passed\n");
    for (;;) out8(0xf4, failures ? 0 : 1);
}
