// The library that the other two need: versions, a copied object, a function that is chosen, thread-local storage.

#include "libraries.h"

int base_number = 5;
int *base_number_address(void) { return &base_number; }

/// The application's copy holds an address of this library, and the result of a resolver.
int base_target = 9;
struct pointers base_pointers = {&base_target, base_chosen};

int first_version(void) { return 1; }
#ifdef OLD
__asm__(".symver first_version, versioned@@BASE_1\n");
#else
int second_version(void) { return 2; }
__asm__(".symver first_version, versioned@BASE_1\n"
        ".symver second_version, versioned@@BASE_2\n");
#endif

static int choice(int a) { return a + base_number; }
static int other_choice(int a) { return a; }
static int (*(*volatile choices)[2])(int) = &(int (*[2])(int)){choice, other_choice};
__attribute__((used)) static int (*resolver(void))(int) { return (*choices)[0]; }
__asm__(".globl base_chosen\n"
        ".type base_chosen, @gnu_indirect_function\n"
        ".set base_chosen, resolver\n");

__thread int base_variable __attribute__((aligned(64))) = 77;
static __thread char base_zero[100];
int *base_variable_address(void) { return &base_variable; }
char *base_zero_address(void) { return base_zero; }

static char events[16];
static int event_count;
void record(char event) { events[event_count++ & 15] = event; }
const char *recorded(void) { return events; }

__attribute__((constructor)) static void begin(void) { record('b'); }
__attribute__((destructor)) static void end(void) { record('B'); }
