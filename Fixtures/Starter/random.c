// Random numbers from a seed: xorshift (Marsaglia, 2003).

#include "starter.h"

static uint32_t state = 1;

void seed(uint32_t seed) {
    // Adjacent seeds must give very different numbers.
    state = (seed + 1) * 0x9e3779b1;
    if (state == 0)
        state = 1;
    for (int round = 0; round < 8; round++)
        chance();
}

uint32_t chance(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

uint32_t below(uint32_t limit) { return chance() % limit; }
