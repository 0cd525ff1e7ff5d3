// The arrays that the loader makes of the libraries' initialisers and finalisers: empty if it makes none.

typedef void (*function)(void);
extern const function __loader_init_array_start[] __attribute__((weak)), __loader_init_array_end[] __attribute__((weak));
extern const function __loader_fini_array_start[] __attribute__((weak)), __loader_fini_array_end[] __attribute__((weak));

#ifndef IGNORED
void run_initialisers(void) {
    for (const function *next = __loader_init_array_start; next != __loader_init_array_end; next++)
        (*next)();
}

void run_finalisers(void) {
    for (const function *next = __loader_fini_array_start; next != __loader_fini_array_end; next++)
        (*next)();
}
#endif
