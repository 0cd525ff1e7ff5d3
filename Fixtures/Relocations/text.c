// Text relocations: instructions that hold an address.

#include "check.h"

extern HIDDEN uint64_t move_address(void), move_own(void);
extern HIDDEN char hidden_target[];

void check_relocations(void) {
    check("64 in an instruction", move_address(), (uint64_t)hidden_target);
    check("RELATIVE in an instruction", move_own(), (uint64_t)hidden_target + 1);
}
