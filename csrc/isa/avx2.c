/* avx2.c: the words of AVX2 + FMA (x86-64-v3), and with them all tiles. See words.h for what each word means. */
#include "../nnc.h"

#if NNC_X86
#include <immintrin.h>
NNC_TARGET_BEGIN("avx2,fma,popcnt")

#define NNC_ISA avx2
#define VBYTES 32
#define NNC_ACC 12 /* 16 registers: 12 accumulators, 2 columns, 1 broadcast, 1 spare */

/* Lane masks of the first n lanes: read 8 (4) words starting 8-n (4-n) in. */
static const int32_t nnc_avx2_mask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int64_t nnc_avx2_mask64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
#define MASK32(n) _mm256_loadu_si256((const __m256i *)(nnc_avx2_mask32 + 8 - (n)))
#define MASK64(n) _mm256_loadu_si256((const __m256i *)(nnc_avx2_mask64 + 4 - (n)))

/* v_list_nonzero: the places of the bits that are set in a mask of lanes, in order. */
#define SET(m, i, lane) ((m) >> (lane)&1 && __builtin_popcount((m) & ((1 << (lane)) - 1)) == (i) ? (lane) : 0)
#define PLACE(m, i) \
    SET(m, i, 0) + SET(m, i, 1) + SET(m, i, 2) + SET(m, i, 3) + SET(m, i, 4) + SET(m, i, 5) + SET(m, i, 6) + SET(m, i, 7)
#define PLACES(m) {PLACE(m, 0), PLACE(m, 1), PLACE(m, 2), PLACE(m, 3), PLACE(m, 4), PLACE(m, 5), PLACE(m, 6), PLACE(m, 7)},
#define MASKS(X, m) X(m) X(m + 1) X(m + 2) X(m + 3)
#define MASKS_16(m) MASKS(PLACES, m) MASKS(PLACES, m + 4) MASKS(PLACES, m + 8) MASKS(PLACES, m + 12)
#define MASKS_64(m) MASKS_16(m) MASKS_16(m + 16) MASKS_16(m + 32) MASKS_16(m + 48)
static const uint8_t nnc_avx2_places[256][8] __attribute__((aligned(64))) = {MASKS_64(0) MASKS_64(64) MASKS_64(128) MASKS_64(192)};
static inline __attribute__((always_inline)) int nnc_avx2_list(int m, uint16_t p, uint16_t *list) {
    const __m128i places = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)nnc_avx2_places[m]));
    _mm_storeu_si128((__m128i *)list, _mm_add_epi16(places, _mm_set1_epi16((short)p)));
    return __builtin_popcount((unsigned)m);
}
static inline __attribute__((always_inline)) int nnc_avx2_nonzero32(__m256 v) {
    return _mm256_movemask_ps((__m256)_mm256_cmpeq_epi32((__m256i)v, _mm256_setzero_si256())) ^ 255;
}
static inline __attribute__((always_inline)) int nnc_avx2_nonzero64(__m256d v) {
    return _mm256_movemask_pd((__m256d)_mm256_cmpeq_epi64((__m256i)v, _mm256_setzero_si256())) ^ 15;
}
/* q_dot: |x| is 0..127 and so fits the unsigned side. Where x is negative, w takes its sign in one quick step, as
 * ~w = -w - 1 (turned): then |x| is missing. Two products make at most 2 * 127 * 128, which fits 16 bits. */
static inline __attribute__((always_inline)) __m256i nnc_avx2_dot(__m256i sum, __m256i x, __m256i w) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
}
static inline __attribute__((always_inline)) __m256i nnc_avx2_turned(__m256i w, __m256i x) {
    return _mm256_xor_si256(w, _mm256_cmpgt_epi8(_mm256_setzero_si256(), x));
}
static inline __attribute__((always_inline)) void nnc_avx2_narrow(void *p, __m256i v) {
    const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64(p, _mm_packs_epi16(half, half));
}

/* The first n < 8 lanes of v to p, in halves: a masked store takes many steps on some CPUs. */
static inline __attribute__((always_inline)) void nnc_avx2_store_n32(float *p, __m256 v, int n) {
    __m128 part = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, part);
        p += 4;
        part = _mm256_extractf128_ps(v, 1);
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, part);
        p += 2;
        part = _mm_movehl_ps(part, part);
    }
    if (n & 1) _mm_store_ss(p, part);
}

#define NNC_REAL 32
#define NNC_DOT_FALLS_SHORT
#define q_dot(sum, x, w) q_dot_up(sum, _mm256_abs_epi8((__m256i)(x)), nnc_avx2_turned((__m256i)(w), (__m256i)(x)))
#define q_dot_up(sum, x, w) nnc_avx2_dot((__m256i)(sum), (__m256i)(x), (__m256i)(w))
#if NNC_KNOWS_AVX_VNNI /* newer CPUs without AVX-512 add all four in one instruction */
#define NNC_QUICK __attribute__((target("avx2,fma,popcnt,avxvnni")))
#define q_dot_up_quick(sum, x, w) _mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(x), (__m256i)(w))
#define q_dot_quick(sum, x, w) q_dot_up_quick(sum, _mm256_abs_epi8((__m256i)(x)), nnc_avx2_turned((__m256i)(w), (__m256i)(x)))
#endif
#define q_narrow(p, i) nnc_avx2_narrow(p, (__m256i)(i))
#define v_list_nonzero(v, p, list) nnc_avx2_list(nnc_avx2_nonzero32(v), p, list)
#define v_count_nonzero(v) __builtin_popcount((unsigned)nnc_avx2_nonzero32(v))
#define vec __m256
#define v_set(x) _mm256_set1_ps(x)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_sqrt(a) _mm256_sqrt_ps(a)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_min(a, b) _mm256_min_ps(a, b)
#define v_select(m, a, b) _mm256_blendv_ps(b, a, (__m256)(m))
#define v_load_n(p, n) _mm256_maskload_ps(p, MASK32(n))
#define v_store_n(p, v, n) nnc_avx2_store_n32(p, v, n)
#define v_quads(p, step) _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps((p) + (step)), 1)
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define v_list_nonzero(v, p, list) nnc_avx2_list(nnc_avx2_nonzero64(v), p, list)
#define v_count_nonzero(v) __builtin_popcount((unsigned)nnc_avx2_nonzero64(v))
#define vec __m256d
#define v_set(x) _mm256_set1_pd(x)
#define v_fma(a, b, c) _mm256_fmadd_pd(a, b, c)
#define v_sqrt(a) _mm256_sqrt_pd(a)
#define v_max(a, b) _mm256_max_pd(a, b)
#define v_min(a, b) _mm256_min_pd(a, b)
#define v_select(m, a, b) _mm256_blendv_pd(b, a, (__m256d)(m))
#define v_load_n(p, n) _mm256_maskload_pd(p, MASK64(n))
#define v_store_n(p, v, n) _mm256_maskstore_pd(p, MASK64(n), v)
#define v_quads(p, step) _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd((p) + (step)), 1)
#include "../kernels/tiles.h"

NNC_TARGET_END
NNC_TABLES(avx2)
#else
NNC_NO_TABLES(avx2)
#endif
