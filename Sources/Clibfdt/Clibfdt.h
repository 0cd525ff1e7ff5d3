// libfdt, as an independent witness of what a device tree says; only the tests use it.

#include <libfdt.h>
