// The parts that Swift has no words for: port I/O, control registers, the linker's symbols, and the last jump.

#ifndef CMACHINE_H
#define CMACHINE_H

#include <stdint.h>

#define CM_INLINE static inline __attribute__((always_inline))

CM_INLINE void cm_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

CM_INLINE uint8_t cm_in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#define CM_SERIAL_CAPACITY 512
#define CM_SERIAL_FIFO 16
extern uint8_t cm_serial_buffer[CM_SERIAL_CAPACITY];

/// Puts one byte at `offset` of the serial port's buffer.
CM_INLINE void cm_serial_put(uint64_t offset, uint8_t byte) { cm_serial_buffer[offset] = byte; }

/// Puts eight bytes at `offset` of the serial port's buffer, the lowest first.
CM_INLINE void cm_serial_put_word(uint64_t offset, uint64_t bytes) {
    __builtin_memcpy(cm_serial_buffer + offset, &bytes, sizeof bytes);
}

/// Copies `count` bytes to `offset` of the serial port's buffer.
CM_INLINE void cm_serial_append(uint64_t offset, const uint8_t *bytes, uint64_t count) {
    uint8_t *target = cm_serial_buffer + offset;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(bytes), "+c"(count) : : "memory");
}

/// Sends the first `count` bytes of the buffer, at least one, to the serial port at `port`, as many at a time as its FIFO takes. Waits
/// until the FIFO is empty before each, and gives up after `patience` reads of the status. Bytes are written one by one: string
/// instructions are no faster under virtualisation, and some monitors drop wider writes.
CM_INLINE void cm_serial_send(uint16_t port, uint64_t count, uint64_t patience) {
    const uint8_t *bytes = cm_serial_buffer;
    do {
        while ((cm_in8(port + 5) & 0x20) == 0)
            if (--patience == 0)
                return;
        uint64_t chunk = count < CM_SERIAL_FIFO ? count : CM_SERIAL_FIFO;
        count -= chunk;
        __asm__ volatile("0: lodsb; outb %%al, %%dx; loop 0b" : "+S"(bytes), "+c"(chunk) : "d"(port) : "rax", "memory");
    } while (count > 0);
}

static inline uint64_t cm_read_cr2(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

/// The extended features of the CPU: CPUID 0x80000001, edx; 0 if it has no such leaf.
CM_INLINE uint32_t cm_extended_features(void) {
    uint32_t eax = 0x80000000, ebx, ecx, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    if (eax < 0x80000001)
        return 0;
    eax = 0x80000001;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return edx;
}

/// Stores a number from RDRAND. Returns 0 if the CPU lacks the instruction (CPUID 1, ecx bit 30), or it fails: ten times in a row, as
/// Intel advises, or by returning the same number twice, as some processors do after a sleep.
static inline int cm_random(uint64_t *number) {
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx >> 30 & 1) == 0)
        return 0;
    uint64_t numbers[2];
    for (int index = 0; index < 2; index++) {
        uint8_t done = 0;
        for (int attempt = 0; attempt < 10 && !done; attempt++)
            __asm__ volatile("rdrand %0; setc %1" : "=r"(numbers[index]), "=qm"(done) : : "cc");
        if (!done)
            return 0;
    }
    *number = numbers[1];
    return numbers[0] != numbers[1];
}

/// Whether there is a time stamp counter: CPUID 1, edx bit 4.
static inline int cm_has_time_stamps(void) {
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return edx >> 4 & 1;
}

/// The time at many moments, mixed: from the time stamp counter, unless there is none, and the interval timer. Between two moments a
/// port is read, which takes a device, or the virtual machine monitor that emulates it, a time that cannot be predicted to the cycle.
static inline uint64_t cm_mixed_time(int has_time_stamps) {
    uint64_t state = 0;
    for (int moment = 0; moment < 64; moment++) {
        uint32_t low = 0, high = 0;
        if (has_time_stamps)
            __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
        // The counter of the interval timer, 1.19 MHz; even if there is none, the read takes time.
        state ^= ((uint64_t)high << 32 | low) ^ (uint64_t)cm_in8(0x40) << 56;
        // SplitMix64's finaliser (Steele, Lea, Flood 2014): every input bit affects every output bit.
        state += 0x9e3779b97f4a7c15;
        state = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
        state = (state ^ state >> 27) * 0x94d049bb133111eb;
        state ^= state >> 31;
    }
    return state;
}

/// Sets bits of CR0, and of the low half of the model-specific register IA32_EFER.
static inline void cm_set_cr0(uint64_t bits) {
    uint64_t value;
    __asm__ volatile("movq %%cr0, %0; orq %1, %0; movq %0, %%cr0" : "=&r"(value) : "r"(bits));
}
static inline void cm_set_efer(uint32_t bits) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
    __asm__ volatile("wrmsr" : : "a"(low | bits), "d"(high), "c"(0xc0000080));
}

/// Ends the machine, as entry.S describes. QEMU's isa-debug-exit, if there is one, receives `status`.
_Noreturn void cm_end(uint8_t status);

/// The second address to which the physical `address`, below 4 GiB, is mapped: see ALIAS_BIT in entry.S. 0 is an address like any other,
/// but to a compiler it is a null pointer.
CM_INLINE uint64_t cm_alias(uint64_t address) { return address + (UINT64_C(1) << 39); }

/// The addresses of the loader's first byte, of the first byte after its code, and of the first byte after its last.
static inline uint64_t cm_loader_start(void) {
    extern char loader_start[];
    return (uint64_t)loader_start;
}
static inline uint64_t cm_loader_code_end(void) {
    extern char loader_code_end[];
    return (uint64_t)loader_code_end;
}
static inline uint64_t cm_loader_end(void) {
    extern char loader_end[];
    return (uint64_t)loader_end;
}

/// Calls the function at `address`, and returns its result.
static inline uint64_t cm_call(uint64_t address) { return ((uint64_t (*)(void))address)(); }

/// Leaves the loader for good, with the words of an `EntryState`.
_Noreturn void cm_enter(const void *state);

/// The frame that the CPU and the stub push when an exception occurs.
struct cm_exception_frame {
    uint64_t cr4, cr3, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

#endif
