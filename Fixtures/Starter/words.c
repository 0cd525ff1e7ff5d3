// Text on the serial line, and the words of the command line.

#include "starter.h"

static void out(uint16_t port, uint8_t byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }

static void say_byte(char byte) {
    for (int patience = 0; patience < 1000000; patience++) {
        uint8_t status;
        __asm__ volatile("inb %1, %0" : "=a"(status) : "d"((uint16_t)0x3fd));
        if (status & 0x20)
            break;
    }
    out(0x3f8, (uint8_t)byte);
}

void say(const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            say_byte('\r');
        say_byte(*text);
    }
}

void say_number(uint64_t number) {
    say("0x");
    int shift = 60;
    while (shift > 0 && number >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        say_byte("0123456789abcdef"[number >> shift & 15]);
}

_Noreturn void fail(const char *text) {
    say("[STARTER] error: ");
    say(text);
    say("\n");
    // QEMU's status 5.
    for (;;)
        out(0xf4, 2);
}

int begins(const char *text, const char *start) {
    while (*start)
        if (*text++ != *start++)
            return 0;
    return 1;
}

static int ends_word(char byte) { return byte == 0 || byte == ' '; }

const char *value(const char *words, const char *name) {
    // The starter's words end with `--`: the loader's command line follows.
    for (; *words && !begins(words, "-- "); words++)
        if (begins(words, name) && words[length(name)] == '=' && (words[-1] == ' '))
            return words + length(name) + 1;
    return NULL;
}

int is(const char *value, const char *word) { return begins(value, word) && ends_word(value[length(word)]); }

uint64_t number(const char *value) {
    uint64_t result = 0;
    int is_hexadecimal = begins(value, "0x");
    for (value += is_hexadecimal ? 2 : 0; !ends_word(*value); value++) {
        uint8_t digit = *value >= 'a' ? *value - 'a' + 10 : *value - '0';
        if (digit >= (is_hexadecimal ? 16 : 10))
            fail("a number has another digit");
        result = is_hexadecimal ? result << 4 | digit : result * 10 + digit;
    }
    return result;
}

const char *text(const char *value) {
    static char copies[8][256];
    static int count;
    char *copy = copies[count++ % 8];
    int size = 0;
    for (; !ends_word(*value); value++) {
        if (size == 255)
            fail("a word is too long");
        copy[size++] = *value == '+' ? ' ' : *value;
    }
    copy[size] = 0;
    return copy;
}

uint32_t length(const char *text) {
    uint32_t length = 0;
    while (text[length])
        length++;
    return length;
}
