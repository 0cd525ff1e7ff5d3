// An application that does not call its libraries' initialisers, and is warned.

#include "check.h"
#include "libraries.h"

void check_relocations(void) { check("nothing was called", *(const uint64_t *)recorded(), 0); }
