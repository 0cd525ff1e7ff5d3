// The image checks itself: what the loader copied, filled with zeros and relocated.

#include "kernel.h"

// More than one 2 MiB page, so that the image crosses a boundary; only zeros.
static uint8_t zeros[0x280000];

struct program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
extern const uint8_t __ehdr_start[] __attribute__((visibility("hidden")));
extern uint64_t relocated_words[] __attribute__((visibility("hidden")));
extern const uint8_t _start[] __attribute__((visibility("hidden")));

static void check_relocations(uint64_t bias, uint64_t dynamic) {
    uint64_t table = 0, size = 0;
    for (; load64(dynamic) != 0; dynamic += 16) {
        if (load64(dynamic) == 7)
            table = load64(dynamic + 8) + bias;
        if (load64(dynamic) == 8)
            size = load64(dynamic + 8);
    }
    check(table != 0 && size >= 3 * 24, "the image has DT_RELA");
    bool applied = true;
    for (uint64_t entry = table; entry < table + size; entry += 24) {
        if (load32(entry + 8) != 8)
            check(false, "every relocation is R_X86_64_RELATIVE");
        uint64_t value;
        __builtin_memcpy(&value, (const void *)(load64(entry) + bias), 8);
        // The words of the entry state have no relocation, and nothing else has changed yet.
        applied = applied && value == load64(entry + 16) + bias;
    }
    check(applied, "every RELATIVE relocation is applied");
}

static void check_tls(const struct program_header *header, uint64_t bias) {
    const uint64_t start = header->vaddr + bias;
    check_equal(boot.tls.start, start, "BootInfo: tls start");
    check_equal(boot.tls.end - boot.tls.start, header->filesz, "BootInfo: tls filesz");
    check_equal(boot.tls_memsz, header->memsz, "BootInfo: tls memsz");
    check_equal(boot.tls_align, 64, "BootInfo: tls align");
    check_equal(header->filesz, 17, "PT_TLS: p_filesz");
    check((start & 63) == 0, "the TLS template is aligned as p_align says");
    check(
        load64(start) == 0x746c732d64617461 && load64(start + 8) == 0x0a0b0c0d0e0f1011 && load8(start + 16) == 0x7f,
        "the TLS template's bytes are there");
}

// Compares the access of every page of the image with that of the segments that share it; RELRO is no longer writable.
static void check_protection(uint64_t base, uint64_t bias) {
    const struct program_header *headers = (const void *)(base + load64(base + 32));
    const unsigned count = load16(base + 56);
    struct range fixed = {0, 0};
    for (unsigned index = 0; index < count; index++)
        if (headers[index].type == 0x6474e552)
            fixed = (struct range){headers[index].vaddr + bias, headers[index].vaddr + headers[index].memsz + bias};
    bool exact = true;
    for (uint64_t page = boot.image.start & ~(uint64_t)(PAGE - 1); page < boot.image.end; page += PAGE) {
        bool written = false, executed = false;
        for (unsigned index = 0; index < count; index++) {
            const struct program_header *header = headers + index;
            struct range part = {header->vaddr + bias, header->vaddr + header->memsz + bias};
            part.start = part.start < page ? page : part.start;
            part.end = part.end > page + PAGE ? page + PAGE : part.end;
            if (header->type != 1 || part.start >= part.end)
                continue;
            written = written || ((header->flags & 2) != 0 && !contains(fixed, part));
            executed = executed || (header->flags & 1) != 0;
        }
        const struct translation found = translate(page);
        exact = exact && found.writable == (written || !is_protected)
            && found.executable == (executed || !has_no_execute);
    }
    check(exact, "every page of the image allows what its segments ask for, and no more");
    const struct translation stack = translate((uint64_t)__builtin_frame_address(0));
    check(stack.writable && stack.executable == !has_no_execute, "the stack is written, not executed");
}

void check_image(void) {
    const uint64_t base = (uint64_t)__ehdr_start;
    check_equal(load32(base), 0x464c457f, "the ELF header lies at the image's start");
    check_equal(load32(base + 4), 0xff010102, "EI_CLASS, EI_DATA, EI_VERSION, EI_OSABI");
    check(load16(base + 16) == 2 || load16(base + 16) == 3, "e_type");
    const uint64_t bias = load16(base + 16) == 3 ? base : 0;
    check_equal(load64(base + 24) + bias, (uint64_t)_start, "e_entry");
    check((base & (LARGE_PAGE - 1)) == 0, "the image's base is a multiple of 2 MiB");

    const struct program_header *header = (const void *)(base + load64(base + 32));
    uint64_t start = ~0ull, end = 0;
    bool has_tls = false;
    for (unsigned index = 0; index < load16(base + 56); index++, header++) {
        if (header->type == 1) {
            if (header->vaddr < start)
                start = header->vaddr;
            if (header->vaddr + header->memsz > end)
                end = header->vaddr + header->memsz;
        } else if (header->type == 2) {
            check_relocations(bias, header->vaddr + bias);
        } else if (header->type == 7) {
            check_tls(header, bias);
            has_tls = true;
        }
    }
    check(has_tls, "the image has PT_TLS");
    check_equal(boot.image.start, start + bias, "BootInfo: image start");
    check_equal(boot.image.end, end + bias, "BootInfo: image end, .bss included");
    check(is_mapped_to_itself(boot.image), "the image is mapped to itself");
    check_protection(base, bias);

    // Volatile: the compiler knows that nothing writes here, and would drop the loop.
    const volatile uint64_t *words = (const volatile uint64_t *)zeros;
    bool clear = true;
    for (unsigned index = 0; index < sizeof zeros / 8; index++)
        clear = clear && words[index] == 0;
    check(clear, ".bss is zero");

    uint64_t odd;
    __builtin_memcpy(&odd, (const uint8_t *)relocated_words + 17, 8);
    check(
        relocated_words[0] == (uint64_t)&entry_rdi + 4 && relocated_words[1] == (uint64_t)_start
            && odd == (uint64_t)relocated_words,
        "words with addresses are relocated");
}
