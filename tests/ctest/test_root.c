/* test_root.c: FN(root_from) of csrc/vmath.h against the hardware's square root, in every bit, for every number that it may be
 * given.
 *
 *     cc -O2 -std=gnu11 -ffp-contract=off -Icsrc tests/ctest/test_root.c -lm -o test_root
 *
 * A root's digits repeat with every factor of 4, so two binades stand for all; the ends of the range are tried as well. The
 * first guess is made as bad as words.h lets an ISA's be, either way. With AVX-512's own guess, numbers of all sizes. */
#include "nnc.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#if NNC_X86
#include <immintrin.h>
#undef __builtin_cpu_supports /* which builds for emulation make say yes: here the CPU itself is asked */
NNC_TARGET_BEGIN("avx2,fma")
#endif

/* the words, as a loop over lanes that compilers turn into vectors; fma is exact with hardware and without */
#define NNC_ISA test
#define VBYTES 16
#define NNC_ACC 8
#define NNC_REAL 32
typedef float nnc_test_f32 __attribute__((vector_size(16), may_alias));
#define vec nnc_test_f32
#define EACH(lane) __extension__({ vec r_; for (int i = 0; i < 4; i++) r_[i] = (lane); r_; })
#define v_set(x) __extension__({ const float set_ = (x); (vec){set_, set_, set_, set_}; })
#define v_fma(a, b, c) __extension__({ const vec a_ = (a), b_ = (b), c_ = (c); EACH(__builtin_fmaf(a_[i], b_[i], c_[i])); })
#define v_sqrt(a) __extension__({ const vec a_ = (a); EACH(__builtin_sqrtf(a_[i])); })
#define v_max(a, b) v_select((ivec)((a) > (b)), a, b)
#define v_min(a, b) v_select((ivec)((a) < (b)), a, b)
#define v_select(m, a, b) ((vec)(((m) & (ivec)(a)) | (~(m) & (ivec)(b))))
#define v_load_n(p, n) FN(load_lanes)(p, n)
#define v_store_n(p, v, n) FN(store_lanes)(p, v, n)
#define NNC_LANES_BY_LOOP
#include "words.h"
#include "vmath.h"

static long tried, wrong;

static void compare(vec v, vec got) {
    const vec want = v_sqrt(v);
    for (int i = 0; i < 4; i++, tried++)
        if (memcmp((float[]){got[i]}, (float[]){want[i]}, 4) != 0 && wrong++ < 10)
            printf("FAIL root of %a is %a, not %a\n", v[i], got[i], want[i]);
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

/* Every number from `from` up to `to`, in steps, with guesses that are off by the part `off`. */
static void stretch(float from, float to, uint32_t step, float off) {
    for (uint32_t bits = bits_of(from); bits <= bits_of(to) - 3 * step; bits += 4 * step) {
        const vec v = (vec)(ivec){(int)bits, (int)(bits + step), (int)(bits + 2 * step), (int)(bits + 3 * step)};
        compare(v, FN(root_from)(v, v_set(1 + off) / v_sqrt(v)));
    }
}

#if NNC_X86
static __attribute__((target("avx512f"))) vec guess(vec v) {
    return (vec)_mm512_castps512_ps128(_mm512_rsqrt14_ps(_mm512_castps128_ps512((__m128)v)));
}

static void with_this_cpu(void) {
    if (!__builtin_cpu_supports("avx512f")) return;
    for (uint32_t bits = bits_of(0x1p-100f); bits <= bits_of(FLT_MAX) - 3; bits += 4 * 101) {
        const vec v = (vec)(ivec){(int)bits, (int)(bits + 1), (int)(bits + 2), (int)(bits + 3)};
        compare(v, FN(root_from)(v, guess(v)));
    }
}
#endif

int main(void) {
    const float off[] = {0, 0x1p-13f, -0x1p-13f};
    for (int i = 0; i < 3; i++) {
        stretch(1, 4, 1, off[i]);
        stretch(0x1p-100f, 0x1p-98f, 37, off[i]);
        stretch(0x1p126f, FLT_MAX, 37, off[i]);
    }
#if NNC_X86
    with_this_cpu();
#endif
    printf("root_from: %ld roots, %ld wrong%s\n", tried, wrong, wrong ? "" : ": all good");
    return wrong != 0;
}
#if NNC_X86
NNC_TARGET_END
#endif
