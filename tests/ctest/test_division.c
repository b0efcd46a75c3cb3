/* test_division.c: FN(divide_by_fma) of csrc/vmath.h against the hardware's division, in every bit, for every b.
 *
 *     cc -O2 -std=gnu11 -ffp-contract=off -Icsrc tests/ctest/test_division.c -lm -o test_division
 *
 * A quotient is rounded wrongly, if ever, next to a midpoint between two floats. a / b lies next to the midpoint M / 2^24
 * (M odd, of 25 bits) where a 2^k = b M + d for a small odd d: for each odd b that is solved for M modulo 2^k, and both
 * sides of every such midpoint are tried. An even b has the quotients of an odd one. Random pairs come on top. */
#include "nnc.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#if NNC_X86
#include <immintrin.h>
NNC_TARGET_BEGIN("avx2,fma")
#endif

/* the words, as a loop over lanes that compilers turn into vectors; fma is exact with hardware and without */
#define NNC_ISA test
#define VBYTES 16
#define NNC_ACC 8
#define NNC_REAL 32
typedef float nnc_test_f32 __attribute__((vector_size(16), may_alias));
#define vec nnc_test_f32
#define v_set(x) __extension__({ const float set_ = (x); (vec){set_, set_, set_, set_}; })
#define v_fma(a, b, c)                                                                                                 \
    __extension__({                                                                                                    \
        vec a_ = (a), b_ = (b), c_ = (c);                                                                              \
        for (int i = 0; i < 4; i++) a_[i] = __builtin_fmaf(a_[i], b_[i], c_[i]);                                       \
        a_;                                                                                                            \
    })
#define v_sqrt(a) (a)
#define v_max(a, b) v_select((ivec)((a) > (b)), a, b)
#define v_min(a, b) v_select((ivec)((a) < (b)), a, b)
#define v_select(m, a, b) ((vec)(((m) & (ivec)(a)) | (~(m) & (ivec)(b))))
#define v_load_n(p, n) FN(load_lanes)(p, n)
#define v_store_n(p, v, n) FN(store_lanes)(p, v, n)
#define NNC_LANES_BY_LOOP
#include "words.h"
#include "vmath.h"

static long tried, wrong;
static vec tops, bottoms;
static int held;

static void try(float a, float b) {
    tops[held] = a, bottoms[held] = b;
    if (++held < 4) return;
    held = 0;
    const vec got = FN(divide_by_fma)(tops, bottoms), want = tops / bottoms;
    for (int i = 0; i < 4; i++, tried++)
        if (memcmp((float[]){got[i]}, (float[]){want[i]}, 4) != 0 && wrong++ < 10)
            printf("FAIL %a / %a is %a, not %a\n", tops[i], bottoms[i], got[i], want[i]);
}

static void next_to_midpoints(uint32_t b, int k, int d) {
    uint32_t inverse = b; /* of b modulo 2^32, by Newton's iteration */
    for (int i = 0; i < 4; i++) inverse *= 2 - b * inverse;
    const uint32_t low = ((uint32_t)-d * inverse) & ((1u << k) - 1);
    for (uint64_t m = low; m < 1u << 25; m += 1u << k) {
        const int64_t product = (int64_t)(b * m) + d, a = product >> k;
        if (m < 1u << 24 || !(m & 1) || a < 1 << 23 || a >= 1 << 24) continue;
        try(ldexpf((float)a, (int)(b % 11) - 28), ldexpf((float)b, (int)(b % 7) - 26));
    }
}

int main(int count, char **words) {
    const uint32_t step = count > 1 && !strcmp(words[1], "--quick") ? 2 * 37 : 2;
    for (uint32_t b = (1u << 23) + 1; b < 1u << 24; b += step)
        for (int d = -3; d <= 3; d += 2) next_to_midpoints(b, 24, d), next_to_midpoints(b, 25, d);
    for (int d = -3; d <= 3; d += 2) next_to_midpoints((1u << 24) - 1, 24, d), next_to_midpoints((1u << 24) - 1, 25, d);
    for (uint64_t i = 0; i < (step > 2 ? 100000 : 4000000); i++) {
        const uint64_t bits = nnc_mix(i);
        try(ldexpf((float)(int32_t)bits, (int)(i % 61) - 40), ldexpf((float)(1 + (uint32_t)(bits >> 32)), (int)(i % 79) - 60));
    }
    try(0, 1e-8f), try(1, 0x1.fffffep-1f), try(1, 1);
    while (held > 0) try(1, 3);
    printf("divide_by_fma: %ld quotients, %ld wrong%s\n", tried, wrong, wrong ? "" : ": all good");
    return wrong != 0;
}
#if NNC_X86
NNC_TARGET_END
#endif
