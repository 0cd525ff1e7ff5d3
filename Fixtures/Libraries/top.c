// A library that needs both others; the thread-local variables of all of them, through descriptors.

#include "libraries.h"

extern __thread int base_variable;
extern __thread long middle_variable;
__thread short top_variable __attribute__((aligned(32))) = 99;
static __thread int top_zero[3];

int *top_sees_base_variable(void) { return &base_variable; }
long *top_sees_middle_variable(void) { return &middle_variable; }
short *top_variable_address(void) { return &top_variable; }
int *top_zero_address(void) { return top_zero; }

int versioned(void);
int ask_new_version(void) { return versioned(); }

static int (*const table[])(int) = {base_chosen};
int call_chosen(int a) { return (*(int (*const volatile *)(int))table)(a); }

// It is never called: it would write to code.
static const char constant[] = "constant";
const char *top_constant(void) { return constant; }

__attribute__((constructor)) static void begin(void) { record('t'); }
__attribute__((destructor)) static void end(void) { record('T'); }
