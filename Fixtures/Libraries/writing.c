// An application that writes to a library's constant: with protection it dies, without it succeeds.

#include "check.h"
#include "libraries.h"

void check_relocations(void) {
    *(volatile char *)top_constant() = 'C';
    check("written", *(const volatile char *)top_constant(), 'C');
}
