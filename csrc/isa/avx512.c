/* avx512.c: the words of AVX-512 (F, VL, BW, DQ), and with them all tiles. See words.h for what each word means. */
#include "../nnc.h"

#if NNC_X86
#include <immintrin.h>
NNC_TARGET_BEGIN("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,popcnt")

#define NNC_ISA avx512
#define VBYTES 64
#define NNC_ACC 24 /* 32 registers: 6 rows x 4 columns of accumulators, 4 columns, a broadcast */

#define MASK16(n) ((__mmask16)((1u << (n)) - 1))
#define MASK8(n) ((__mmask8)((1u << (n)) - 1))

static inline __attribute__((always_inline)) int nnc_avx512_list32(__m512 v, uint16_t p, uint16_t *list) {
    const __mmask16 m = _mm512_test_epi32_mask((__m512i)v, (__m512i)v);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i places = _mm512_maskz_compress_epi32(m, _mm512_add_epi32(lane, _mm512_set1_epi32(p)));
    _mm256_storeu_si256((__m256i *)list, _mm512_cvtsepi32_epi16(places));
    return __builtin_popcount(m);
}
static inline __attribute__((always_inline)) int nnc_avx512_list64(__m512d v, uint16_t p, uint16_t *list) {
    const __mmask8 m = _mm512_test_epi64_mask((__m512i)v, (__m512i)v);
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i places = _mm256_maskz_compress_epi32(m, _mm256_add_epi32(lane, _mm256_set1_epi32(p)));
    _mm_storeu_si128((__m128i *)list, _mm256_cvtsepi32_epi16(places));
    return __builtin_popcount(m);
}

static inline __attribute__((always_inline)) __m512 nnc_avx512_quads32(const float *p, long step) {
    const __m512 a = _mm512_insertf32x4(_mm512_castps128_ps512(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
    return _mm512_insertf32x4(_mm512_insertf32x4(a, _mm_loadu_ps(p + 2 * step), 2), _mm_loadu_ps(p + 3 * step), 3);
}
static inline __attribute__((always_inline)) __m512d nnc_avx512_quads64(const double *p, long step) {
    const __m512d a = _mm512_insertf64x2(_mm512_castpd128_pd512(_mm_loadu_pd(p)), _mm_loadu_pd(p + step), 1);
    return _mm512_insertf64x2(_mm512_insertf64x2(a, _mm_loadu_pd(p + 2 * step), 2), _mm_loadu_pd(p + 3 * step), 3);
}

/* q_dot: |x| is 0..127 and so fits the unsigned side; x's signs go to w. Two products make at most 2 * 127 * 127, which
 * fits 16 bits. With VNNI one instruction adds all four. */
#define NNC_QUICK __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma,popcnt")))
static inline __attribute__((always_inline)) __m512i nnc_avx512_sign(__m512i w, __m512i x) {
    return _mm512_mask_sub_epi8(w, _mm512_movepi8_mask(x), _mm512_setzero_si512(), w);
}
static inline __attribute__((always_inline)) __m512i nnc_avx512_dot(__m512i sum, __m512i x, __m512i w) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(x, w), _mm512_set1_epi16(1)));
}

extern const nnc_kernels *const nnc_tables_avx2[NNC_DTYPES];

#define NNC_REAL 32
#define NNC_NARROWER (nnc_tables_avx2 + NNC_FLOAT32)
#define q_dot_up(sum, x, w) nnc_avx512_dot((__m512i)(sum), (__m512i)(x), (__m512i)(w))
#define q_dot_up_quick(sum, x, w) _mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(x), (__m512i)(w))
#define q_dot(sum, x, w) q_dot_up(sum, _mm512_abs_epi8((__m512i)(x)), nnc_avx512_sign((__m512i)(w), (__m512i)(x)))
#define q_dot_quick(sum, x, w)                                                                                         \
    q_dot_up_quick(sum, _mm512_abs_epi8((__m512i)(x)), nnc_avx512_sign((__m512i)(w), (__m512i)(x)))
#define q_narrow(p, i) _mm_storeu_si128((__m128i *)(p), _mm512_cvtsepi32_epi8((__m512i)(i)))
#define v_list_nonzero nnc_avx512_list32
#define v_count_nonzero(v) __builtin_popcount(_mm512_test_epi32_mask((__m512i)(v), (__m512i)(v)))
#define vec __m512
#define v_set(x) _mm512_set1_ps(x)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_sqrt(a) _mm512_sqrt_ps(a) /* 10 to 12 cycles, and a division waits for the same unit */
#define v_root_guess(a) _mm512_rsqrt14_ps(a)
#define v_any_below(a, b) (_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_select(m, a, b) _mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)(m)), b, a)
#define v_load_n(p, n) _mm512_maskz_loadu_ps(MASK16(n), p)
#define v_store_n(p, v, n) _mm512_mask_storeu_ps(p, MASK16(n), v)
#define v_quads(p, step) nnc_avx512_quads32(p, step)
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define NNC_NARROWER (nnc_tables_avx2 + NNC_FLOAT64)
#define v_list_nonzero nnc_avx512_list64
#define v_count_nonzero(v) __builtin_popcount(_mm512_test_epi64_mask((__m512i)(v), (__m512i)(v)))
#define vec __m512d
#define v_set(x) _mm512_set1_pd(x)
#define v_fma(a, b, c) _mm512_fmadd_pd(a, b, c)
#define v_sqrt(a) _mm512_sqrt_pd(a)
#define v_max(a, b) _mm512_max_pd(a, b)
#define v_min(a, b) _mm512_min_pd(a, b)
#define v_select(m, a, b) _mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)(m)), b, a)
#define v_load_n(p, n) _mm512_maskz_loadu_pd(MASK8(n), p)
#define v_store_n(p, v, n) _mm512_mask_storeu_pd(p, MASK8(n), v)
#define v_quads(p, step) nnc_avx512_quads64(p, step)
#include "../kernels/tiles.h"

NNC_TARGET_END
NNC_TABLES(avx512)
#else
NNC_NO_TABLES(avx512)
#endif
