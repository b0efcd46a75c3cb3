/* random.c: the order of samples. Integer arithmetic only, so a seed gives the same order on every machine. */
#include "nnc.h"

/* A number below bound (1..2^32), without bias worth the name: the high half of a 64-bit product of 32 random bits would do for
 * small n; 64 x 64 keeps the bias under n / 2^64. */
static uint64_t below(uint64_t random, uint64_t bound) { return (uint64_t)(((unsigned __int128)random * bound) >> 64); }

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
