// A library between the others: symbols that the application defines as well, and symbols that only it may define.

#include "libraries.h"

__attribute__((noinline)) int who(void) { return 2; }
int ask_who(void) { return who(); }

__attribute__((visibility("protected"))) int own(void) { return 20; }
int ask_own(void) { return own(); }

extern int nobody(void) __attribute__((weak));
int is_nobody(void) { return nobody == 0; }

int old_version(void);
__asm__(".symver old_version, versioned@BASE_1");
int ask_old_version(void) { return old_version(); }

extern void *address_of_function(void);
void *middle_function(void) { return (void *)record; }

__thread long middle_variable = 88;
long *middle_variable_address(void) { return &middle_variable; }
extern __thread int base_variable;
int *middle_sees_base_variable(void) { return &base_variable; }

__attribute__((constructor)) static void begin(void) { record('m'); }
__attribute__((destructor)) static void end(void) { record('M'); }
// DT_INIT and DT_FINI, in addition to the arrays.
void middle_init(void) { record('i'); }
void middle_fini(void) { record('I'); }
