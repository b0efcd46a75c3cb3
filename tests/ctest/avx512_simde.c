/* avx512_simde.c: isa/avx512.c on a machine without AVX-512, its intrinsics emulated by SIMDe (Debian:
 * libsimde-dev). For checking results, not speed. Compile this instead of csrc/isa/avx512.c with -mavx2 -mfma, and
 * dispatch.c with -D'__builtin_cpu_supports(x)=1' so that it hands the table out. */
#include "nnc.h"
#include <immintrin.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

/* what SIMDe 0.7 lacks */
#include <string.h>
static inline __m512 nnc_load_masked_ps(unsigned mask, const float *p) {
    float t[16] = {0};
    __m512 v;
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) t[i] = p[i];
    memcpy(&v, t, sizeof(v));
    return v;
}
static inline __m512d nnc_load_masked_pd(unsigned mask, const double *p) {
    double t[8] = {0};
    __m512d v;
    for (int i = 0; i < 8; i++)
        if (mask >> i & 1) t[i] = p[i];
    memcpy(&v, t, sizeof(v));
    return v;
}
static inline void nnc_store_masked(void *p, unsigned mask, const void *v, int lanes, size_t size) {
    for (int i = 0; i < lanes; i++)
        if (mask >> i & 1) memcpy((char *)p + (size_t)i * size, (const char *)v + (size_t)i * size, size);
}
static inline __m512 nnc_rsqrt14(__m512 v) {
    float t[16];
    memcpy(t, &v, sizeof(v));
    for (int i = 0; i < 16; i++) t[i] = (float)(1.00006 / __builtin_sqrt(t[i])); /* as bad as the real one may be */
    memcpy(&v, t, sizeof(v));
    return v;
}
#undef _mm512_rsqrt14_ps
#define _mm512_rsqrt14_ps(v) nnc_rsqrt14(v)
#undef _mm512_maskz_loadu_ps
#undef _mm512_maskz_loadu_pd
#undef _mm512_mask_storeu_ps
#undef _mm512_mask_storeu_pd
#define _mm512_maskz_loadu_ps(mask, p) nnc_load_masked_ps(mask, p)
#define _mm512_maskz_loadu_pd(mask, p) nnc_load_masked_pd(mask, p)
#define _mm512_mask_storeu_ps(p, mask, v) __extension__({ const __m512 v_ = (v); nnc_store_masked(p, mask, &v_, 16, 4); })
#define _mm512_mask_storeu_pd(p, mask, v) __extension__({ const __m512d v_ = (v); nnc_store_masked(p, mask, &v_, 8, 8); })

/* and what it names wrongly */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

#undef NNC_TARGET_BEGIN
#undef NNC_TARGET_END
#define NNC_TARGET_BEGIN(features)
#define NNC_TARGET_END
#define target(features) unused
#include "isa/avx512.c"
