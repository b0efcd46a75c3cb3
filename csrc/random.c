/* random.c: the order of samples. Integer arithmetic only, so a seed gives the same order on every machine. */
#include "nnc.h"

/* A number below bound, the high half of random * bound: biased by bound / 2^64 at most. By 32 bits, for not every machine has a
 * product of 128. */
static uint64_t below(uint64_t random, uint64_t bound) {
    const uint64_t low = random & 0xFFFFFFFFu, high = random >> 32, bound_low = bound & 0xFFFFFFFFu, bound_high = bound >> 32;
    const uint64_t middle = high * bound_low + (low * bound_low >> 32), other = low * bound_high + (middle & 0xFFFFFFFFu);
    return high * bound_high + (middle >> 32) + (other >> 32);
}

void nnc_shuffle(int64_t n, int64_t *index, uint64_t *state) {
    for (int64_t i = 0; i < n; i++) index[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)below(nnc_mix(*state), (uint64_t)i + 1);
        *state += 0x9E3779B97F4A7C15u;
        const int64_t t = index[i];
        index[i] = index[j];
        index[j] = t;
    }
}
