// memcpy and the like, which the compiler calls by name.

#include <stddef.h>

__attribute__((visibility("hidden"))) void *memset(void *target, int value, size_t count) {
    void *start = target;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(value) : "memory");
    return start;
}

__attribute__((visibility("hidden"))) void *memcpy(void *target, const void *source, size_t count) {
    void *start = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    return start;
}

__attribute__((visibility("hidden"))) void *memmove(void *target, const void *source, size_t count) {
    if ((size_t)target - (size_t)source >= count)
        return memcpy(target, source, count);
    char *to = (char *)target + count;
    const char *from = (const char *)source + count;
    while (count-- > 0)
        *--to = *--from;
    return target;
}
