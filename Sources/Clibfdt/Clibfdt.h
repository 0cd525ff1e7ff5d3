// libfdt, as an independent witness of a device tree's contents; only the tests use it.

#include <libfdt.h>
