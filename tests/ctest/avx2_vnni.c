/* avx2_vnni.c: isa/avx2.c with AVX-VNNI's one instruction done by hand, on a machine without it. For checking results, not speed.
 * Compile this instead of csrc/isa/avx2.c, and dispatch.c with -DHAS_AVX2_DOT=1. */
#include "nnc.h"
#include <immintrin.h>
#include <string.h>

static inline __attribute__((target("avx2"))) __m256i nnc_dpbusd(__m256i sum, __m256i x, __m256i w) {
    uint8_t a[32];
    int8_t b[32];
    int32_t s[8];
    memcpy(a, &x, 32);
    memcpy(b, &w, 32);
    memcpy(s, &sum, 32);
    for (int i = 0; i < 32; i++) s[i / 4] += a[i] * b[i];
    memcpy(&sum, s, 32);
    return sum;
}
#define _mm256_dpbusd_avx_epi32(sum, x, w) nnc_dpbusd(sum, x, w)
#define target(features) unused
#include "isa/avx2.c"
