// libelf, as an independent witness of an ELF file's contents; only the tests use it.

#include <gelf.h>
#include <libelf.h>
