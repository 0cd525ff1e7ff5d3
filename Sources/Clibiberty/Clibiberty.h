// GNU libiberty's demangler of C++ and of both manglings of Rust, which is also c++filt's.
//
// A mangled name may refer to parts of itself, and grow to any length. libiberty limits only the depth of that; so its text is taken
// piece by piece, and left by longjmp when it gets too long. The functions with a callback allocate nothing that would be lost.

#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#include <libiberty/demangle.h>

/// The text so far, and the way out.
struct demangled_text {
    char *buffer;
    size_t capacity, count;
    jmp_buf too_long;
};

static inline void take_demangled(const char *piece, size_t size, void *opaque) {
    struct demangled_text *text = opaque;
    if (size > text->capacity - text->count) longjmp(text->too_long, 1);
    memcpy(text->buffer + text->count, piece, size);
    text->count += size;
}

/// Demangles `symbol` into the `capacity` bytes at `buffer`, if it is a name of Rust, or with `cplusplus` one of C++. Returns the result's
/// size in bytes; 0 for other names, and for names that are longer than `capacity`.
static inline size_t demangle_bounded(const char *_Nonnull symbol, int cplusplus, char *_Nonnull buffer, size_t capacity) {
    struct demangled_text text = {.buffer = buffer, .capacity = capacity};
    int options = DMGL_PARAMS | DMGL_ANSI;
    if (setjmp(text.too_long)) return 0;
    int done = rust_demangle_callback(symbol, options, take_demangled, &text);
    if (!done && cplusplus) {
        text.count = 0;
        done = cplus_demangle_v3_callback(symbol, options, take_demangled, &text);
    }
    return done ? text.count : 0;
}
