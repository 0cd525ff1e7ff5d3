// The serial line, the count of checks, and exceptions, which count as failures.

#include "kernel.h"

static unsigned checks, failures;

static void print_character(char character) {
    while ((in8(0x3f8 + 5) & 0x20) == 0) {
    }
    out8(0x3f8, (uint8_t)character);
}

void print(const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            print_character('\r');
        print_character(*text);
    }
}

void print_bytes(const char *text, uint64_t count) {
    while (count-- > 0)
        print_character(*text++);
}

void print_hex(uint64_t value) {
    print("0x");
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        print_character("0123456789abcdef"[value >> shift & 15]);
}

void print_decimal(uint64_t value) {
    if (value >= 10)
        print_decimal(value / 10);
    print_character('0' + (char)(value % 10));
}

void check(bool holds, const char *fact) {
    checks++;
    if (holds)
        return;
    failures++;
    print("FAILED: ");
    print(fact);
    print("\n");
}

void check_equal(uint64_t value, uint64_t expected, const char *fact) {
    check(value == expected, fact);
    if (value == expected)
        return;
    print("        is ");
    print_hex(value);
    print(", should be ");
    print_hex(expected);
    print("\n");
}

_Noreturn void finish(void) {
    print("fixture: ");
    if (failures > 0) {
        print_decimal(failures);
        print(" of ");
    } else {
        print("all ");
    }
    print_decimal(checks);
    print(failures > 0 ? " checks failed\n" : " checks passed\n");
    out8(0xf4, failures == 0 ? 1 : 0);
    while (true)
        __asm__ volatile("cli; hlt");
}

// frame[0] is the vector; then comes an error code, for some vectors, and the interrupted rip.
__attribute__((used, visibility("hidden"))) void exception(const uint64_t *frame) {
    const bool has_error_code = (0x60227d00u >> frame[0] & 1) != 0;
    print("FAILED: exception ");
    print_decimal(frame[0]);
    print(" at ");
    print_hex(frame[has_error_code ? 2 : 1]);
    if (has_error_code) {
        print(", error code ");
        print_hex(frame[1]);
    }
    print(", cr2 ");
    print_hex(read_cr2());
    print("\n");
    failures++;
    checks++;
    finish();
}

static uint64_t descriptors[64];

void install_exceptions(void) {
    extern const uint8_t exception_stubs[] __attribute__((visibility("hidden")));
    for (unsigned vector = 0; vector < 32; vector++) {
        const uint64_t stub = (uint64_t)exception_stubs + vector * 16;
        descriptors[2 * vector] = (stub & 0xffff) | 0x08 << 16 | 0x8e00ull << 32 | (stub >> 16 & 0xffff) << 48;
        descriptors[2 * vector + 1] = stub >> 32;
    }
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof descriptors - 1, (uint64_t)descriptors};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
