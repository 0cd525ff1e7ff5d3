// GNU libiberty's demangler of C++ and of both manglings of Rust: the one that c++filt is made of.

#include <libiberty/demangle.h>
