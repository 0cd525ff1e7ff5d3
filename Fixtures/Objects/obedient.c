// Does what its command line says, after "-- ": for tests of programs that start it.
//
//   say TEXT      prints the whole command line, and ends with success
//   code N        prints that it shuts down with that code, as Hermit does, and ends with success
//   end N         writes N to isa-debug-exit
//   flood N       prints N lines of 64 bytes without asking the serial port for room
//   start N       prints what a kernel prints at its start, then dies if N is 1
//   hang          prints a line, and does nothing forever

#include "checks.h"

// RawBootInfo of entry version 4: the command line follows the platform's tag.
struct boot_command {
    uint64_t fields[10];
    uint64_t tag, address, size;
};

static const char *text;
static uint64_t size;

// The offset after the first `word` and a space; 0 if there is none.
static uint64_t find(const char *word) {
    for (uint64_t start = 0; start < size; start++) {
        uint64_t i = 0;
        while (word[i] && start + i < size && text[start + i] == word[i]) i++;
        if (!word[i]) return start + i;
    }
    return 0;
}

static uint64_t number(uint64_t offset) {
    uint64_t value = 0;
    for (; offset < size && text[offset] >= '0' && text[offset] <= '9'; offset++) value = value * 10 + (uint64_t)(text[offset] - '0');
    return value;
}

static void print_decimal(uint64_t value) {
    if (value >= 10) print_decimal(value / 10);
    out8(0x3f8, (uint8_t)('0' + value % 10));
}

_Noreturn static void end(uint8_t value) {
    for (;;) out8(0xf4, value);
}

_Noreturn void application(const struct boot_info *info) {
    const struct boot_command *command = (const struct boot_command *)info;
    text = (const char *)command->address;
    size = command->tag == 0 ? command->size : 0;
    uint64_t argument;
    if ((argument = find("-- code "))) {
        print("[0][INFO] shutting down with code ");
        print_decimal(number(argument));
        print("\r\n");
        end(1);
    }
    if ((argument = find("-- end "))) end((uint8_t)number(argument));
    if ((argument = find("-- flood "))) {
        for (uint64_t line = number(argument); line > 0; line--)
            print("0123456789abcdef0123456789ABCDEF........................ flood\r\n");
        end(1);
    }
    if ((argument = find("-- start "))) {
        print("[0][INFO] Heap is located at 0x200000 -- 0x400000\n");
        if (number(argument)) *(volatile uint64_t *)0x400000000000 = 1;
        end(0);
    }
    if (find("-- hang")) {
        print("hanging\r\n");
        for (;;) __asm__ volatile("pause");
    }
    print("command line: ");
    for (uint64_t i = 0; i < size; i++) out8(0x3f8, (uint8_t)text[i]);
    print("\r\n");
    end(1);
}
