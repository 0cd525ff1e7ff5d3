// libelf, as an independent witness of what an ELF file says; only the tests use it.

#include <gelf.h>
#include <libelf.h>
