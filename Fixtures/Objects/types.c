// Checks the words of types.S, one per relocation number: the operands of each are computed by other means.

#include "checks.h"

__asm__(".include \"types.S\"");

extern uint8_t target[], near[];
extern __thread uint64_t variable;

// The words are not aligned, and the byte after each must be unchanged.
#define WORD(number) extern uint8_t word_##number[]
#define UNSIGNED(number, bits) (*(const uint##bits##_t *)word_##number)
#define SIGNED(number, bits) ((uint64_t)(int64_t) * (const int##bits##_t *)word_##number)
#define PLACE(number) ((uint64_t)word_##number)
// The address that the 32 bits at a place point to, from the place itself (a symbol) or 4 bytes after it (an operand).
#define FROM_PLACE(number) (PLACE(number) + SIGNED(number, 32))
#define FROM_NEXT(number) (PLACE(number) + 4 + SIGNED(number, 32))
#define WORD_AT(address) (*(const uint64_t *)(address))
#define KEPT(number, size) check(word_##number[size] == 0xa5, "the byte after word " #number)
#define EQUAL(number, value, expected, size) \
    do { \
        WORD(number); \
        check((value) == (expected), "number " #number); \
        KEPT(number, size); \
    } while (0)

// Calls a TLS descriptor as compilers do: its address in rax, and no other register changes.
static uint64_t call_descriptor(uint64_t descriptor) {
    uint64_t result = descriptor;
    __asm__ volatile("call *(%%rax)" : "+a"(result) : : "memory", "cc");
    return result;
}

_Noreturn void application(const struct boot_info *info) {
    set_thread_pointer(info);
    uint64_t tp;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(tp));
    uint64_t symbol = (uint64_t)target, in_block = 16;
    uint64_t distance = (info->tls_memsz + info->tls_align - 1) & ~(info->tls_align - 1);
    uint64_t offset = in_block - distance;
    check(WORD_AT(tp + offset) == 3, "the thread-local variable");

    // The GOT's address, by the widest of the numbers that tell it; the others must agree.
    WORD(29);
    uint64_t got = PLACE(29) + UNSIGNED(29, 64);
    check(got >= info->image_start && got < info->image_end, "the GOT is in the image");
    KEPT(29, 8);
    EQUAL(26, FROM_PLACE(26), got + 8, 4);

    EQUAL(0, UNSIGNED(0, 64), 0x0101010101010101, 8);
    EQUAL(35, UNSIGNED(35, 64), 0x0101010101010101, 8);
    EQUAL(1, UNSIGNED(1, 64), symbol + 8, 8);
    EQUAL(2, FROM_PLACE(2), symbol + 8, 4);
    EQUAL(3, WORD_AT(got + SIGNED(3, 32)), symbol, 4);
    EQUAL(4, FROM_NEXT(4), symbol, 4);
    EQUAL(9, WORD_AT(FROM_NEXT(9)), symbol, 4);
    EQUAL(10, (uint64_t)UNSIGNED(10, 32), symbol + 8, 4);
    EQUAL(11, SIGNED(11, 32), symbol + 8, 4);
    EQUAL(12, UNSIGNED(12, 16), 0x1235, 2);
    EQUAL(13, PLACE(13) + SIGNED(13, 16), symbol + 8, 2);
    EQUAL(14, UNSIGNED(14, 8), 0x43, 1);
    EQUAL(15, PLACE(15) + SIGNED(15, 8), (uint64_t)near + 1, 1);
    EQUAL(16, UNSIGNED(16, 64), 1, 8);
    EQUAL(17, UNSIGNED(17, 64), in_block + 3, 8);
    EQUAL(18, UNSIGNED(18, 64), offset + 3, 8);
    EQUAL(19, WORD_AT(FROM_NEXT(19)), 1, 4);
    EQUAL(19, WORD_AT(FROM_NEXT(19) + 8), in_block, 4);
    EQUAL(20, WORD_AT(FROM_NEXT(20)), 1, 4);
    EQUAL(20, WORD_AT(FROM_NEXT(20) + 8), 0, 4);
    EQUAL(21, SIGNED(21, 32), in_block + 3, 4);
    EQUAL(22, WORD_AT(FROM_NEXT(22)), offset, 4);
    EQUAL(23, SIGNED(23, 32), offset + 3, 4);
    EQUAL(24, PLACE(24) + UNSIGNED(24, 64), symbol + 8, 8);
    EQUAL(25, got + UNSIGNED(25, 64), symbol + 8, 8);
    EQUAL(27, WORD_AT(got + UNSIGNED(27, 64)), symbol, 8);
    EQUAL(28, WORD_AT(PLACE(28) + UNSIGNED(28, 64)), symbol, 8);
    EQUAL(30, WORD_AT(got + UNSIGNED(30, 64)), symbol, 8);
    EQUAL(31, got + UNSIGNED(31, 64), symbol + 8, 8);
    EQUAL(32, UNSIGNED(32, 32), 0x124, 4);
    EQUAL(33, UNSIGNED(33, 64), 0x124, 8);
    EQUAL(34, call_descriptor(FROM_NEXT(34)), offset, 4);
    EQUAL(36, call_descriptor(PLACE(36)), offset + 3, 16);
    EQUAL(39, FROM_PLACE(39), symbol + 8, 4);
    EQUAL(40, FROM_PLACE(40), symbol + 8, 4);
    EQUAL(41, WORD_AT(FROM_NEXT(41)), symbol, 4);
    EQUAL(42, WORD_AT(FROM_NEXT(42)), symbol, 4);
    EQUAL(43, WORD_AT(FROM_NEXT(43)), symbol, 4);
    EQUAL(44, WORD_AT(FROM_NEXT(44)), offset, 4);
    EQUAL(45, call_descriptor(FROM_NEXT(45)), offset, 4);
    EQUAL(46, WORD_AT(FROM_NEXT(46)), symbol, 4);
    EQUAL(47, WORD_AT(FROM_NEXT(47)), offset, 4);
    EQUAL(48, call_descriptor(FROM_NEXT(48)), offset, 4);
    EQUAL(49, WORD_AT(FROM_NEXT(49)), symbol, 4);
    EQUAL(50, WORD_AT(FROM_NEXT(50)), offset, 4);
    EQUAL(51, call_descriptor(FROM_NEXT(51)), offset, 4);
    finish();
}
