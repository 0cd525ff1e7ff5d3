// Support code for every application here; nothing in it needs a relocation.

#include "check.h"

const struct boot_info *boot_info;
uint8_t failed_check;
static uint8_t checks;

static void put(char c) { __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)0x3f8)); }

static void put_text(const char *text) {
    while (*text)
        put(*text++);
}

static void put_hex(uint64_t value) {
    put_text("0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        unsigned digit = value >> shift & 15;
        put(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
}

void check(const char *what, uint64_t actual, uint64_t expected) {
    checks++;
    if (actual == expected)
        return;
    if (!failed_check)
        failed_check = checks;
    put_text("FAILED ");
    put_text(what);
    put_text(": ");
    put_hex(actual);
    put_text(", expected ");
    put_hex(expected);
    put('\n');
}

void *memcpy(void *to, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t count) {
    for (size_t i = 0; i < count; i++)
        ((char *)to)[i] = value;
    return to;
}

static uint8_t block[0x3000] __attribute__((aligned(4096)));

uint64_t set_up_tls(void) {
    uint64_t align = boot_info->tls_align;
    uint64_t size = (boot_info->tls_memsz + align - 1) & -align;
    memcpy(block, (const void *)boot_info->tls_start, boot_info->tls_filesz);
    uint64_t tp = (uint64_t)block + size;
    *(uint64_t *)tp = tp;
    // The MSR of the fs base.
    __asm__ volatile("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)tp), "d"((uint32_t)(tp >> 32)));
    return tp;
}
