// An ordinary C program as one object file: it checks its own pointers, zeros, common symbols, thread-local variables and
// initialisers, and ends the machine with 1 if all are right.

#include "checks.h"

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

    finish();
}
